//! Who is asked for what is missing: per group, one link at a time.
//!
//! Most of the time the asked side knows all of our heads and answers from them, so the first request
//! carries no Bloom filter: only the wanted heads by name. If they come with gaps beneath them, both sides have
//! something of their own, and the next request describes what is here. Gaps that are left after that, where
//! the filter claimed too much, are asked for by name. Each such request goes one generation down; where that does not end
//! soon, the other side has got a long stretch since, and what is here is described anew.
//!
//! An honest peer answers every request with changes: it has what it announced. So a message without changes
//! says nothing about the pull, and only time tells that no answer comes.

use std::collections::BTreeSet;

use super::LinkId;
use crate::id::ChangeHash;
use crate::limits::{PULL_BYTES_PER_S_MIN, PULL_STALL_MS};
use crate::time::Now;

/// Requests by name after the first description, until there is another one; twice as many after each, since a description
/// reads all that it describes, and whoever answers would have it done again and again.
const BY_NAME_AT_FIRST: u32 = 4;

/// What the next request carries beside heads and needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Nothing: the wanted heads are asked for by name.
    ByName,
    /// A Bloom filter of everything since the last known common heads.
    SinceShared,
    /// A Bloom filter of everything that is not in the past of those of their heads that are known here.
    SinceKnown,
}

/// What a pull does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Beside the request: what to ask for by name, nothing twice.
    Ask(Request, Vec<ChangeHash>),
    /// An answer is still to come.
    Wait,
    /// Everything that was asked for is here.
    Done,
}

/// A catch-up from one link.
#[derive(Debug)]
pub struct Pull {
    link: LinkId,
    /// Every change that was asked for by name, once: an honest peer sends it.
    asked: BTreeSet<ChangeHash>,
    /// The last request that described what is here.
    described: Option<Request>,
    /// Requests by name until the next description.
    by_name_left: u32,
    descriptions: u32,
    /// Since then something was stored, or came that was not asked for by name.
    progressed: bool,
    /// Nothing new has come of it.
    fruitless: bool,
    /// They do not know the heads that we took for common.
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

    /// The link brought changes that were new here. `stored_bytes`: of those that could be stored. `unasked`: some of
    /// them were not asked for by name, so the other side has looked at the description; where the filter claimed
    /// the first of what is missing, all the rest waits for it.
    /// What was stored buys time, by the byte: a trickle does not keep a pull for ever.
    pub fn brought(&mut self, stored_bytes: u64, unasked: bool, now: Now) {
        self.fruitless = false;
        self.progressed |= stored_bytes > 0 || unasked;
        let bought_ms = stored_bytes.saturating_mul(1000) / PULL_BYTES_PER_S_MIN;
        let bought_us = self.deadline_us.saturating_add(bought_ms.saturating_mul(1000));
        self.deadline_us = bought_us.min(now.in_ms(PULL_STALL_MS)).max(self.deadline_us);
    }

    /// The link has sent something else that it was asked for, once, and before the answer.
    pub fn sent_preview(&mut self, now: Now) {
        self.deadline_us = now.in_ms(PULL_STALL_MS);
    }

    /// The link said that it lacks the common heads which our description starts from.
    pub fn was_reset(&mut self) {
        self.reset = self.described == Some(Request::SinceShared);
    }

    /// `needs`: what is missing and has a name; `gaps`: changes from this link wait for others.
    pub fn step(&mut self, needs: &[ChangeHash], gaps: bool) -> Step {
        let reset = std::mem::take(&mut self.reset);
        if reset {
            // They looked at nothing else in the request.
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
            // What was asked for by name and is not on its way yet would be forgotten for it.
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
