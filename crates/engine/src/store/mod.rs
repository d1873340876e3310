//! What the engine keeps beyond a run: the change log of each group, known peers, and small values.
//!
//! The engine writes through [`Store`]. Nothing here decides what is valid: stores take [`Admitted`] changes only.

mod memory;

pub use memory::{MemoryError, MemoryStore};

use crate::change::{Genesis, Verified};
use crate::group::{Admitted, ChangeGraph, EntryNo, GroupNo};
use crate::id::{ActorId, ChangeHash, GroupId, GroupName, PeerId};

/// A stored group, as the engine reads it at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Number of the group in this store.
    pub no: GroupNo,
    /// Hash of the group's genesis, by which other peers know the group.
    pub id: GroupId,
    /// Name of the group, part of its genesis.
    pub name: GroupName,
    /// Whether the user of this peer is a member. The entries of a group that was left are kept.
    pub joined: bool,
    /// The group has once had the same heads as another peer. From then on, an entry that is inserted above newer
    /// ones in display order counts as late.
    pub caught_up: bool,
    /// Entries that no entry depends on, ascending; the genesis if the group is empty.
    pub heads: Vec<EntryNo>,
    /// Number of entries, the genesis not counted; also the largest `EntryNo`.
    pub entries: u64,
}

/// Proof that an author equivocates: two admitted changes of one actor with the same sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The group that holds both changes.
    pub group: GroupNo,
    /// The author, whose key signed both.
    pub author: PeerId,
    /// The actor that both name.
    pub actor: ActorId,
    /// The sequence number that both carry.
    pub seq: u64,
    /// The two changes, in the order in which they were stored.
    pub entries: (ChangeHash, ChangeHash),
}

/// Another peer that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Public key of the peer.
    pub key: PeerId,
    /// Where the peer can be dialled, as `host:port`, the best first; at most `ADDRESSES_MAX`.
    pub addresses: Vec<String>,
    /// When a link to the peer last came up, in milliseconds since 1970 by this peer's clock; 0 if never, or if the
    /// peer is no acquaintance.
    pub last_linked_ms: i64,
}

/// A message that a client sent under an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// SHA-256 of the request, to tell a repetition from another message under the same key.
    pub digest: [u8; 32],
    /// The entry that was written for it.
    pub id: ChangeHash,
}

/// The database that the engine needs. All writes since the last [`Store::commit`] or [`Store::publish`] form one
/// transaction: after a crash all of them are there or none, and never without the transactions before.
pub trait Store: ChangeGraph {
    /// All groups, those that were left included.
    fn groups(&self) -> Result<Vec<GroupRow>, Self::Error>;

    /// Adds the group unless it is stored already, and sets its `joined` either way. Returns its number.
    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, Self::Error>;

    /// Sets [`GroupRow::joined`]. Fails if the group is not stored.
    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), Self::Error>;

    /// Sets [`GroupRow::caught_up`]. Fails if the group is not stored.
    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), Self::Error>;

    /// Appends the change to the log and to all that is derived from it, and returns its number; replaces its
    /// dependencies among the heads by it; records a [`Fork`] if the change forks. A change that is stored already
    /// keeps its number.
    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, Self::Error>;

    /// The exact bytes of a stored change, rebuilt and checked against its hash. A row that fails the check is an
    /// error, never an answer.
    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, Self::Error>;

    /// The numbers of the last `limit` entries in display order, oldest first.
    fn newest(&self, group: GroupNo, limit: usize) -> Result<Vec<EntryNo>, Self::Error>;

    /// Runs `read` as one group of reads, for which a store on disk takes its locks only once.
    fn read_together<T>(&self, read: impl FnOnce() -> Result<T, Self::Error>) -> Result<T, Self::Error> {
        read()
    }

    /// Whether this error of [`Store::change`] concerns one damaged row only, so that everything else still works and
    /// the open transaction is intact.
    fn is_one_row(_error: &Self::Error) -> bool {
        false
    }

    /// The hash of entry `no` from the index of the display order, which is kept apart from the log: by it a damaged
    /// entry is requested from other peers. `None` if the entry cannot be requested; an error if more than its row is
    /// damaged. Slow.
    fn hash_by_order(&self, _group: GroupNo, _no: EntryNo) -> Result<Option<ChangeHash>, Self::Error> {
        Ok(None)
    }

    /// Rewrites the damaged row of entry `no` from the same change, received from another peer. An error means that
    /// more than the row is damaged.
    fn repair(&mut self, _group: GroupNo, _no: EntryNo, _change: &Verified) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Changes that an earlier salvage of the database set aside because `stored` (and perhaps others) was lost, for
    /// the caller to judge again. They stay set aside until they are appended.
    fn released_by(&mut self, _group: GroupNo, _stored: &ChangeHash) -> Result<Vec<Verified>, Self::Error> {
        Ok(Vec::new())
    }

    /// All forks found so far.
    fn forks(&self) -> Result<Vec<Fork>, Self::Error>;

    /// Heads that this peer and `peer` last had in common, for the next session to start from. Empty if unknown. A
    /// hint that may be outdated.
    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, Self::Error>;

    /// Replaces the answer of [`Store::shared_heads`].
    fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), Self::Error>;

    /// All peers that were put and not removed.
    fn peers(&self) -> Result<Vec<KnownPeer>, Self::Error>;

    /// Adds or replaces the row of a peer.
    fn put_peer(&mut self, peer: &KnownPeer) -> Result<(), Self::Error>;

    /// Removes a peer and its shared heads, if it is there.
    fn remove_peer(&mut self, key: &PeerId) -> Result<(), Self::Error>;

    /// A small value of this peer (a writer's actor, a farewell) by its key.
    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Sets the value of a key.
    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), Self::Error>;

    /// What a client sent under this idempotency key, while that is remembered. Stores without clients remember
    /// nothing.
    fn sent(&self, _key: &str) -> Result<Option<Sent>, Self::Error> {
        Ok(None)
    }

    /// Remembers what a client sent under an idempotency key.
    fn put_sent(&mut self, _key: &str, _sent: &Sent) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Sets the arrival number up to which the user has read the group, at most the newest. Stores without readers
    /// ignore it.
    fn set_read_mark(&mut self, _group: GroupNo, _arrival: EntryNo) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Ends the transaction and shows it to readers without waiting for the disk: until the next commit, a crash of
    /// the machine may undo it. Returns whether anything published awaits a commit. After an error nothing of the
    /// transaction is shown.
    fn publish(&mut self) -> Result<bool, Self::Error>;

    /// Makes all writes durable. After an error, no write since the last successful commit may be relied on.
    fn commit(&mut self) -> Result<(), Self::Error>;

    /// Does a small part of the maintenance that can wait for idle time, in a transaction of its own. Returns whether
    /// there may be more. An error means damage.
    fn tidy(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }
}
