//! This machine's clock.

use std::time::SystemTime;

use peer_engine::time::Timestamp;

/// This machine's clock, within what can be written.
pub fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::clamped(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
