//! Amounts of CPU and bytes, as Kubernetes writes them (`resource.Quantity`): `500m`, `1.5`, `64Mi`, `2G`, `1e3`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// CPU time in thousandths of a core per second. A finer amount is rounded up, as Kubernetes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct CpuMillis(pub u64);

/// An amount of bytes. A fraction of a byte is rounded up, as Kubernetes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Bytes(pub u64);

/// Why a quantity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with a known suffix.
    #[error(
        "{0:?} is not a quantity: write a number with an optional suffix, such as 500m, 2, 64Mi or 1G"
    )]
    Syntax(String),
    /// Below zero.
    #[error("{0:?} is negative")]
    Negative(String),
    /// More than fits in 63 bits.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// Suffixes and what they multiply by, in thousandths (so that `m` is a whole number).
const SUFFIXES: [(&str, u128); 14] = [
    ("", 1_000),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
];

/// The quantity in thousandths, rounded up.
fn parse_milli(text: &str) -> Result<u128, QuantityError> {
    let syntax = || QuantityError::Syntax(text.to_owned());
    if text.starts_with('-') {
        return Err(QuantityError::Negative(text.to_owned()));
    }
    let body = text.strip_prefix('+').unwrap_or(text);
    let end = body
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let (scale, exponent) = scale(suffix).ok_or_else(syntax)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 40 {
        return Err(syntax());
    }
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| syntax())?;
    let large = || QuantityError::TooLarge(text.to_owned());
    let shift = exponent - i32::try_from(fraction.len()).map_err(|_| large())?;
    let scaled = digits.checked_mul(scale).ok_or_else(large)?;
    let power = 10u128.checked_pow(shift.unsigned_abs());
    match (shift >= 0, power) {
        (true, Some(power)) => scaled.checked_mul(power).ok_or_else(large),
        (false, Some(power)) => Ok(scaled.div_ceil(power)),
        (true, None) => Err(large()),
        (false, None) => Ok(u128::from(scaled > 0)),
    }
}

/// The factor in thousandths and the decimal exponent of a suffix.
fn scale(suffix: &str) -> Option<(u128, i32)> {
    if let Some((_, factor)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((*factor, 0));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    (exponent.abs() <= 30).then_some((1_000, exponent))
}

fn fits(text: &str, value: u128) -> Result<u64, QuantityError> {
    i64::try_from(value)
        .map(i64::unsigned_abs)
        .map_err(|_| QuantityError::TooLarge(text.to_owned()))
}

impl FromStr for CpuMillis {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        fits(text, parse_milli(text)?).map(Self)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        fits(text, parse_milli(text)?.div_ceil(1_000)).map(Self)
    }
}

impl fmt::Display for CpuMillis {
    /// `2` for whole cores, else `1500m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1_000 {
            0 => write!(f, "{}", self.0 / 1_000),
            _ => write!(f, "{}m", self.0),
        }
    }
}

impl fmt::Display for Bytes {
    /// The largest binary unit that keeps the number whole: `64Mi`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("Ei", 60),
            ("Pi", 50),
            ("Ti", 40),
            ("Gi", 30),
            ("Mi", 20),
            ("Ki", 10),
        ];
        for (unit, shift) in units {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_quantities() {
        let cases = [
            ("500m", 500),
            ("2", 2000),
            ("0.1", 100),
            ("1.5", 1500),
            ("0.0001", 1),
            ("1e1", 10_000),
            ("1k", 1_000_000),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse(), Ok(CpuMillis(millis)), "{text}");
        }
    }

    #[test]
    fn byte_quantities() {
        let cases = [
            ("64Mi", 64 << 20),
            ("1G", 1_000_000_000),
            ("1.5Ki", 1536),
            ("128974848", 128_974_848),
            ("100m", 1),
            ("12e6", 12_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        for bad in ["", "abc", "1Q", "1.2.3", ".", "1 Gi", "Mi", "1e", "0x10"] {
            assert!(
                matches!(bad.parse::<Bytes>(), Err(QuantityError::Syntax(_))),
                "{bad}"
            );
        }
        assert!(matches!(
            "-1".parse::<Bytes>(),
            Err(QuantityError::Negative(_))
        ));
        assert!(matches!(
            "9999Ei".parse::<Bytes>(),
            Err(QuantityError::TooLarge(_))
        ));
    }

    #[test]
    fn display_is_short_and_parses_back() {
        for bytes in [0, 1, 1000, 1024, 64 << 20, 3 << 30, u64::from(u32::MAX)] {
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
        assert_eq!(Bytes(64 << 20).to_string(), "64Mi");
        assert_eq!(CpuMillis(1500).to_string(), "1500m");
    }
}
