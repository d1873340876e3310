//! The heads of one group as they are stored here.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::group::EntryNo;
use crate::id::{ChangeHash, GroupId};
use crate::limits::HEADS_MAX;

#[derive(Debug)]
pub(super) struct OwnHeads {
    group: GroupId,
    by_no: BTreeMap<EntryNo, ChangeHash>,
    digest: OnceCell<[u8; 32]>,
}

impl OwnHeads {
    /// The heads of a group; the genesis if `by_no` is empty.
    pub fn new(group: GroupId, mut by_no: BTreeMap<EntryNo, ChangeHash>) -> Self {
        if by_no.is_empty() {
            by_no.insert(EntryNo::GENESIS, group.genesis());
        }
        Self { group, by_no, digest: OnceCell::new() }
    }

    /// Arrival numbers of the heads, ascending.
    pub fn numbers(&self) -> Vec<EntryNo> {
        self.by_no.keys().copied().collect()
    }

    /// Hashes of the heads, ascending, as they are sent. If there are more than `HEADS_MAX`, those that arrived last,
    /// which others are likely to lack.
    pub fn hashes(&self) -> Vec<ChangeHash> {
        let last = self.by_no.values().rev().take(HEADS_MAX);
        last.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Hash of the group's id and [`Self::hashes`].
    pub fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| {
            let mut digest = Sha256::new_with_prefix(self.group.0);
            self.hashes().iter().for_each(|hash| digest.update(hash.0));
            digest.finalize().into()
        })
    }

    /// Entry `no` was stored on top of `deps`, and replaces them.
    pub fn advance(&mut self, no: EntryNo, hash: ChangeHash, deps: &[EntryNo]) {
        debug_assert!(deps.iter().all(|dep| *dep < no), "dependencies are stored first");
        for dep in deps {
            self.by_no.remove(dep);
        }
        self.by_no.insert(no, hash);
        self.digest.take();
    }

    /// Entry `no`, on which nothing depends, is readable again.
    pub fn restore(&mut self, no: EntryNo, hash: ChangeHash) {
        self.by_no.remove(&EntryNo::GENESIS);
        self.by_no.insert(no, hash);
        self.digest.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_follow_what_is_stored_and_so_does_their_digest() {
        let hash = |no: u64| ChangeHash([no as u8; 32]);
        let mut heads = OwnHeads::new(GroupId([9; 32]), BTreeMap::new());
        let empty = *heads.digest();
        heads.advance(EntryNo(3), hash(3), &[EntryNo::GENESIS]);
        heads.restore(EntryNo(1), hash(1));
        assert_eq!(heads.numbers(), [EntryNo(1), EntryNo(3)]);
        let two = *heads.digest();
        heads.advance(EntryNo(4), hash(4), &[EntryNo(1), EntryNo(3)]);
        assert_eq!(heads.hashes(), [hash(4)]);
        assert!(empty != two && two != *heads.digest());
    }
}
