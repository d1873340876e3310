//! What one link may cost over all groups: its send window, and allowances for repeated requests and duplicates.

use super::Ration;
use crate::limits::{
    ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, LINK_IN_FLIGHT_BYTES_MAX, SENT_AGAIN_BYTES_MAX,
    SENT_AGAIN_BYTES_PER_S,
};
use crate::time::Now;

/// The resources of one link over all groups: its send window, and its allowances for repeated requests and
/// duplicates. Only the sessions of the link move bytes in and out of the window.
#[derive(Debug)]
pub struct LinkBudget {
    in_flight_bytes: usize,
    asked_again: Ration,
    sent_again: Ration,
}

impl LinkBudget {
    /// An empty send window and full allowances.
    pub fn new(now: Now) -> Self {
        Self {
            in_flight_bytes: 0,
            asked_again: Ration::new(ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, 1000, now),
            sent_again: Ration::new(SENT_AGAIN_BYTES_MAX, SENT_AGAIN_BYTES_PER_S, 1000, now),
        }
    }

    /// Bytes of changes sent in all groups and not yet acknowledged.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Bytes that the send window still takes, of `LINK_IN_FLIGHT_BYTES_MAX`.
    pub fn free_bytes(&self) -> usize {
        LINK_IN_FLIGHT_BYTES_MAX.saturating_sub(self.in_flight_bytes)
    }

    /// Whether the link has any allowance for requests left (`ASKED_AGAIN_BYTES_MAX`).
    pub fn may_ask(&mut self, now: Now) -> bool {
        self.asked_again.is_left(now)
    }

    /// Charges the link for `bytes` of an answer that it was given before.
    pub fn asked_again(&mut self, bytes: u64, now: Now) {
        self.asked_again.spend(bytes, now);
    }

    /// Charges the link for `bytes` of changes that were here already. Returns whether any allowance is left
    /// (`SENT_AGAIN_BYTES_MAX`).
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
