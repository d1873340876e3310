//! Time as a value. Nothing here reads a clock: time comes in as an argument.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Times are counted from here in civil time, which, unlike `jiff::Timestamp`, goes to the end of the year 9999.
const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// A wall-clock time: milliseconds since 1970-01-01T00:00:00Z, within the years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time of the years 1970 to 9999. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, from 1970 to 9999: 2026-01-31T12:00:00.000Z")]
pub struct TimeError;

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z, the earliest time.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z, the latest time that RFC 3339 can express.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The time `millis` milliseconds after 1970-01-01T00:00:00Z; `None` outside the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// As [`Timestamp::from_millis`], with times out of range moved to the nearest bound. For a writer's own clock.
    pub fn clamped(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time with an offset. Fractions of a millisecond are cut off.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let pieces = Pieces::parse(text).map_err(|_| TimeError)?;
        let (Some(time), Some(offset)) = (pieces.time(), pieces.to_numeric_offset()) else {
            return Err(TimeError);
        };
        let local = pieces.date().to_datetime(time).duration_since(EPOCH).as_millis();
        let millis = local - i128::from(offset.seconds()) * 1000;
        i64::try_from(millis).ok().and_then(Self::from_millis).ok_or(TimeError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EPOCH.checked_add(SignedDuration::from_millis(self.0)) {
            Ok(time) => write!(f, "{time:.3}Z"),
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

/// The current time, which the driver passes to the engine with every event and command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// This machine's wall clock. May be wrong and may jump; it is only stamped on entries and shown, never used for
    /// timers.
    pub wall: Timestamp,
    /// Microseconds on a monotonic clock, with any starting point. All timers use it.
    pub ticks_us: u64,
}

impl Now {
    /// The tick, in microseconds, `millis` milliseconds from now.
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
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(-1), None);
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.0 + 1), None);
    }
    #[test]
    fn an_offset_is_taken_off_and_never_guessed() {
        let noon = Timestamp::parse("2026-01-31T12:00:00Z");
        assert_eq!(Timestamp::parse("2026-01-31T13:30:00.0009+01:30"), noon);
        assert_eq!(Timestamp::parse("9999-12-31T23:59:59.999-00:00"), Ok(Timestamp::MAX));
        assert_eq!(Timestamp::parse("1970-01-01T01:00:00+01:00"), Ok(Timestamp::MIN));
        for wrong in [
            "2026-01-31T12:00:00",
            "2026-01-31",
            "12:00:00Z",
            "",
            "noon",
            "2026-02-30T12:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:00:00-01:00",
        ] {
            assert_eq!(Timestamp::parse(wrong), Err(TimeError), "{wrong}");
        }
    }
}
