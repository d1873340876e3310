//! One peer's own numbers for groups and entries, and what the graph knows of a change.

use crate::change::Genesis;
use crate::id::{ActorId, ChangeHash, GroupId};

/// A group's number in one peer's store. Never leaves the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupNo(pub u32);

/// An entry's arrival number in its group, in one peer's store: 1 for the first, without gaps.
/// Dependencies arrive first, so ascending numbers are a causal order. Never leaves the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EntryNo(pub u64);

impl EntryNo {
    /// The genesis change: in every group, before all entries.
    pub const GENESIS: Self = Self(0);
}

/// What the change graph knows of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub no: EntryNo,
    pub hash: ChangeHash,
    /// `None` for the genesis.
    pub actor: Option<ActorId>,
    pub seq: u64,
    pub max_op: u64,
    /// Effective time in milliseconds, the order key: `max(at, 1 + max eff of the dependencies)`.
    pub eff: i64,
    pub deps: Vec<EntryNo>,
}

impl Node {
    pub fn genesis(group: GroupId) -> Self {
        Self {
            no: EntryNo::GENESIS,
            hash: group.genesis(),
            actor: None,
            seq: 1,
            max_op: Genesis::MAX_OP,
            eff: 0,
            deps: Vec::new(),
        }
    }
}
