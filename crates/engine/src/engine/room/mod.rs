//! The state of one group in memory, put together from parts that each own a piece of it.

mod announcing;
mod due;
mod fresh;
mod heads;
mod intake;
mod pulling;
mod speaking;
mod writer;
mod writing;

use std::collections::BTreeMap;

use super::damage::Repairs;
use super::preview::Preview;
use crate::group::{EntryNo, GroupNo};
use crate::id::{ChangeHash, GroupId, PeerId};
use crate::store::{GroupRow, Store};
use crate::sync::{LinkBudget, LinkId, Marks, OrphanSpace, Orphans, Session};
use crate::time::Now;
use announcing::{Announcing, Untold};
use due::Due;
use fresh::Fresh;
use heads::OwnHeads;
use pulling::Pulling;
use writer::Writer;

pub(super) struct Room {
    no: GroupNo,
    id: GroupId,
    joined: bool,
    /// The group has once been level with all links that took part in it.
    caught_up: bool,
    /// The `leave` entry of this peer, until another peer has it.
    leaving: Option<ChangeHash>,
    entries: u64,
    heads: OwnHeads,
    writer: Option<Writer>,
    sessions: BTreeMap<LinkId, Session>,
    due: Due,
    orphans: Orphans,
    pulling: Pulling,
    announcing: Announcing,
    fresh: Fresh,
    repairs: Repairs,
    preview: Preview,
}

/// What remains of a session that has ended.
pub(super) struct Closed {
    pub marks: Marks,
    /// The shown preview came from this link, so it is over.
    pub preview_over: bool,
}

impl Room {
    pub fn load<S: Store>(
        store: &S,
        row: &GroupRow,
        stamp: &[u8; 32],
        peer: PeerId,
    ) -> Result<Self, S::Error> {
        let (heads, repairs) = Repairs::load(store, row)?;
        let leaving = store.value(&leaving_key(row.no))?;
        Ok(Self {
            no: row.no,
            id: row.id,
            joined: row.joined,
            caught_up: row.caught_up,
            leaving: leaving.as_deref().and_then(ChangeHash::from_slice),
            entries: row.entries,
            heads: OwnHeads::new(row.id, heads),
            writer: Writer::load(store, row.no, stamp, peer)?,
            sessions: BTreeMap::new(),
            due: Due::default(),
            orphans: Orphans::default(),
            pulling: Pulling::default(),
            announcing: Announcing::default(),
            fresh: Fresh::default(),
            repairs,
            preview: Preview::default(),
        })
    }

    pub fn no(&self) -> GroupNo {
        self.no
    }

    pub fn id(&self) -> GroupId {
        self.id
    }

    pub fn joined(&self) -> bool {
        self.joined
    }

    /// Whether the group is synced: the user is a member, or the farewell has not reached another peer.
    pub fn active(&self) -> bool {
        self.joined || self.leaving.is_some()
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Number of orphans.
    pub fn waiting(&self) -> usize {
        self.orphans.len()
    }

    pub fn heads(&self) -> Vec<EntryNo> {
        self.heads.numbers()
    }

    pub fn head_hashes(&self) -> Vec<ChangeHash> {
        self.heads.hashes()
    }

    /// Hash of the group's id and heads.
    pub fn digest(&self) -> &[u8; 32] {
        self.heads.digest()
    }

    pub fn session(&self, link: LinkId) -> Option<&Session> {
        self.sessions.get(&link)
    }

    pub fn sessions(&self) -> impl Iterator<Item = (LinkId, &Session)> {
        self.sessions.iter().map(|(link, session)| (*link, session))
    }

    /// Links that announced entries and have sent none of them for `PULL_STALL_MS`.
    pub fn withholding(&self, now: Now) -> impl Iterator<Item = LinkId> + '_ {
        self.pulling.withholding(now)
    }

    /// The tick of the group's earliest timer.
    pub fn due_us(&self) -> Option<u64> {
        let acknowledge = self.sessions.values().filter_map(Session::acknowledge_due_us).min();
        let due = [self.announcing.due_us(), self.pulling.due_us(), self.fresh.due_us(), acknowledge];
        due.into_iter().flatten().min()
    }

    /// Whether a session has entries to send for which its link has no send window.
    pub fn is_starved(&self) -> bool {
        self.sessions.values().any(Session::is_starved)
    }

    /// The user has joined the group again.
    pub fn rejoin<S: Store>(&mut self, store: &mut S) -> Result<(), S::Error> {
        self.joined = true;
        self.forget_farewell(store)
    }

    /// The user has left. The group is synced until another peer has the `farewell`.
    pub fn leave<S: Store>(&mut self, store: &mut S, farewell: Option<ChangeHash>) -> Result<(), S::Error> {
        store.set_joined(self.no, false)?;
        if let Some(hash) = farewell {
            store.set_value(&leaving_key(self.no), hash.as_bytes())?;
        }
        (self.joined, self.leaving) = (false, farewell);
        Ok(())
    }

    pub fn forget_farewell<S: Store>(&mut self, store: &mut S) -> Result<(), S::Error> {
        self.leaving = None;
        store.set_value(&leaving_key(self.no), &[])
    }

    pub fn open_session(&mut self, link: LinkId, session: Session) {
        self.sessions.insert(link, session);
        self.due.heads(link);
    }

    pub fn close_session(
        &mut self,
        link: LinkId,
        budget: &mut LinkBudget,
        space: &mut OrphanSpace,
    ) -> Option<Closed> {
        let marks = self.sessions.remove(&link)?.close(budget);
        self.due.forget_link(link);
        self.orphans.forget_link(space, link);
        self.pulling.forget_link(link);
        self.repairs.forget_link(link);
        Some(Closed { marks, preview_over: self.preview.forget_link(link) })
    }

    /// Saves the common heads, from which the next link to this peer starts. A crash may lose them, which only costs
    /// bytes.
    pub fn save_shared<S: Store>(
        &mut self,
        store: &mut S,
        link: LinkId,
        peer: &PeerId,
    ) -> Result<(), S::Error> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        let mut shared = Vec::new();
        for &no in session.save_shared() {
            shared.extend(store.node(self.no, no)?.map(|node| node.hash));
        }
        store.set_shared_heads(peer, self.no, &shared)
    }

    pub fn is_noted(&self, no: EntryNo) -> bool {
        self.repairs.is_noted(no)
    }

    /// Entry `no` is damaged: it is requested from other peers.
    pub fn note_unreadable<S: Store>(&mut self, store: &S, no: EntryNo) -> Result<(), S::Error> {
        self.repairs.note(store, self.no, self.id, no).map(drop)
    }

    /// Entry `no` was stored on top of `deps`.
    fn advance(&mut self, no: EntryNo, hash: ChangeHash, deps: &[EntryNo]) {
        self.repairs.built_on(deps);
        self.heads.advance(no, hash, deps);
        self.entries = self.entries.max(no.0);
    }

    /// Entry `no` is readable again. Links that were served without it are sent it now.
    fn repaired(&mut self, no: EntryNo, hash: ChangeHash) {
        if self.repairs.done(no, hash) {
            self.heads.restore(no, hash);
        }
        self.fresh.repaired(no);
    }

    /// Whether the link has entries that are missing here, in a group that this peer has not caught up with yet.
    pub fn is_behind(&self, link: LinkId) -> bool {
        self.joined && !self.caught_up && self.sessions.get(&link).is_some_and(Session::wants)
    }
}

/// Links whose other side was not sent our current heads.
fn untold(sessions: &BTreeMap<LinkId, Session>, heads: &OwnHeads) -> Vec<Untold> {
    let (numbers, hashes) = (heads.numbers(), heads.hashes());
    let untold = sessions.iter().filter(|(_, session)| !session.has_announced(&hashes));
    let untold = untold.map(|(link, session)| Untold {
        link: *link,
        level: session.is_level(&numbers),
        live: session.is_live(),
    });
    untold.collect()
}

fn leaving_key(group: GroupNo) -> String {
    format!("leaving/{}", group.0)
}
