//! What one link may cost over all groups: changes on their way, and rations for what is asked for or sent again.

use super::Ration;
use crate::limits::{
    ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, LINK_IN_FLIGHT_BYTES_MAX, SENT_AGAIN_BYTES_MAX,
    SENT_AGAIN_BYTES_PER_S,
};
use crate::time::Now;

/// Only the sessions of the link put changes on their way and take them off it.
#[derive(Debug)]
pub struct LinkBudget {
    in_flight_bytes: usize,
    asked_again: Ration,
    sent_again: Ration,
}

impl LinkBudget {
    pub fn new(now: Now) -> Self {
        Self {
            in_flight_bytes: 0,
            asked_again: Ration::new(ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, 1000, now),
            sent_again: Ration::new(SENT_AGAIN_BYTES_MAX, SENT_AGAIN_BYTES_PER_S, 1000, now),
        }
    }

    /// Changes on their way in all groups.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Bytes that may still be put on their way.
    pub fn free_bytes(&self) -> usize {
        LINK_IN_FLIGHT_BYTES_MAX.saturating_sub(self.in_flight_bytes)
    }

    /// Whether the link may ask for anything.
    pub fn may_ask(&mut self, now: Now) -> bool {
        self.asked_again.is_left(now)
    }

    /// The link was answered so much that it had been answered before.
    pub fn asked_again(&mut self, bytes: u64, now: Now) {
        self.asked_again.spend(bytes, now);
    }

    /// The link has sent so much that was here already. Says whether it may send more of that.
    pub fn sent_again(&mut self, bytes: u64, now: Now) -> bool {
        self.sent_again.spend(bytes, now);
        self.sent_again.is_left(now)
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.in_flight_bytes += bytes;
    }

    pub(super) fn arrived(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.in_flight_bytes, "more arrives than was sent");
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
    }
}
