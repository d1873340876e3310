//! This machine's clock.

use std::time::SystemTime;

use peer_engine::time::Timestamp;

/// The time of this machine's clock, clamped to the range that a timestamp can hold.
pub fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::clamped(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
