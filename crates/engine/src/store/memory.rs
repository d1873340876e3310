//! A store in memory, for tests and simulations. [`MemoryStore::crash`] loses what was not committed, as a crash of the
//! machine would.

use std::collections::{BTreeMap, HashMap};

use super::{Fork, GroupRow, KnownPeer, Store};
use crate::change::Genesis;
use crate::group::{Admitted, ChangeGraph, EntryNo, GroupNo, Node};
use crate::id::{ActorId, ChangeHash, PeerId};

/// The store was asked for something that it does not hold. A failed write rolls back everything since the last
/// commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// No group has this number.
    #[error("no group has number {} here", .0.0)]
    NoGroup(GroupNo),
    /// The group has no entry of this number.
    #[error("group {} has no entry {}", group.0, no.0)]
    NoEntry {
        /// The group that was asked.
        group: GroupNo,
        /// The number that it lacks.
        no: EntryNo,
    },
    /// The change was admitted on entries that have been rolled back since.
    #[error("a change depends on entries that are no longer stored")]
    Dangling,
}

/// A [`Store`] in memory, for tests and simulations. A clone is a backup.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    logs: BTreeMap<GroupNo, Log>,
    state: State,
    /// `state` as of the last commit.
    committed: State,
    /// Something was written since the last transaction.
    written: bool,
    /// A transaction was published, and none committed since.
    published: bool,
}

/// One group's changes and the indexes over them.
#[derive(Clone, Debug, Default)]
struct Log {
    entries: Vec<Admitted>,
    numbers: HashMap<ChangeHash, EntryNo>,
    last: HashMap<ActorId, (u64, EntryNo)>,
}

/// Everything small enough to be copied at each commit.
#[derive(Clone, Debug, Default)]
struct State {
    groups: BTreeMap<GroupNo, GroupRow>,
    forks: BTreeMap<(GroupNo, ActorId), Fork>,
    shared_heads: BTreeMap<(PeerId, GroupNo), Vec<ChangeHash>>,
    peers: BTreeMap<PeerId, KnownPeer>,
    values: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Simulates a crash: rolls back all writes since the last commit, published or not.
    pub fn crash(&mut self) {
        (self.written, self.published) = (false, false);
        self.state = self.committed.clone();
        self.logs.retain(|group, _| self.state.groups.contains_key(group));
        for (group, log) in &mut self.logs {
            let kept = self.state.groups[group].entries as usize;
            log.entries.truncate(kept);
            log.numbers.retain(|_, no| no.0 as usize <= kept);
            log.last.clear();
            for (entry, no) in log.entries.iter().zip(1..) {
                let header = entry.verified().header();
                let last = log.last.entry(header.actor).or_default();
                if header.seq > last.0 {
                    *last = (header.seq, EntryNo(no));
                }
            }
        }
    }

    /// The ids of a group's entries in display order, oldest first; empty if the group is unknown.
    pub fn history(&self, group: GroupNo) -> Vec<ChangeHash> {
        self.in_order(group).into_iter().map(|(_, hash, _)| hash).collect()
    }

    fn in_order(&self, group: GroupNo) -> Vec<(i64, ChangeHash, EntryNo)> {
        let entries = self.logs.get(&group).map_or(&[][..], |log| &log.entries).iter().zip(1..);
        let key = |(entry, no): (&Admitted, u64)| (entry.eff(), entry.verified().hash(), EntryNo(no));
        let mut keys: Vec<_> = entries.map(key).collect();
        keys.sort_unstable();
        keys
    }

    fn writing(&mut self) -> &mut State {
        self.written = true;
        &mut self.state
    }

    fn group(&mut self, group: GroupNo) -> Result<&mut GroupRow, MemoryError> {
        if !self.state.groups.contains_key(&group) {
            self.crash();
        }
        self.writing().groups.get_mut(&group).ok_or(MemoryError::NoGroup(group))
    }
}

impl Log {
    fn node(&self, no: EntryNo) -> Option<Node> {
        let entry = self.entries.get(no.0.checked_sub(1)? as usize)?;
        let change = entry.verified();
        Some(Node {
            no,
            hash: change.hash(),
            actor: Some(change.header().actor),
            seq: change.header().seq,
            max_op: change.max_op(),
            eff: entry.eff(),
            deps: entry.deps().to_vec(),
        })
    }
}

impl ChangeGraph for MemoryStore {
    type Error = MemoryError;

    fn find(&self, group: GroupNo, hash: &ChangeHash) -> Result<Option<EntryNo>, MemoryError> {
        let Some(row) = self.state.groups.get(&group) else { return Ok(None) };
        if *hash == row.id.genesis() {
            return Ok(Some(EntryNo::GENESIS));
        }
        Ok(self.logs.get(&group).and_then(|log| log.numbers.get(hash).copied()))
    }

    fn node(&self, group: GroupNo, no: EntryNo) -> Result<Option<Node>, MemoryError> {
        let Some(row) = self.state.groups.get(&group) else { return Ok(None) };
        if no == EntryNo::GENESIS {
            return Ok(Some(Node::genesis(row.id)));
        }
        Ok(self.logs.get(&group).and_then(|log| log.node(no)))
    }

    fn nodes_below(&self, group: GroupNo, below: EntryNo, limit: usize) -> Result<Vec<Node>, MemoryError> {
        let Some(row) = self.state.groups.get(&group) else { return Ok(Vec::new()) };
        let mut nodes = Vec::new();
        for no in (0..below.0.min(row.entries + 1)).rev().take(limit) {
            nodes.extend(self.node(group, EntryNo(no))?);
        }
        Ok(nodes)
    }

    fn last_of(&self, group: GroupNo, actor: &ActorId) -> Result<(u64, EntryNo), MemoryError> {
        let log = self.logs.get(&group);
        Ok(log.and_then(|log| log.last.get(actor)).copied().unwrap_or_default())
    }
}

impl Store for MemoryStore {
    fn groups(&self) -> Result<Vec<GroupRow>, MemoryError> {
        Ok(self.state.groups.values().cloned().collect())
    }

    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, MemoryError> {
        let id = genesis.id();
        if let Some(row) = self.writing().groups.values_mut().find(|row| row.id == id) {
            row.joined = joined;
            return Ok(row.no);
        }
        let no = GroupNo(self.state.groups.keys().next_back().map_or(1, |last| last.0 + 1));
        let (name, heads) = (genesis.name.clone(), vec![EntryNo::GENESIS]);
        self.writing()
            .groups
            .insert(no, GroupRow { no, id, name, joined, caught_up: false, heads, entries: 0 });
        self.logs.insert(no, Log::default());
        Ok(no)
    }

    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), MemoryError> {
        self.group(group)?.joined = joined;
        Ok(())
    }

    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), MemoryError> {
        self.group(group)?.caught_up = true;
        Ok(())
    }

    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, MemoryError> {
        let entries = self.group(group)?.entries;
        if change.deps().iter().any(|dep| dep.0 > entries) {
            self.crash();
            return Err(MemoryError::Dangling);
        }
        let Self { logs, state, written, .. } = self;
        *written = true;
        let log = logs.entry(group).or_default();
        let row = state.groups.get_mut(&group).ok_or(MemoryError::NoGroup(group))?;
        let (hash, header) = (change.verified().hash(), change.verified().header());
        if let Some(&no) = log.numbers.get(&hash) {
            return Ok(no);
        }
        let last = log.last.entry(header.actor).or_default();
        if header.seq > last.0 {
            *last = (header.seq, EntryNo(log.entries.len() as u64 + 1));
        } else {
            let other = log
                .entries
                .iter()
                .map(Admitted::verified)
                .find(|other| (other.header().actor, other.header().seq) == (header.actor, header.seq));
            if let Some(other) = other {
                let (actor, seq) = (header.actor, header.seq);
                let entries = (other.hash(), hash);
                let fork = Fork { group, author: actor.author(), actor, seq, entries };
                state.forks.entry((group, actor)).or_insert(fork);
            }
        }
        row.entries += 1;
        let no = EntryNo(row.entries);
        row.heads.retain(|head| !change.deps().contains(head));
        row.heads.push(no);
        log.numbers.insert(hash, no);
        log.entries.push(change.clone());
        Ok(no)
    }

    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, MemoryError> {
        let log = self.logs.get(&group).ok_or(MemoryError::NoGroup(group))?;
        let entry = no.0.checked_sub(1).and_then(|index| log.entries.get(index as usize));
        match entry {
            Some(entry) => Ok(entry.verified().bytes().to_vec()),
            None => Err(MemoryError::NoEntry { group, no }),
        }
    }

    fn newest(&self, group: GroupNo, limit: usize) -> Result<Vec<EntryNo>, MemoryError> {
        let order = self.in_order(group);
        Ok(order[order.len().saturating_sub(limit)..].iter().map(|(_, _, no)| *no).collect())
    }

    fn forks(&self) -> Result<Vec<Fork>, MemoryError> {
        Ok(self.state.forks.values().cloned().collect())
    }

    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, MemoryError> {
        Ok(self.state.shared_heads.get(&(*peer, group)).cloned().unwrap_or_default())
    }

    fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), MemoryError> {
        self.writing().shared_heads.insert((*peer, group), heads.to_vec());
        Ok(())
    }

    fn peers(&self) -> Result<Vec<KnownPeer>, MemoryError> {
        Ok(self.state.peers.values().cloned().collect())
    }

    fn put_peer(&mut self, peer: &KnownPeer) -> Result<(), MemoryError> {
        self.writing().peers.insert(peer.key, peer.clone());
        Ok(())
    }

    fn remove_peer(&mut self, key: &PeerId) -> Result<(), MemoryError> {
        self.writing().peers.remove(key);
        self.state.shared_heads.retain(|(peer, _), _| peer != key);
        Ok(())
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, MemoryError> {
        Ok(self.state.values.get(key).cloned())
    }

    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), MemoryError> {
        self.writing().values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn publish(&mut self) -> Result<bool, MemoryError> {
        self.published |= std::mem::take(&mut self.written);
        Ok(self.published)
    }

    fn commit(&mut self) -> Result<(), MemoryError> {
        (self.written, self.published) = (false, false);
        self.committed = self.state.clone();
        Ok(())
    }
}
