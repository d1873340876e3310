//! Which link of a group to pull from, and what to request from it.

use std::collections::BTreeMap;

use crate::change::Verified;
use crate::id::ChangeHash;
use crate::limits::{ANNOUNCE_AFTER_MS, NEED_MAX, PULL_STALL_MS};
use crate::sync::{Heads, LinkId, Orphans, Pull, Request, Session, Step};
use crate::time::Now;

type Sessions = BTreeMap<LinkId, Session>;

/// A request to send to one link.
pub(super) struct Ask {
    pub link: LinkId,
    pub request: Request,
    /// Hashes to ask for.
    pub need: Vec<ChangeHash>,
}

/// What a message brought, as far as it matters to a pull.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    /// Something new was stored.
    pub stored: bool,
    /// Something new was stored or held as an orphan.
    pub new: bool,
    pub stored_bytes: u64,
    /// Some of the changes were not requested by hash.
    pub unasked: bool,
    /// The message has no changes, and says that the other side does not know the common heads.
    pub reset: bool,
}

/// Unknown heads announced by live links. Their authors will most likely push them, so they are pulled only after a
/// wait.
#[derive(Debug)]
struct Awaited {
    heads: Vec<ChangeHash>,
    due_us: u64,
}

impl Awaited {
    /// Whether the wait is over and one of these heads is still missing.
    fn is_over(&self, theirs: &Heads, now: Now) -> bool {
        self.due_us <= now.ticks_us && theirs.unknown.iter().any(|hash| self.heads.contains(hash))
    }
}

#[derive(Debug, Default)]
pub(super) struct Pulling {
    pull: Option<Pull>,
    awaited: Option<Awaited>,
    /// Heads that a link announced and did not send when asked. The link is asked again once it announces others.
    unbacked: BTreeMap<LinkId, Vec<ChangeHash>>,
    /// Links that have sent nothing of what they announced, and since which tick. Other links are asked before them.
    stalled: BTreeMap<LinkId, u64>,
    /// The link that was last pulled from, after which the next one has its turn.
    last: Option<LinkId>,
    /// Something was pulled since the heads were last announced to all.
    pulled: bool,
}

impl Pulling {
    /// The link of the current pull.
    pub fn link(&self) -> Option<LinkId> {
        self.pull.as_ref().map(Pull::link)
    }

    fn pull_from(&mut self, link: LinkId) -> Option<&mut Pull> {
        self.pull.as_mut().filter(|pull| pull.link() == link)
    }

    pub fn due_us(&self) -> Option<u64> {
        match &self.pull {
            Some(pull) => Some(pull.deadline_us()),
            None => self.awaited.as_ref().map(|awaited| awaited.due_us),
        }
    }

    pub fn is_stalled(&self, link: LinkId) -> bool {
        self.stalled.contains_key(&link)
    }

    /// Links that announced entries and have sent none of them for `PULL_STALL_MS`.
    pub fn withholding(&self, now: Now) -> impl Iterator<Item = LinkId> + '_ {
        let long = move |since: u64| now.ticks_us.saturating_sub(since) >= PULL_STALL_MS * 1000;
        self.stalled.iter().filter(move |(_, since)| long(**since)).map(|(link, _)| *link)
    }

    /// Whether a pull has completed whose result was not announced to all yet.
    pub fn has_caught_up(&self) -> bool {
        self.pulled && self.pull.is_none()
    }

    /// [`Self::has_caught_up`]; the caller now announces the result.
    pub fn take_caught_up(&mut self) -> bool {
        let caught_up = self.has_caught_up();
        self.pulled &= !caught_up;
        caught_up
    }

    pub fn forget_link(&mut self, link: LinkId) {
        self.unbacked.remove(&link);
        self.stalled.remove(&link);
        self.pull.take_if(|pull| pull.link() == link);
    }

    /// Whether the changes come from the link of the current pull, and some were not requested by hash.
    pub fn are_unasked(&self, link: LinkId, changes: &[Verified]) -> bool {
        let pull = self.pull.as_ref().filter(|pull| pull.link() == link);
        pull.is_some_and(|pull| changes.iter().any(|change| !pull.has_asked_for(&change.hash())))
    }

    pub fn heard(&mut self, link: LinkId, brought: Brought, now: Now) {
        if brought.new {
            self.unbacked.remove(&link);
            self.stalled.remove(&link);
        }
        let Some(pull) = self.pull_from(link) else { return };
        if brought.new {
            pull.brought(brought.stored_bytes, brought.unasked, now);
            self.pulled |= brought.stored;
        } else if brought.reset {
            pull.was_reset();
        }
    }

    /// The link has sent the preview that it was asked for.
    pub fn sent_preview(&mut self, link: LinkId, now: Now) {
        if let Some(pull) = self.pull_from(link) {
            pull.sent_preview(now);
        }
    }

    /// Decides on the next request of the current pull, or of a new one; gives a stalled pull up first.
    pub fn drive(&mut self, sessions: &Sessions, orphans: &Orphans, now: Now) -> Option<Ask> {
        if let Some(link) = self.pull.take_if(|pull| pull.is_stalled(now)).map(|pull| pull.link()) {
            self.give_up(link, sessions, now);
        }
        let ask = self.step(sessions, orphans, now);
        if self.pull.is_none() && self.start(sessions, now) {
            debug_assert!(ask.is_none(), "one link is asked at a time");
            return self.step(sessions, orphans, now);
        }
        ask
    }

    fn step(&mut self, sessions: &Sessions, orphans: &Orphans, now: Now) -> Option<Ask> {
        let pull = self.pull.as_mut()?;
        let link = pull.link();
        let theirs = sessions.get(&link).and_then(Session::theirs);
        let Some(theirs) = theirs.filter(|theirs| !theirs.unknown.is_empty()) else {
            self.pull = None;
            return None;
        };
        let gaps = orphans.any_of(link, &theirs.unknown);
        let mut needs = orphans.needs(link, &theirs.unknown);
        needs.truncate(NEED_MAX);
        match pull.step(&needs, gaps) {
            Step::Ask(request, need) => return Some(Ask { link, request, need }),
            Step::Wait => {}
            Step::Done => {
                // The link has announced other heads instead of sending what it was asked for.
                if pull.is_fruitless() {
                    self.stalled.entry(link).or_insert(now.ticks_us);
                }
                self.pull = None;
            }
        }
        None
    }

    /// The link has not sent the heads that it announced. It is asked again once it announces others, or sends
    /// something after all.
    fn give_up(&mut self, link: LinkId, sessions: &Sessions, now: Now) {
        self.stalled.entry(link).or_insert(now.ticks_us.saturating_sub(PULL_STALL_MS * 1000));
        if let Some(theirs) = sessions.get(&link).and_then(Session::theirs) {
            self.unbacked.insert(link, theirs.unknown.clone());
        }
    }

    /// Starts a pull from the next link that has announced unknown heads. Links take turns, so that one that keeps
    /// announcing does not keep others out, and those that have let a pull stall come last. Heads announced by live
    /// links are left to their author to push for `ANNOUNCE_AFTER_MS`. Returns whether a pull was started.
    fn start(&mut self, sessions: &Sessions, now: Now) -> bool {
        let mut news = Vec::new();
        let turn = self.last.map_or(LinkId(0), |last| LinkId(last.0 + 1));
        let in_turn = || sessions.range(turn..).chain(sessions.range(..turn));
        let reliable = in_turn().filter(|(link, _)| !self.stalled.contains_key(link));
        let unreliable = in_turn().filter(|(link, _)| self.stalled.contains_key(link));
        for (&link, session) in reliable.chain(unreliable) {
            let Some(theirs) = session.theirs().filter(|_| session.wants()) else { continue };
            if self.unbacked.get(&link) == Some(&theirs.unknown) {
                continue;
            }
            let over = || self.awaited.as_ref().is_some_and(|awaited| awaited.is_over(theirs, now));
            if !session.is_live() || over() {
                self.awaited = None;
                self.pull = Some(Pull::new(link, now));
                self.last = Some(link);
                return true;
            }
            news.extend_from_slice(&theirs.unknown);
        }
        match &self.awaited {
            _ if news.is_empty() => self.awaited = None,
            Some(awaited) if now.ticks_us < awaited.due_us => {}
            // The awaited heads have arrived; these are later ones.
            _ => self.awaited = Some(Awaited { heads: news, due_us: now.in_ms(ANNOUNCE_AFTER_MS) }),
        }
        false
    }
}
