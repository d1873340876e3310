//! A pull: the requests to one link for what is missing in a group.
//!
//! 1. The first request names the missing heads and carries no Bloom filter, because mostly the other side knows all of our
//!    heads and can answer from them.
//! 2. If the answer has gaps, both sides have entries that the other lacks. The next request describes what is here by a
//!    Bloom filter.
//! 3. Gaps that remain (false positives of the filter) are requested by hash. Each such request goes one generation down.
//!    If that takes many, the other side has received a long chain meanwhile, and the next request describes what is here
//!    again.
//!
//! An honest peer answers every request with changes: it has what it announced. So a message without changes
//! says nothing about the pull, and only a timeout shows that no answer comes.

use std::collections::BTreeSet;

use super::LinkId;
use crate::id::ChangeHash;
use crate::limits::{PULL_BYTES_PER_S_MIN, PULL_STALL_MS};
use crate::time::Now;

/// Requests by hash between the first Bloom filter and the second. The number doubles after each, because building a
/// filter reads all that it describes, and a peer could cause that again and again.
const BY_NAME_AT_FIRST: u32 = 4;

/// What the next request carries beside heads and needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// No filter: the wanted heads are requested by hash.
    ByName,
    /// A Bloom filter of everything since the last known common heads.
    SinceShared,
    /// A Bloom filter of everything that is not in the past of the other side's heads, as far as those are known
    /// here.
    SinceKnown,
}

/// What a pull does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this request, with these hashes to ask for, none of which was asked for before.
    Ask(Request, Vec<ChangeHash>),
    /// An answer is still to come.
    Wait,
    /// Everything that was asked for has arrived.
    Done,
}

/// The state of a pull from one link.
#[derive(Debug)]
pub struct Pull {
    link: LinkId,
    /// Every change that was requested by hash. An honest peer sends it after one request.
    asked: BTreeSet<ChangeHash>,
    /// The last request with a Bloom filter.
    described: Option<Request>,
    /// Requests by hash left before the next Bloom filter.
    by_name_left: u32,
    descriptions: u32,
    /// Since the last Bloom filter, something was stored, or arrived without being requested by hash.
    progressed: bool,
    /// Nothing new has arrived since the pull began.
    fruitless: bool,
    /// The other side does not know the heads that we took for common.
    reset: bool,
    deadline_us: u64,
}

impl Pull {
    pub fn new(link: LinkId, now: Now) -> Self {
        Self {
            link,
            asked: BTreeSet::new(),
            described: None,
            by_name_left: 0,
            descriptions: 0,
            progressed: false,
            fruitless: true,
            reset: false,
            deadline_us: now.in_ms(PULL_STALL_MS),
        }
    }

    pub fn link(&self) -> LinkId {
        self.link
    }

    pub fn deadline_us(&self) -> u64 {
        self.deadline_us
    }

    pub fn is_stalled(&self, now: Now) -> bool {
        now.ticks_us >= self.deadline_us
    }

    pub fn is_fruitless(&self) -> bool {
        self.fruitless
    }

    pub fn has_asked_for(&self, hash: &ChangeHash) -> bool {
        self.asked.contains(hash)
    }

    /// The link brought new changes. `stored_bytes` counts those that could be stored. `unasked` says that some were
    /// not requested by hash, so the other side has answered the Bloom filter; a false positive of it may make all of
    /// them orphans. The deadline moves in proportion to the stored bytes, so that a trickle does not keep a pull
    /// alive.
    pub fn brought(&mut self, stored_bytes: u64, unasked: bool, now: Now) {
        self.fruitless = false;
        self.progressed |= stored_bytes > 0 || unasked;
        let bought_ms = stored_bytes.saturating_mul(1000) / PULL_BYTES_PER_S_MIN;
        let bought_us = self.deadline_us.saturating_add(bought_ms.saturating_mul(1000));
        self.deadline_us = bought_us.min(now.in_ms(PULL_STALL_MS)).max(self.deadline_us);
    }

    /// The link has sent the preview that it was asked for, which delays its answer: restarts the deadline.
    pub fn sent_preview(&mut self, now: Now) {
        self.deadline_us = now.in_ms(PULL_STALL_MS);
    }

    /// The link does not know the common heads on which our Bloom filter builds.
    pub fn was_reset(&mut self) {
        self.reset = self.described == Some(Request::SinceShared);
    }

    /// Decides what to do next. `needs` are the missing changes whose hashes are known; `gaps` says that changes from
    /// this link wait for dependencies.
    pub fn step(&mut self, needs: &[ChangeHash], gaps: bool) -> Step {
        let reset = std::mem::take(&mut self.reset);
        if reset {
            // The other side ignored the rest of that request.
            self.asked.clear();
        }
        let unasked: Vec<ChangeHash> =
            needs.iter().filter(|hash| !self.asked.contains(hash)).copied().collect();
        let outstanding = unasked.len() < needs.len();
        let request = match self.described {
            _ if reset => Request::SinceKnown,
            _ if self.asked.is_empty() => Request::ByName,
            None if outstanding => return Step::Wait,
            _ if !gaps => return if outstanding { Step::Wait } else { Step::Done },
            None => Request::SinceShared,
            Some(Request::SinceShared) if !outstanding && !self.progressed => Request::SinceKnown,
            Some(_) if unasked.is_empty() => return Step::Wait,
            // A filter replaces the queued answer, so it waits until all that was requested by hash has arrived.
            Some(last) if self.by_name_left == 0 && !outstanding => last,
            Some(_) => Request::ByName,
        };
        if request == Request::ByName {
            self.by_name_left = self.by_name_left.saturating_sub(1);
        } else {
            self.described = Some(request);
            self.progressed = false;
            self.by_name_left = BY_NAME_AT_FIRST.saturating_mul(2u32.saturating_pow(self.descriptions));
            self.descriptions += 1;
        }
        self.asked.extend(&unasked);
        Step::Ask(request, unasked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_does_not_keep_a_pull_and_a_slow_line_does() {
        let lasts_ms = |bytes: u64, every_ms: u64| {
            let mut now = Now::default();
            let mut pull = Pull::new(LinkId(1), now);
            while !pull.is_stalled(now) && now.ticks_us < 600_000_000 {
                now.ticks_us = now.in_ms(every_ms);
                pull.brought(bytes, true, now);
            }
            now.ticks_us / 1000
        };
        // An entry of 300 bytes each second, and 5 kB each second.
        assert!(lasts_ms(300, 1_000) < 2 * PULL_STALL_MS);
        assert_eq!(lasts_ms(5_000, 1_000), 600_000);
        // Orphans buy nothing.
        assert!(lasts_ms(0, 100) <= PULL_STALL_MS + 100);
    }
}
