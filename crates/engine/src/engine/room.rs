//! One group as the engine holds it in memory: its heads, its sessions, and what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::ahead::Ahead;
use crate::change::Verified;
use crate::group::{EntryNo, GroupNo};
use crate::id::{ActorId, ChangeHash, GroupId};
use crate::limits::{HEADS_MAX, NEED_MAX};
use crate::store::GroupRow;
use crate::sync::{Heads, LinkId, OrphanSpace, Orphans, Pull, Request, Session};
use crate::time::Now;

/// The actor that this peer writes with in a group, and the last entry written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub actor: ActorId,
    pub last: Option<EntryNo>,
}

/// What a session is to be sent before the next commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    /// Our heads, whether or not they were sent before.
    pub heads: bool,
    /// With what is asked for by name.
    pub request: Option<(Request, Vec<ChangeHash>)>,
}

/// Heads that live links have announced, and that will most likely come by themselves.
#[derive(Debug)]
pub(super) struct Awaited {
    pub heads: Vec<ChangeHash>,
    pub due_us: u64,
}

impl Awaited {
    /// Time is up, and something of these heads has still not come.
    pub fn is_over(&self, theirs: &Heads, now: Now) -> bool {
        self.due_us <= now.ticks_us && theirs.unknown.iter().any(|hash| self.heads.contains(hash))
    }
}

#[derive(Debug)]
pub(super) struct Room {
    pub no: GroupNo,
    pub id: GroupId,
    pub joined: bool,
    pub caught_up: bool,
    /// Our farewell, until somebody else has it.
    pub leaving: Option<ChangeHash>,
    heads: BTreeMap<EntryNo, ChangeHash>,
    pub entries: u64,
    pub writer: Option<Writer>,
    pub sessions: BTreeMap<LinkId, Session>,
    pub due: BTreeMap<LinkId, Due>,
    pub pull: Option<Pull>,
    pub awaited: Option<Awaited>,
    pub announce_due_us: Option<u64>,
    /// The heads that some peers have been told of by then; the others find out with a ping.
    pub announced: Vec<ChangeHash>,
    /// Entries had to be asked for since then.
    pub pulled: bool,
    digest: Option<[u8; 32]>,
    /// Heads that a link announced and did not back up; it is asked again when it announces others.
    pub unbacked: BTreeMap<LinkId, Vec<ChangeHash>>,
    /// Links that have sent nothing of what they announced, and since when: others are asked before them.
    pub stalled: BTreeMap<LinkId, u64>,
    pub orphans: Orphans,
    /// Entries whose rows are damaged: other peers are asked for them, each link once.
    pub damaged: BTreeMap<ChangeHash, EntryNo>,
    pub asked_for_damaged: BTreeSet<LinkId>,
    /// Damaged heads, on which nothing is written.
    pub left_out: BTreeSet<EntryNo>,
    /// Written here since the last commit.
    pub fresh: Vec<EntryNo>,
    /// Not before then: in a burst, several are pushed together.
    pub push_from_us: u64,
    /// Their bytes: mostly they are sent at once, to every link.
    pub fresh_bytes: BTreeMap<EntryNo, Arc<[u8]>>,
    /// The link that was last pulled from: the next one is another's turn.
    pub last_pulled: Option<LinkId>,
    pub ahead: Ahead,
    /// Something happened since the last commit: sessions may have something to say.
    pub touched: bool,
}

impl Room {
    pub fn new(row: GroupRow, heads: BTreeMap<EntryNo, ChangeHash>) -> Self {
        Self {
            no: row.no,
            id: row.id,
            joined: row.joined,
            caught_up: row.caught_up,
            leaving: None,
            heads,
            entries: row.entries,
            writer: None,
            sessions: BTreeMap::new(),
            due: BTreeMap::new(),
            pull: None,
            awaited: None,
            announce_due_us: None,
            announced: Vec::new(),
            pulled: false,
            digest: None,
            unbacked: BTreeMap::new(),
            stalled: BTreeMap::new(),
            orphans: Orphans::default(),
            damaged: BTreeMap::new(),
            asked_for_damaged: BTreeSet::new(),
            left_out: BTreeSet::new(),
            fresh: Vec::new(),
            push_from_us: 0,
            fresh_bytes: BTreeMap::new(),
            last_pulled: None,
            ahead: Ahead::default(),
            touched: false,
        }
    }

    /// Takes part in sync.
    pub fn active(&self) -> bool {
        self.joined || self.leaving.is_some()
    }

    /// When something is to be done though nothing happens.
    pub fn due_us(&self) -> Option<u64> {
        let pull = match &self.pull {
            Some(pull) => Some(pull.deadline_us()),
            None => self.awaited.as_ref().map(|awaited| awaited.due_us),
        };
        let acknowledge = self.sessions.values().filter_map(Session::acknowledge_due_us).min();
        let push = (!self.fresh.is_empty()).then_some(self.push_from_us);
        [self.announce_due_us, pull, acknowledge, push].into_iter().flatten().min()
    }

    pub fn heads(&self) -> Vec<EntryNo> {
        self.heads.keys().copied().collect()
    }

    /// Ascending by hash, as they go over the wire: of more than fit a message, those that arrived last, for
    /// they are what others are likely to lack.
    pub fn head_hashes(&self) -> Vec<ChangeHash> {
        head_hashes(&self.heads)
    }

    /// Stands for the group and [`Self::head_hashes`].
    pub fn digest(&mut self) -> [u8; 32] {
        *self.digest.get_or_insert_with(|| {
            let mut digest = Sha256::new_with_prefix(self.id.0);
            head_hashes(&self.heads).iter().for_each(|hash| digest.update(hash.0));
            digest.finalize().into()
        })
    }

    /// Links whose other side was not told of our heads, and whether it is known to have the same.
    pub fn untold(&self) -> Vec<(LinkId, bool)> {
        let (hashes, heads) = (self.head_hashes(), self.heads());
        let untold = self.sessions.iter().filter(|(_, session)| !session.has_announced(&hashes));
        untold.map(|(link, session)| (*link, session.is_level(&heads))).collect()
    }

    /// Something is to be announced when its time has come.
    pub fn has_news(&self) -> bool {
        let caught_up = self.has_caught_up();
        let heads_changed = || self.announced != self.head_hashes();
        (caught_up || heads_changed()) && self.untold().iter().any(|(_, level)| caught_up || !level)
    }

    /// What was asked for has come, and not everybody has been told.
    pub fn has_caught_up(&self) -> bool {
        self.pulled && self.pull.is_none()
    }

    /// `no` was stored on top of `deps`.
    pub fn advance(&mut self, no: EntryNo, hash: ChangeHash, deps: &[EntryNo]) {
        for dep in deps {
            self.heads.remove(dep);
            self.left_out.remove(dep);
        }
        self.heads.insert(no, hash);
        self.digest = None;
        self.entries = self.entries.max(no.0);
        self.touched = true;
    }

    /// The row of entry `no` is damaged: whoever is linked is asked for it. News, if it is.
    pub fn note_damaged(&mut self, no: EntryNo, hash: ChangeHash) -> bool {
        let news = self.damaged.len() < NEED_MAX && self.damaged.insert(hash, no).is_none();
        if news {
            tracing::error!(group = %self.id, %hash, "an entry is damaged in the database; other peers are asked for it");
            self.asked_for_damaged.clear();
            self.touched = true;
        }
        news
    }

    /// The dependencies of a change that are known to be damaged.
    pub fn damaged_of(&self, change: &Verified) -> Vec<ChangeHash> {
        let deps = &change.header().deps;
        deps.iter().filter(|hash| self.damaged.contains_key(hash)).copied().collect()
    }

    /// The damaged entry `no` is whole again. Whoever was served without it is sent it now.
    pub fn mended(&mut self, no: EntryNo, hash: ChangeHash) {
        self.damaged.remove(&hash);
        if self.left_out.remove(&no) {
            self.heads.remove(&EntryNo::GENESIS);
            self.heads.insert(no, hash);
            self.digest = None;
        }
        self.fresh.push(no);
        self.touched = true;
    }

    pub fn drop_session(&mut self, space: &mut OrphanSpace, link: LinkId) {
        self.due.remove(&link);
        self.unbacked.remove(&link);
        self.stalled.remove(&link);
        self.asked_for_damaged.remove(&link);
        self.orphans.forget_link(space, link);
        if self.pull.as_ref().is_some_and(|pull| pull.link() == link) {
            self.pull = None;
        }
        self.sessions.remove(&link);
        self.touched = true;
    }

    pub fn due(&mut self, link: LinkId) -> &mut Due {
        self.touched = true;
        self.due.entry(link).or_default()
    }
}

fn head_hashes(heads: &BTreeMap<EntryNo, ChangeHash>) -> Vec<ChangeHash> {
    heads.values().rev().take(HEADS_MAX).copied().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GroupName;

    #[test]
    fn a_damaged_head_is_one_again_unless_something_was_built_on_it() {
        let (first, second, third) = (EntryNo(1), EntryNo(2), EntryNo(3));
        let hash = |no: EntryNo| ChangeHash([no.0 as u8; 32]);
        let row = GroupRow {
            no: GroupNo(1),
            id: GroupId([9; 32]),
            name: GroupName::directory(),
            joined: true,
            caught_up: true,
            heads: vec![first, second],
            entries: 2,
        };
        let mut room = Room::new(row, BTreeMap::from([(EntryNo::GENESIS, ChangeHash([9; 32]))]));
        room.left_out = BTreeSet::from([first, second]);
        room.advance(third, hash(third), &[second]);
        room.mended(first, hash(first));
        room.mended(second, hash(second));
        assert_eq!(room.heads(), [first, third]);
    }
}
