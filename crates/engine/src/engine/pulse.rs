//! Whether a link is alive: when something was last received, and what its pongs show.

use crate::limits::{COMPARE_EVERY_MS, PING_EVERY_MS, SILENCE_MS_MAX};
use crate::time::Now;

#[derive(Debug)]
pub(super) struct Pulse {
    heard_us: u64,
    pinged_us: u64,
    next_ping_us: u64,
    pings: u64,
    /// Nonce of the last ping that was answered.
    pongs: u64,
    next_compare_us: u64,
    rtt_us: Option<u64>,
    /// The other side's wall clock minus ours, in milliseconds.
    skew_ms: Option<i64>,
}

impl Pulse {
    pub fn new(now: Now) -> Self {
        Self {
            heard_us: now.ticks_us,
            pinged_us: now.ticks_us,
            next_ping_us: now.ticks_us,
            pings: 0,
            pongs: 0,
            next_compare_us: 0,
            rtt_us: None,
            skew_ms: None,
        }
    }

    pub fn rtt_us(&self) -> Option<u64> {
        self.rtt_us
    }

    pub fn skew_ms(&self) -> Option<i64> {
        self.skew_ms
    }

    pub fn due_us(&self) -> u64 {
        self.next_ping_us
    }

    pub fn heard(&mut self, now: Now) {
        self.heard_us = now.ticks_us;
    }

    pub fn is_silent(&self, now: Now) -> bool {
        now.ticks_us.saturating_sub(self.heard_us) > SILENCE_MS_MAX * 1000
    }

    /// The nonce of the next ping, if one is due.
    pub fn ping(&mut self, now: Now) -> Option<u64> {
        if now.ticks_us < self.next_ping_us {
            return None;
        }
        self.pings += 1;
        self.pinged_us = now.ticks_us;
        self.next_ping_us = now.in_ms(PING_EVERY_MS);
        Some(self.pings)
    }

    /// Notes a pong. False if it does not answer the last ping, or is a second answer.
    pub fn pong(&mut self, nonce: u64, wall_ms: i64, now: Now) -> bool {
        if self.pings != nonce || self.pongs >= nonce {
            return false;
        }
        self.pongs = nonce;
        let rtt_us = now.ticks_us.saturating_sub(self.pinged_us);
        let half_ms = i64::try_from(rtt_us / 2000).unwrap_or(0);
        self.rtt_us = Some(rtt_us);
        self.skew_ms = Some(wall_ms.saturating_add(half_ms).saturating_sub(now.wall.millis()));
        true
    }

    /// Whether the digest of a ping may be compared again, which takes a look at every group of the link.
    pub fn may_compare(&mut self, now: Now) -> bool {
        let due = self.next_compare_us <= now.ticks_us;
        if due {
            self.next_compare_us = now.in_ms(COMPARE_EVERY_MS);
        }
        due
    }
}
