//! One peer's own numbers for groups and entries, and what the graph knows of a change.

use crate::change::Genesis;
use crate::id::{ActorId, ChangeHash, GroupId};

/// The number of a group in one peer's store. Never sent to others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupNo(pub u32);

/// The arrival number of an entry in its group, in one peer's store: 1 for the first, without gaps. Dependencies
/// arrive first, so ascending numbers are a causal order. Never sent to others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EntryNo(pub u64);

impl EntryNo {
    /// The genesis change, which every group has before all entries.
    pub const GENESIS: Self = Self(0);
}

/// One change in the graph of its group, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Arrival number.
    pub no: EntryNo,
    /// Hash of the change, by which other peers know it.
    pub hash: ChangeHash,
    /// The actor that wrote it; `None` for the genesis.
    pub actor: Option<ActorId>,
    /// Sequence number within the actor, from 1.
    pub seq: u64,
    /// Counter of the change's last Automerge operation.
    pub max_op: u64,
    /// Effective time in milliseconds, the order key: `max(at, 1 + max eff of the dependencies)`.
    pub eff: i64,
    /// Arrival numbers of the direct dependencies; empty for the genesis only.
    pub deps: Vec<EntryNo>,
}

impl Node {
    /// The node of a group's genesis, which no store needs to keep.
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
