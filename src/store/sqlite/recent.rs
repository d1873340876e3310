//! The last stored entries, in memory: new entries mostly depend on them, so most lookups of the gate need no
//! query. Derived like the indexes: cleared when a transaction is rolled back, or when a row is repaired.

use std::collections::{BTreeMap, HashMap, VecDeque};

use peer_engine::group::{EntryNo, GroupNo, Node};
use peer_engine::id::{ActorId, ChangeHash};

use super::index::Actor;

/// Number of entries kept, of all groups together: at least as many as [`ByHash`](super::by_hash::ByHash) has
/// not written.
pub(super) const NODES_MAX: usize = 1024;
/// Number of actors kept from one transaction to the next.
const ACTORS_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The last entries of each group, with consecutive numbers.
    nodes: BTreeMap<GroupNo, VecDeque<Node>>,
    numbers: HashMap<(GroupNo, ChangeHash), EntryNo>,
    /// The group of each entry, the oldest first.
    order: VecDeque<GroupNo>,
    /// The current state of actors; `true` where it is not written to the actor's row yet.
    actors: HashMap<(GroupNo, ActorId), (Actor, bool)>,
}

impl Recent {
    /// Adds the entry that was just stored, the last of its group.
    pub fn push(&mut self, group: GroupNo, node: Node) {
        if self.order.len() >= NODES_MAX {
            self.forget_oldest();
        }
        self.order.push_back(group);
        self.numbers.insert((group, node.hash), node.no);
        self.nodes.entry(group).or_default().push_back(node);
    }

    fn forget_oldest(&mut self) {
        let Some(group) = self.order.pop_front() else { return };
        let Some(nodes) = self.nodes.get_mut(&group) else { return };
        if let Some(node) = nodes.pop_front() {
            self.numbers.remove(&(group, node.hash));
        }
        if nodes.is_empty() {
            self.nodes.remove(&group);
        }
    }

    /// Call this when stored rows have changed.
    pub fn forget_entries(&mut self) {
        self.nodes.clear();
        self.numbers.clear();
        self.order.clear();
    }

    pub fn find(&self, group: GroupNo, hash: &ChangeHash) -> Option<EntryNo> {
        self.numbers.get(&(group, *hash)).copied()
    }

    pub fn node(&self, group: GroupNo, no: EntryNo) -> Option<&Node> {
        let nodes = self.nodes.get(&group)?;
        let place = no.0.checked_sub(nodes.front()?.no.0)?;
        nodes.get(usize::try_from(place).ok()?)
    }

    pub fn actor(&self, group: GroupNo, id: &ActorId) -> Option<Actor> {
        self.actors.get(&(group, *id)).map(|(actor, _)| *actor)
    }

    /// Sets an actor's state, which is written before the commit.
    pub fn set_actor(&mut self, group: GroupNo, id: ActorId, actor: Actor) {
        self.actors.insert((group, id), (actor, true));
    }

    /// Takes the actors whose rows must be written now.
    pub fn take_changed(&mut self) -> Vec<Actor> {
        let changed = self.actors.values_mut();
        let changed = changed.filter_map(|(actor, changed)| std::mem::take(changed).then_some(*actor));
        let changed = changed.collect();
        if self.actors.len() > ACTORS_MAX {
            self.actors.clear();
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer_engine::id::GroupId;

    fn node(no: u64) -> Node {
        let mut hash = ChangeHash([0; 32]);
        hash.0[..8].copy_from_slice(&no.to_le_bytes());
        Node { no: EntryNo(no), hash, ..Node::genesis(GroupId([0; 32])) }
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let (mut recent, group) = (Recent::default(), GroupNo(1));
        for no in 1..=NODES_MAX as u64 + 2 {
            recent.push(group, node(no));
        }
        assert_eq!((recent.nodes[&group].len(), recent.numbers.len()), (NODES_MAX, NODES_MAX));
        for gone in [1, 2] {
            assert_eq!(recent.find(group, &node(gone).hash), None);
            assert!(recent.node(group, EntryNo(gone)).is_none());
        }
        assert_eq!(recent.find(group, &node(3).hash), Some(EntryNo(3)));
        assert_eq!(recent.find(GroupNo(2), &node(3).hash), None, "of another group");
    }

    #[test]
    fn each_actor_is_written_once() {
        let (mut recent, id) = (Recent::default(), ActorId([1; 40]));
        for seq in 1..3 {
            recent.set_actor(GroupNo(1), id, Actor { row: 7, last_seq: seq, last_no: EntryNo(seq) });
        }
        let changed: Vec<u64> = recent.take_changed().iter().map(|actor| actor.last_seq).collect();
        assert_eq!(changed, [2]);
        assert!(recent.take_changed().is_empty());
        assert_eq!(recent.actor(GroupNo(1), &id).map(|actor| actor.last_seq), Some(2));
    }
}
