//! When some of the links of a group are told of its heads, and which.

use super::super::entropy::Entropy;
use crate::id::ChangeHash;
use crate::limits::{ANNOUNCE_AFTER_MS, ANNOUNCE_PEERS_MAX};
use crate::sync::LinkId;
use crate::time::Now;

/// A link whose other side was not told of our heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Untold {
    pub link: LinkId,
    /// It is known to have the same heads.
    pub level: bool,
    pub live: bool,
}

#[derive(Debug, Default)]
pub(super) struct Announcing {
    due_us: Option<u64>,
    /// The heads that some peers have been told of by then; the others find out with a ping.
    announced: Vec<ChangeHash>,
}

impl Announcing {
    pub fn due_us(&self) -> Option<u64> {
        self.due_us
    }

    pub fn is_due(&self, now: Now) -> bool {
        self.due_us.is_some_and(|due| due <= now.ticks_us)
    }

    /// Something is to be announced before long: these heads, which are others than were announced last, or that what had
    /// to be asked for has come.
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

    /// Its time has come: chooses whom to tell among those whose last news of our heads is old. They may lack something; or
    /// they do not know that we have all they have, and will push.
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
            // What had to be asked for did not reach everybody by itself.
            return untold.into_iter().map(|untold| untold.link).collect();
        }
        let may_lack = untold.into_iter().filter(|untold| !untold.level);
        let (live, behind): (Vec<Untold>, Vec<Untold>) = may_lack.partition(|untold| untold.live);
        let chosen = entropy.choose(live, ANNOUNCE_PEERS_MAX).into_iter().chain(behind);
        chosen.map(|untold| untold.link).collect()
    }
}
