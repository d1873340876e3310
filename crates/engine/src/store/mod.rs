//! What the engine keeps, and how: the change log, and what has to outlive a run beside it.
//!
//! The engine writes through [`Store`]. Nothing here decides what is valid: stores take [`Admitted`] changes only.

mod memory;

pub use memory::{MemoryError, MemoryStore};

use crate::change::{Genesis, Verified};
use crate::group::{Admitted, ChangeGraph, EntryNo, GroupNo};
use crate::id::{ActorId, ChangeHash, GroupId, GroupName, PeerId};

/// One group as the engine needs it at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    pub no: GroupNo,
    pub id: GroupId,
    pub name: GroupName,
    pub joined: bool,
    /// The group has once been level with another peer: from then on, what is inserted above newer entries is late.
    pub caught_up: bool,
    /// Entries that nothing depends on, ascending; the genesis when the group is empty.
    pub heads: Vec<EntryNo>,
    /// Number of entries, the genesis not counted; also the largest `EntryNo`.
    pub entries: u64,
}

/// Proof that an author equivocates: two admitted changes of one actor with one sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    pub group: GroupNo,
    pub author: PeerId,
    pub actor: ActorId,
    pub seq: u64,
    pub entries: (ChangeHash, ChangeHash),
}

/// Another peer, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    pub key: PeerId,
    pub addresses: Vec<String>,
    /// Milliseconds since 1970 by the own clock; 0 when never linked.
    pub last_linked_ms: i64,
}

/// A message that a client sent under a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Of what was to be sent.
    pub digest: [u8; 32],
    pub id: ChangeHash,
}

/// What the engine needs of a store. All writes since the last [`Store::commit`] or [`Store::publish`] are one transaction:
/// there together, or gone together after a crash, and never without those before.
pub trait Store: ChangeGraph {
    fn groups(&self) -> Result<Vec<GroupRow>, Self::Error>;

    /// Adds the group unless it is there; `joined` is set either way.
    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, Self::Error>;

    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), Self::Error>;

    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), Self::Error>;

    /// Writes the change to the log and to everything derived from it; replaces its dependencies among the
    /// heads; keeps a [`Fork`] when the change forks.
    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, Self::Error>;

    /// The exact bytes of a stored change, rebuilt and checked against its hash.
    /// A row that does not match is an error, never an answer.
    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, Self::Error>;

    /// The numbers of so many entries that stand last in the order of display, oldest first.
    fn newest(&self, group: GroupNo, limit: usize) -> Result<Vec<EntryNo>, Self::Error>;

    /// Many reads in a row, for which a store on a disk takes its locks only once.
    fn read_together<T>(&self, read: impl FnOnce() -> Result<T, Self::Error>) -> Result<T, Self::Error> {
        read()
    }

    /// Whether this error of [`Store::change`] is about one damaged row only: all the rest works, and the open
    /// transaction stands.
    fn is_one_row(_error: &Self::Error) -> bool {
        false
    }

    /// The hash that entry `no` has by the order of display, which is kept apart from the log: what to ask others
    /// for when the row is damaged. `None` where nobody is to be asked. Slow.
    fn hash_by_order(&self, _group: GroupNo, _no: EntryNo) -> Result<Option<ChangeHash>, Self::Error> {
        Ok(None)
    }

    /// Writes the row of entry `no` anew from the same change, as it came from another peer. After an error, more is
    /// damaged than the row.
    fn repair(&mut self, _group: GroupNo, _no: EntryNo, _change: &Verified) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Changes that were kept aside while `stored`, among others perhaps, was lost: to be judged again.
    fn released_by(&mut self, _group: GroupNo, _stored: &ChangeHash) -> Result<Vec<Verified>, Self::Error> {
        Ok(Vec::new())
    }

    fn forks(&self) -> Result<Vec<Fork>, Self::Error>;

    /// Heads that a peer was last known to share. Empty when unknown. A hint: may be old.
    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, Self::Error>;

    fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), Self::Error>;

    fn peers(&self) -> Result<Vec<KnownPeer>, Self::Error>;

    fn put_peer(&mut self, peer: &KnownPeer) -> Result<(), Self::Error>;

    fn remove_peer(&mut self, key: &PeerId) -> Result<(), Self::Error>;

    /// A small value of the peer itself (writer's actor, …).
    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), Self::Error>;

    /// What was sent under this key, while that is remembered. Stores that no client writes to remember nothing.
    fn sent(&self, _key: &str) -> Result<Option<Sent>, Self::Error> {
        Ok(None)
    }

    fn put_sent(&mut self, _key: &str, _sent: &Sent) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Up to which arrival the person at this peer has read; never beyond the newest. Stores that nobody reads from
    /// remember nothing.
    fn set_read_mark(&mut self, _group: GroupNo, _arrival: EntryNo) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Shows all writes since the last transaction to readers, and does not wait for the disk: a crash of the machine may
    /// take them back until the next commit. Says whether there is anything like that. After an error it is not shown.
    fn publish(&mut self) -> Result<bool, Self::Error>;

    /// Makes all writes durable. After an error none is to be relied on that came after the last commit.
    fn commit(&mut self) -> Result<(), Self::Error>;

    /// Does a little of the work that can wait until there is nothing else to do, in a transaction of its own. Says whether
    /// there may be more. An error is one of damage only.
    fn tidy(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }
}
