//! A peer's disk: its store, in memory or in a real database file, the record of what is durable on it, and
//! its faults.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use peer::limits::PAGE_MAX;
use peer::store::{Page, SqliteStore, StoreError};
use peer_engine::change::{Genesis, Verified};
use peer_engine::group::{Admitted, ChangeGraph, EntryNo, GroupNo, Node};
use peer_engine::id::{ActorId, ChangeHash, MeshId, PeerId};
use peer_engine::store::{Fork, GroupRow, KnownPeer, MemoryError, MemoryStore, Store};
use tempfile::TempDir;

use crate::faults::Plant;

/// Counts the engine's calls.
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

/// Where a peer stores everything.
#[derive(Debug)]
pub enum Backing {
    Memory(Box<MemoryStore>),
    Sqlite(Database),
}

/// A real database file, in a directory of its own.
#[derive(Debug)]
pub struct Database {
    dir: TempDir,
    own: PeerId,
    store: Box<SqliteStore>,
}

#[derive(Debug)]
pub struct Disk {
    pub store: Backing,
    /// Recorded independently of the store: what was appended before a commit that succeeded.
    pub durable: HashSet<(GroupNo, ChangeHash)>,
    pending: Vec<(GroupNo, ChangeHash)>,
    /// The next commit fails; `true`: what it wrote is on the disk all the same.
    pub fail_commit: Option<bool>,
    /// No commit succeeds.
    pub full: bool,
    /// A planted fault has delayed a commit.
    late: bool,
    pub plant: Plant,
    pub calls: Calls,
}

impl Database {
    fn open(dir: TempDir, own: PeerId) -> Result<Self, StoreError> {
        let store = Box::new(SqliteStore::open(&dir.path().join("peer.db"), own)?);
        Ok(Self { dir, own, store })
    }

    /// The files as they are now, as another process would copy them. The index of the log (`-shm`) is
    /// memory, and not among them.
    fn copy(&self) -> Result<Self, StoreError> {
        let dir = TempDir::new().expect("a directory for temporary files");
        for name in ["peer.db", "peer.db-wal"] {
            let from = self.dir.path().join(name);
            if from.exists() {
                std::fs::copy(from, dir.path().join(name)).expect("a copy of a small file");
            }
        }
        Self::open(dir, self.own)
    }
}

/// Errors of the store in memory, as errors of the store on disk.
fn of_memory(error: MemoryError) -> StoreError {
    match error {
        MemoryError::NoGroup(group) => StoreError::NoGroup(group),
        MemoryError::NoEntry { group, no } => StoreError::Row { group, no, reason: "there is none" },
        MemoryError::Dangling => StoreError::Dangling,
    }
}

/// Makes the same call on either store.
macro_rules! each {
    ($backing:expr, $store:ident => $call:expr) => {
        match $backing {
            Backing::Memory($store) => $call.map_err(of_memory),
            Backing::Sqlite(Database { store: $store, .. }) => $call,
        }
    };
}

impl Backing {
    /// Everything committed, as another process would read it.
    fn copy(&self) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Memory(store) => {
                let mut store = store.clone();
                store.crash();
                Self::Memory(store)
            }
            Self::Sqlite(database) => Self::Sqlite(database.copy()?),
        })
    }

    /// Ids in display order, oldest first, as they are shown.
    pub fn history(&self, mesh: MeshId, group: GroupNo) -> Result<Vec<ChangeHash>, StoreError> {
        let store = match self {
            Self::Memory(store) => return Ok(store.history(group)),
            Self::Sqlite(database) => &*database.store,
        };
        let reader = store.reader(mesh)?;
        let mut shown: Vec<ChangeHash> = Vec::new();
        let mut page = Page::Newest;
        loop {
            let entries = reader.history(group, page, PAGE_MAX)?;
            let Some(oldest) = entries.first() else { return Ok(shown) };
            page = Page::Before(oldest.id);
            shown.splice(0..0, entries.into_iter().map(|entry| entry.id));
        }
    }

    pub fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        each!(self, store => store.groups())
    }

    pub fn find(&self, group: GroupNo, hash: &ChangeHash) -> Result<Option<EntryNo>, StoreError> {
        each!(self, store => store.find(group, hash))
    }

    pub fn node(&self, group: GroupNo, no: EntryNo) -> Result<Option<Node>, StoreError> {
        each!(self, store => store.node(group, no))
    }

    pub fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, StoreError> {
        each!(self, store => store.change(group, no))
    }

    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        each!(self, store => store.forks())
    }

    pub fn peers(&self) -> Result<Vec<KnownPeer>, StoreError> {
        each!(self, store => store.peers())
    }

    pub fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), StoreError> {
        each!(self, store => store.set_shared_heads(peer, group, heads))
    }

    pub fn commit(&mut self) -> Result<(), StoreError> {
        each!(self, store => store.commit())
    }
}

impl Disk {
    pub fn in_memory(plant: Plant) -> Self {
        Self::new(Backing::Memory(Box::default()), plant)
    }

    pub fn in_a_file(own: PeerId, plant: Plant) -> Result<Self, StoreError> {
        let dir = TempDir::new().expect("a directory for temporary files");
        Ok(Self::new(Backing::Sqlite(Database::open(dir, own)?), plant))
    }

    fn new(store: Backing, plant: Plant) -> Self {
        Self {
            store,
            durable: HashSet::new(),
            pending: Vec::new(),
            fail_commit: None,
            full: false,
            late: false,
            plant,
            calls: Calls::default(),
        }
    }

    /// Everything committed, as a backup.
    pub fn copy(&self) -> Result<Self, StoreError> {
        let copy = Self::new(self.store.copy()?, self.plant);
        Ok(Self { durable: self.durable.clone(), ..copy })
    }

    /// Whether the next commit will fail.
    pub fn is_failing(&self) -> bool {
        self.full || self.fail_commit.is_some()
    }

    /// A durable entry that the store has lost, if any.
    pub fn lost(&self) -> Option<ChangeHash> {
        let has = |(group, hash): &&(GroupNo, ChangeHash)| {
            self.store.find(*group, hash).is_ok_and(|found| found.is_some())
        };
        self.durable.iter().find(|row| !has(row)).map(|(_, hash)| *hash)
    }

    /// The process dies; the next one finds what was committed.
    pub fn crash(&mut self) -> Result<(), StoreError> {
        match &mut self.store {
            Backing::Memory(store) => store.crash(),
            Backing::Sqlite(database) => *database = database.copy()?,
        }
        // Published transactions are still in the file; the next process to open it flushes them.
        let pending = std::mem::take(&mut self.pending);
        let store = &self.store;
        let kept =
            |(group, hash): &(GroupNo, ChangeHash)| store.find(*group, hash).is_ok_and(|no| no.is_some());
        self.durable.extend(pending.into_iter().filter(kept));
        self.fail_commit = None;
        Ok(())
    }
}

/// The engine's handle of the disk. The simulation keeps another handle, which outlives a crash.
#[derive(Clone, Debug)]
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
        let nodes = each!(&disk.store, store => store.nodes_below(group, below, limit))?;
        count(&disk.calls.walked, nodes.len() as u64);
        Ok(nodes)
    }

    fn last_of(&self, group: GroupNo, actor: &ActorId) -> Result<(u64, EntryNo), StoreError> {
        each!(&self.0.borrow().store, store => store.last_of(group, actor))
    }
}

impl Store for SimStore {
    fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        self.0.borrow().store.groups()
    }

    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.add_group(genesis, joined))
    }

    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.set_joined(group, joined))
    }

    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.set_caught_up(group))
    }

    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, StoreError> {
        let mut disk = self.0.borrow_mut();
        count(&disk.calls.append, 1);
        let no = each!(&mut disk.store, store => store.append(group, change))?;
        disk.pending.push((group, change.verified().hash()));
        Ok(no)
    }

    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, StoreError> {
        let disk = self.0.borrow();
        count(&disk.calls.change, 1);
        disk.store.change(group, no)
    }

    fn newest(&self, group: GroupNo, limit: usize) -> Result<Vec<EntryNo>, StoreError> {
        each!(&self.0.borrow().store, store => store.newest(group, limit))
    }

    fn is_one_row(error: &StoreError) -> bool {
        SqliteStore::is_one_row(error)
    }

    fn hash_by_order(&self, group: GroupNo, no: EntryNo) -> Result<Option<ChangeHash>, StoreError> {
        each!(&self.0.borrow().store, store => store.hash_by_order(group, no))
    }

    fn repair(&mut self, group: GroupNo, no: EntryNo, change: &Verified) -> Result<(), StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.repair(group, no, change))
    }

    fn released_by(&mut self, group: GroupNo, stored: &ChangeHash) -> Result<Vec<Verified>, StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.released_by(group, stored))
    }

    fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        self.0.borrow().store.forks()
    }

    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, StoreError> {
        each!(&self.0.borrow().store, store => store.shared_heads(peer, group))
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
        each!(&mut self.0.borrow_mut().store, store => store.put_peer(peer))
    }

    fn remove_peer(&mut self, key: &PeerId) -> Result<(), StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.remove_peer(key))
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        each!(&self.0.borrow().store, store => store.value(key))
    }

    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        each!(&mut self.0.borrow_mut().store, store => store.set_value(key, value))
    }

    /// A crash loses all of it in memory, and none of it in a file.
    fn publish(&mut self) -> Result<bool, StoreError> {
        let mut disk = self.0.borrow_mut();
        if disk.full {
            return Err(StoreError::Full);
        }
        each!(&mut disk.store, store => store.publish())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        count(&disk.calls.commit, 1);
        match (disk.fail_commit.take(), disk.plant) {
            (_, Plant::CommitLies) if !disk.pending.is_empty() => {
                disk.pending.clear();
                Ok(())
            }
            (_, Plant::CommitLate) if !disk.pending.is_empty() && !disk.late => {
                disk.late = true;
                Ok(())
            }
            (Some(false), _) => Err(StoreError::Full),
            _ if disk.full => Err(StoreError::Full),
            (kept, _) => {
                disk.late = false;
                disk.store.commit()?;
                let pending = std::mem::take(&mut disk.pending);
                disk.durable.extend(pending);
                if kept.is_some() { Err(StoreError::Full) } else { Ok(()) }
            }
        }
    }
}
