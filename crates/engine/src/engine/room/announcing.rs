//! When to send our heads of a group to some of its links unasked, and to which.

use super::super::entropy::Entropy;
use crate::id::ChangeHash;
use crate::limits::{ANNOUNCE_AFTER_MS, ANNOUNCE_PEERS_MAX};
use crate::sync::LinkId;
use crate::time::Now;

/// A link whose other side was not sent our current heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Untold {
    pub link: LinkId,
    /// The other side is known to have the same heads.
    pub level: bool,
    pub live: bool,
}

#[derive(Debug, Default)]
pub(super) struct Announcing {
    due_us: Option<u64>,
    /// The heads that the last announcement sent to some peers; the others find out with a ping.
    announced: Vec<ChangeHash>,
}

impl Announcing {
    pub fn due_us(&self) -> Option<u64> {
        self.due_us
    }

    pub fn is_due(&self, now: Now) -> bool {
        self.due_us.is_some_and(|due| due <= now.ticks_us)
    }

    /// Plans an announcement in `ANNOUNCE_AFTER_MS`, if our heads have changed since the last one or a pull has
    /// completed (`caught_up`), and some link may not know.
    pub fn plan(
        &mut self,
        heads: &[ChangeHash],
        caught_up: bool,
        untold: impl FnOnce() -> Vec<Untold>,
        now: Now,
    ) {
        let news = caught_up || self.announced != heads;
        if news && untold().iter().any(|untold| caught_up || !untold.level) {
            self.due_us.get_or_insert(now.in_ms(ANNOUNCE_AFTER_MS));
        }
    }

    /// The planned time has come: chooses the links to announce to. After a pull these are all that were not told.
    /// Otherwise a few live ones, which may lack something, and all that are not live, which may not know that we
    /// have all they have.
    pub fn announce(
        &mut self,
        heads: Vec<ChangeHash>,
        caught_up: bool,
        untold: Vec<Untold>,
        entropy: &mut Entropy,
    ) -> Vec<LinkId> {
        self.due_us = None;
        self.announced = heads;
        if caught_up {
            // What had to be pulled did not reach all peers by being pushed.
            return untold.into_iter().map(|untold| untold.link).collect();
        }
        let may_lack = untold.into_iter().filter(|untold| !untold.level);
        let (live, behind): (Vec<Untold>, Vec<Untold>) = may_lack.partition(|untold| untold.live);
        let chosen = entropy.choose(live, ANNOUNCE_PEERS_MAX).into_iter().chain(behind);
        chosen.map(|untold| untold.link).collect()
    }
}
