//! Who is asked for what is missing: per group, one link at a time.
//!
//! Most of the time the asked side knows all of our heads and answers from them, so the first request
//! carries no Bloom filter: only the wanted heads by name. If what comes back has gaps, both sides have
//! something of their own, and the next request describes what is here.

use super::LinkId;
use crate::limits::PULL_STALL_MS;
use crate::time::Now;

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

/// A catch-up from one link.
#[derive(Debug)]
pub struct Pull {
    link: LinkId,
    asked: bool,
    /// The last request that described what is here.
    described: Option<Request>,
    outstanding: bool,
    progressed: bool,
    deadline_us: u64,
}

impl Pull {
    pub fn new(link: LinkId, now: Now) -> Self {
        Self {
            link,
            asked: false,
            described: None,
            outstanding: false,
            progressed: false,
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

    /// The link answered. `stored`: entries that were new; `changes`: whether it sent any at all;
    /// `gaps`: whether some wait for dependencies.
    pub fn answered(&mut self, stored: usize, changes: bool, gaps: bool, now: Now) {
        if stored > 0 {
            self.progressed = true;
            self.deadline_us = now.in_ms(PULL_STALL_MS);
        }
        if !changes || gaps {
            self.outstanding = false;
        }
    }

    /// The request to send now. `Ok(None)`: an answer is still to come.
    pub fn next_request(&mut self, gaps: bool) -> Result<Option<Request>, Exhausted> {
        if self.outstanding {
            return Ok(None);
        }
        let request = match self.described {
            None if self.asked && gaps => Request::SinceShared,
            _ if !self.asked || self.progressed => Request::ByName,
            None => Request::SinceShared,
            Some(Request::SinceShared) => Request::SinceKnown,
            Some(_) => return Err(Exhausted),
        };
        if request != Request::ByName {
            self.described = Some(request);
        }
        self.asked = true;
        self.outstanding = true;
        self.progressed = false;
        Ok(Some(request))
    }
}

/// The link does not back up the heads that it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;
