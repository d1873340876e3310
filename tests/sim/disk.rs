//! A peer's disk: the memory store, what is known to be durable on it, and what can go wrong with it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use peer::change::Genesis;
use peer::group::{Admitted, ChangeGraph, EntryNo, GroupNo, Node};
use peer::id::{ActorId, ChangeHash, PeerId};
use peer::store::{Fork, GroupRow, KnownPeer, MemoryStore, Store, StoreError};

use crate::faults::Plant;

/// How often the engine asked.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    pub find: Cell<u64>,
    pub node: Cell<u64>,
    /// Nodes read by walks.
    pub walked: Cell<u64>,
    pub change: Cell<u64>,
    pub append: Cell<u64>,
    pub commit: Cell<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub store: MemoryStore,
    /// Independent of the store: what was appended before a commit that succeeded.
    pub durable: HashSet<(GroupNo, ChangeHash)>,
    pending: Vec<(GroupNo, ChangeHash)>,
    /// The next commit fails, as on a full disk, or as when the machine dies within it.
    pub fail_commit: bool,
    /// A planted fault has put off a commit.
    late: bool,
    pub plant: Plant,
    pub calls: Calls,
}

impl Disk {
    /// Something durable that the store does not have.
    pub fn lost(&self) -> Option<ChangeHash> {
        let has = |(group, hash): &&(GroupNo, ChangeHash)| {
            self.store.find(*group, hash).is_ok_and(|found| found.is_some())
        };
        self.durable.iter().find(|row| !has(row)).map(|(_, hash)| *hash)
    }

    pub fn crash(&mut self) {
        self.store.crash();
        self.pending.clear();
        self.fail_commit = false;
    }
}

/// What the engine holds of the disk. The simulation keeps another handle, which outlives a crash.
#[derive(Clone, Debug, Default)]
pub struct SimStore(pub Rc<RefCell<Disk>>);

fn count(cell: &Cell<u64>, by: u64) {
    cell.set(cell.get() + by);
}

impl ChangeGraph for SimStore {
    type Error = StoreError;

    fn find(&self, group: GroupNo, hash: &ChangeHash) -> Result<Option<EntryNo>, StoreError> {
        let disk = self.0.borrow();
        count(&disk.calls.find, 1);
        disk.store.find(group, hash)
    }

    fn node(&self, group: GroupNo, no: EntryNo) -> Result<Option<Node>, StoreError> {
        let disk = self.0.borrow();
        count(&disk.calls.node, 1);
        disk.store.node(group, no)
    }

    fn nodes_below(&self, group: GroupNo, below: EntryNo, limit: usize) -> Result<Vec<Node>, StoreError> {
        let disk = self.0.borrow();
        let nodes = disk.store.nodes_below(group, below, limit)?;
        count(&disk.calls.walked, nodes.len() as u64);
        Ok(nodes)
    }

    fn last_seq(&self, group: GroupNo, actor: &ActorId) -> Result<u64, StoreError> {
        self.0.borrow().store.last_seq(group, actor)
    }
}

impl Store for SimStore {
    fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        self.0.borrow().store.groups()
    }

    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, StoreError> {
        self.0.borrow_mut().store.add_group(genesis, joined)
    }

    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), StoreError> {
        self.0.borrow_mut().store.set_joined(group, joined)
    }

    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), StoreError> {
        self.0.borrow_mut().store.set_caught_up(group)
    }

    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, StoreError> {
        let mut disk = self.0.borrow_mut();
        count(&disk.calls.append, 1);
        let no = disk.store.append(group, change)?;
        disk.pending.push((group, change.verified().hash()));
        Ok(no)
    }

    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, StoreError> {
        let disk = self.0.borrow();
        count(&disk.calls.change, 1);
        disk.store.change(group, no)
    }

    fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        self.0.borrow().store.forks()
    }

    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, StoreError> {
        self.0.borrow().store.shared_heads(peer, group)
    }

    fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), StoreError> {
        self.0.borrow_mut().store.set_shared_heads(peer, group, heads)
    }

    fn peers(&self) -> Result<Vec<KnownPeer>, StoreError> {
        self.0.borrow().store.peers()
    }

    fn put_peer(&mut self, peer: &KnownPeer) -> Result<(), StoreError> {
        self.0.borrow_mut().store.put_peer(peer)
    }

    fn remove_peer(&mut self, key: &PeerId) -> Result<(), StoreError> {
        self.0.borrow_mut().store.remove_peer(key)
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.borrow().store.value(key)
    }

    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.borrow_mut().store.set_value(key, value)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        count(&disk.calls.commit, 1);
        if disk.fail_commit {
            disk.crash();
            return Err(StoreError::Full);
        }
        match disk.plant {
            Plant::CommitLies if !disk.pending.is_empty() => {
                disk.pending.clear();
                return Ok(());
            }
            Plant::CommitLate if !disk.pending.is_empty() && !disk.late => {
                disk.late = true;
                return Ok(());
            }
            _ => disk.late = false,
        }
        disk.store.commit()?;
        let pending = std::mem::take(&mut disk.pending);
        disk.durable.extend(pending);
        Ok(())
    }
}
