//! Time as a value. Nothing here reads a clock: time comes in as an argument.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A wall-clock time: milliseconds since 1970-01-01T00:00:00Z, within the years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time of the years 1970 to 9999. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, from 1970 to 9999: 2026-01-31T12:00:00.000Z")]
pub struct TimeError;

impl Timestamp {
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// `None` outside the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// The nearest time that can be written: what a writer does to its own clock.
    pub fn clamped(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
        Self::from_millis(parsed.as_millisecond()).ok_or(TimeError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
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
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What the engine is told of time with every event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// This machine's wall clock; may be wrong and may jump. Only ever stamped on entries and shown.
    pub wall: Timestamp,
    /// Microseconds on a clock that never goes back. All timers use it.
    pub ticks_us: u64,
}

impl Now {
    /// The tick `millis` milliseconds from now.
    pub fn in_ms(self, millis: u64) -> u64 {
        self.ticks_us.saturating_add(millis.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_with_milliseconds_and_read_back() {
        for millis in [0, 1, 1_700_000_000_123, Timestamp::MAX.0] {
            let time = Timestamp::from_millis(millis).unwrap();
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }
        assert_eq!(Timestamp::clamped(1_103_966_040_000).to_string(), "2004-12-25T09:14:00.000Z");
        assert_eq!(Timestamp::from_millis(-1), None);
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.0 + 1), None);
    }
}
