//! Entries whose rows are damaged on disk: they are found when they are read, never served, and requested by hash from other
//! peers.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::Verified;
use crate::group::{EntryNo, GroupNo, Node};
use crate::id::{ChangeHash, GroupId};
use crate::limits::NEED_MAX;
use crate::store::{GroupRow, Store};
use crate::sync::LinkId;

/// What a write on top of a damaged entry is refused with.
pub(super) const NOT_WRITABLE: &str = "the database is damaged where the group ends; start the peer again, and link it with one that has the rest";

/// The damaged entries of one group.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    by_hash: BTreeMap<ChangeHash, EntryNo>,
    /// Links that were asked for all of `by_hash`.
    asked: BTreeSet<LinkId>,
    /// Damaged heads, on top of which nothing is written.
    left_out: BTreeSet<EntryNo>,
}

impl Repairs {
    /// Reads the heads of a group: returns the readable ones, and the damaged ones as repairs.
    pub fn load<S: Store>(
        store: &S,
        row: &GroupRow,
    ) -> Result<(BTreeMap<EntryNo, ChangeHash>, Self), S::Error> {
        let (mut heads, mut repairs) = (BTreeMap::new(), Self::default());
        // The head of an empty group is the genesis, which has no row.
        for &no in row.heads.iter().filter(|no| **no != EntryNo::GENESIS) {
            match node(store, row.no, no)? {
                Some(node) => drop(heads.insert(no, node.hash)),
                None => drop(repairs.left_out.insert(no)),
            }
        }
        for no in repairs.left_out.clone() {
            repairs.note(store, row.no, row.id, no)?;
        }
        Ok((heads, repairs))
    }

    /// Notes that entry `no` cannot be rebuilt from its row. Returns whether that is new and the entry can be
    /// requested.
    pub fn note<S: Store>(
        &mut self,
        store: &S,
        group: GroupNo,
        id: GroupId,
        no: EntryNo,
    ) -> Result<bool, S::Error> {
        if self.is_noted(no) {
            return Ok(false);
        }
        let hash = store.hash_by_order(group, no)?;
        Ok(hash.is_some_and(|hash| self.want(id, no, hash)))
    }

    pub fn is_noted(&self, no: EntryNo) -> bool {
        self.by_hash.values().any(|known| *known == no)
    }

    fn want(&mut self, group: GroupId, no: EntryNo, hash: ChangeHash) -> bool {
        let news = self.by_hash.len() < NEED_MAX && self.by_hash.insert(hash, no).is_none();
        if news {
            tracing::error!(%group, %hash, "an entry is damaged in the database; other peers are asked for it");
            self.asked.clear();
        }
        news
    }

    /// Returns the damaged dependencies of a change, which are requested from now on.
    pub fn check_deps<S: Store>(
        &mut self,
        store: &S,
        group: GroupNo,
        change: &Verified,
    ) -> Result<Vec<ChangeHash>, S::Error> {
        let deps = &change.header().deps;
        for hash in deps {
            if let Some(no) = store.find(group, hash)?
                && no != EntryNo::GENESIS
                && bytes(store, group, no)?.is_none()
            {
                self.want(change.group(), no, *hash);
            }
        }
        Ok(deps.iter().filter(|hash| self.by_hash.contains_key(hash)).copied().collect())
    }

    /// The entry that this change repairs.
    pub fn repaired_by(&self, change: &Verified) -> Option<EntryNo> {
        self.by_hash.get(&change.hash()).copied()
    }

    /// The row of entry `no` was rewritten. Returns whether the entry is a head again.
    pub fn done(&mut self, no: EntryNo, hash: ChangeHash) -> bool {
        self.by_hash.remove(&hash);
        self.left_out.remove(&no)
    }

    /// Something was stored on top of `deps`, so they are no longer heads.
    pub fn built_on(&mut self, deps: &[EntryNo]) {
        for dep in deps {
            self.left_out.remove(dep);
        }
    }

    /// The hashes to request from this link; each link is asked once.
    pub fn ask(&mut self, link: LinkId) -> Option<Vec<ChangeHash>> {
        let first = !self.by_hash.is_empty() && self.asked.insert(link);
        first.then(|| self.by_hash.keys().copied().collect())
    }

    pub fn forget_link(&mut self, link: LinkId) {
        self.asked.remove(&link);
    }
}

/// The bytes of a change; `None` if its row fails its hash check. Such a change is never served; a peer that lacks it
/// asks another one.
pub(super) fn bytes<S: Store>(store: &S, group: GroupNo, no: EntryNo) -> Result<Option<Vec<u8>>, S::Error> {
    match store.change(group, no) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => none_if_damaged::<S, _>(error),
    }
}

/// The node of a change; `None` if its row fails its hash check. Nothing is written on top of such a change, because
/// no other peer could get it from here.
pub(super) fn node<S: Store>(store: &S, group: GroupNo, no: EntryNo) -> Result<Option<Node>, S::Error> {
    match store.change(group, no).and_then(|_| store.node(group, no)) {
        Ok(node) => Ok(node),
        Err(error) => none_if_damaged::<S, _>(error),
    }
}

fn none_if_damaged<S: Store, T>(error: S::Error) -> Result<Option<T>, S::Error> {
    if !S::is_one_row(&error) {
        return Err(error);
    }
    tracing::debug!("{error}");
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_head_is_one_again_unless_something_was_built_on_it() {
        let (first, second) = (EntryNo(1), EntryNo(2));
        let hash = |no: EntryNo| ChangeHash([no.0 as u8; 32]);
        let mut repairs = Repairs { left_out: BTreeSet::from([first, second]), ..Repairs::default() };
        for no in [first, second] {
            assert!(repairs.want(GroupId([9; 32]), no, hash(no)) && repairs.is_noted(no));
        }
        repairs.built_on(&[second]);
        assert!(repairs.done(first, hash(first)) && !repairs.done(second, hash(second)));
        assert!(!repairs.is_noted(first) && !repairs.is_noted(second));
    }
}
