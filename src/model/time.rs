//! Points in time, as systemd counts them: microseconds since 1970 UTC.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A point in time with microseconds. As text (JSON, YAML, tables) it is RFC 3339 in UTC with whole
/// seconds, as Kubernetes writes it; a finer value read from text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The first one there is.
    pub const FIRST: Self = Self(1);

    /// From microseconds since the epoch; systemd's 0 and its "infinity" mean "never" and give `None`.
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros != 0 && micros != u64::MAX).then_some(Self(micros))
    }

    /// Microseconds since the epoch.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this one; zero when it lies after this one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 with nanoseconds, as `kubectl logs --timestamps` prints it.
    pub fn to_rfc3339_nano(self) -> String {
        self.jiff()
            .map_or_else(String::new, |time| format!("{time:.9}"))
    }

    fn jiff(self) -> Option<jiff::Timestamp> {
        i64::try_from(self.0)
            .ok()
            .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
    }

    /// From RFC 3339 text.
    pub fn parse(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(time.as_microsecond())
            .ok()
            .and_then(Self::from_micros)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.jiff() {
            Some(time) => write!(f, "{time:.0}"),
            None => f.write_str("<invalid>"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc_3339_in_whole_seconds() {
        let time = Timestamp::from_micros(1_700_000_000_123_456).unwrap();
        assert_eq!(time.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(time.to_rfc3339_nano(), "2023-11-14T22:13:20.123456000Z");
        assert_eq!(Timestamp::parse("2023-11-14T22:13:20.123456Z"), Some(time));
    }

    #[test]
    fn never_is_no_time() {
        assert_eq!(Timestamp::from_micros(0), None);
        assert_eq!(Timestamp::from_micros(u64::MAX), None);
    }
}
