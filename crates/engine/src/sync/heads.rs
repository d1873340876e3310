//! The heads of another peer, looked up in this peer's store.

use crate::group::{ChangeGraph, EntryNo, GroupNo};
use crate::id::ChangeHash;

/// The heads that a peer announced, split by whether they are stored here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Heads that are stored here, ascending.
    pub known: Vec<EntryNo>,
    /// Heads that are not stored here: the peer has entries that are missing.
    pub unknown: Vec<ChangeHash>,
}

impl Heads {
    /// Looks the announced hashes up. Fails if the graph cannot be read.
    pub fn resolve<G: ChangeGraph>(
        graph: &G,
        group: GroupNo,
        hashes: &[ChangeHash],
    ) -> Result<Self, G::Error> {
        let mut heads = Self::default();
        for hash in hashes {
            match graph.find(group, hash)? {
                Some(no) => heads.known.push(no),
                None => heads.unknown.push(*hash),
            }
        }
        heads.known.sort_unstable();
        heads.known.dedup();
        Ok(heads)
    }

    /// Looks again for the unknown ones, after something was stored.
    pub(super) fn refresh<G: ChangeGraph>(&mut self, graph: &G, group: GroupNo) -> Result<(), G::Error> {
        let unknown = std::mem::take(&mut self.unknown);
        for hash in unknown {
            match graph.find(group, &hash)? {
                Some(no) => self.known.push(no),
                None => self.unknown.push(hash),
            }
        }
        self.known.sort_unstable();
        self.known.dedup();
        Ok(())
    }
}
