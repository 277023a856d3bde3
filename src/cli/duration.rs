//! Spans of time as people read and write them: ages in tables (`3m20s`) and limits on the command
//! line (`1h30m`).

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// The ages that kubectl writes with `big` units and, when there are any, what is left in `small` ones
/// (0: never): below `limit`, all in seconds.
struct Tier {
    limit: u64,
    big: (u64, &'static str),
    small: (u64, &'static str),
}

/// The rules of k8s.io/apimachinery's HumanDuration: two units while they matter, then one.
const TIERS: [Tier; 9] = [
    tier(2 * MINUTE, (1, "s"), (0, "")),
    tier(10 * MINUTE, (MINUTE, "m"), (1, "s")),
    tier(3 * HOUR, (MINUTE, "m"), (0, "")),
    tier(8 * HOUR, (HOUR, "h"), (MINUTE, "m")),
    tier(2 * DAY, (HOUR, "h"), (0, "")),
    tier(8 * DAY, (DAY, "d"), (HOUR, "h")),
    tier(2 * YEAR, (DAY, "d"), (0, "")),
    tier(8 * YEAR, (YEAR, "y"), (DAY, "d")),
    tier(u64::MAX, (YEAR, "y"), (0, "")),
];

const fn tier(limit: u64, big: (u64, &'static str), small: (u64, &'static str)) -> Tier {
    Tier { limit, big, small }
}

/// An age, as kubectl writes it: `45s`, `3m20s`, `2d4h`, `400d`.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let tier = TIERS
        .iter()
        .find(|tier| seconds < tier.limit)
        .unwrap_or(&TIERS[TIERS.len() - 1]);
    let (size, name) = tier.big;
    let whole = format!("{}{name}", seconds / size);
    match tier.small {
        (0, _) => whole,
        (small, name) => match seconds % size / small {
            0 => whole,
            rest => format!("{whole}{rest}{name}"),
        },
    }
}

/// Why a span of time was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not numbers with units.
    #[error("{0:?} is not a span of time: write numbers with units, such as 30s, 5m or 1h30m")]
    Syntax(String),
    /// More than can be counted.
    #[error("{0:?} is too long a time")]
    TooLong(String),
}

/// A span of time on the command line: numbers with the units `ns`, `us`, `ms`, `s`, `m`, `h`, one after
/// the other; `0` needs none.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let long = || DurationError::TooLong(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() || total.is_zero() && rest.len() == text.len() {
        let (number, tail) = cut(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, tail) = cut(tail, |c| c.is_alphabetic());
        let nanos = unit_nanos(unit).ok_or_else(syntax)?;
        total = total
            .checked_add(amount(number, nanos).ok_or_else(syntax)?.ok_or_else(long)?)
            .ok_or_else(long)?;
        rest = tail;
    }
    Ok(total)
}

/// `number` units: the outer `None` when it is no number, the inner one when it is too large.
fn amount(number: &str, unit: u64) -> Option<Option<Duration>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let Ok(whole) = (if whole.is_empty() { "0" } else { whole }).parse::<u64>() else {
        return Some(None);
    };
    let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
    let part = Duration::from_secs_f64(fraction * Duration::from_nanos(unit).as_secs_f64());
    let nanos = u128::from(whole) * u128::from(unit);
    let seconds = u64::try_from(nanos / 1_000_000_000).ok();
    let below = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Some(seconds.and_then(|s| Duration::new(s, below).checked_add(part)))
}

fn cut(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => MINUTE * 1_000_000_000,
        "h" => HOUR * 1_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kubectls() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (599, "9m59s"),
            (600, "10m"),
            (659, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 5 * MINUTE + 7, "3h5m"),
            (8 * HOUR, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + 4 * HOUR, "2d4h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY + 5 * HOUR, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + 3 * DAY, "2y3d"),
            (8 * YEAR + 3 * DAY, "8y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn spans_of_time_are_gos() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5m", 30_000),
            ("250ms", 250),
            ("2h0.5s", 7_200_500),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "", "5", "m", "5 m", "-5s", "1d", "1..2s", "5m3", ".s", "1.2.3s",
        ] {
            assert!(matches!(parse(bad), Err(DurationError::Syntax(_))), "{bad}");
        }
        for long in ["99999999999999999999h", "9999999999999999999h"] {
            assert!(
                matches!(parse(long), Err(DurationError::TooLong(_))),
                "{long}"
            );
        }
    }
}
