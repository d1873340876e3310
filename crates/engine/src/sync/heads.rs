//! What the heads of another peer are here.

use crate::group::{ChangeGraph, EntryNo, GroupNo};
use crate::id::ChangeHash;

/// The heads a peer announced, as far as they are stored here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    pub known: Vec<EntryNo>,
    pub unknown: Vec<ChangeHash>,
}

impl Heads {
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
