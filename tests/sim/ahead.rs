//! What a newcomer is shown of a large group before its place in the history is known.

use std::collections::BTreeSet;

use peer_engine::change::Verified;
use peer_engine::group::GroupNo;
use peer_engine::id::ChangeHash;
use peer_engine::limits::{PREVIEW_ENTRIES, PREVIEW_FROM};

use crate::cost::options;
use crate::faults::Plant;
use crate::world::World;

impl World {
    /// A peer shows entries that were sent ahead: none twice, and none that it has stored.
    pub fn see_ahead(&mut self, index: usize, group: GroupNo, changes: &[Verified]) {
        let hashes: BTreeSet<ChangeHash> = changes.iter().map(Verified::hash).collect();
        let disk = self.peers[index].disk.borrow();
        let stored = |hash| disk.store.find(group, hash).is_ok_and(|found| found.is_some());
        if changes.is_empty() || changes.len() > PREVIEW_ENTRIES || hashes.len() < changes.len() {
            self.record.fail(format!("{index} shows {} entries ahead", changes.len()));
        }
        if hashes.iter().any(stored) {
            self.record.fail(format!("{index} shows entries ahead that it has"));
        }
        self.record.ahead.insert((index, group));
        self.record.shown_ahead.push(hashes.len());
    }

    pub fn see_ahead_end(&mut self, index: usize, group: GroupNo) {
        if !self.record.ahead.remove(&(index, group)) {
            self.record.fail(format!("{index} ends what it does not show"));
        }
    }
}

#[test]
fn a_newcomer_sees_the_end_of_a_large_group_first_and_then_all_of_it() {
    for sqlite in [false, true] {
        let mut world = World::idle(peer_options(sqlite), Plant::None);
        world.begin(0);
        world.settle();
        world.write(0, 0, 2 * PREVIEW_FROM as usize);
        world.begin(1);
        world.meet(1, 0);
        world.settle();
        assert_eq!(world.entries(1), world.entries(0));
        assert_eq!(world.record.shown_ahead, [PREVIEW_ENTRIES]);
        assert!(world.record.ahead.is_empty(), "it is not over");
    }
}

#[test]
fn of_a_small_group_nothing_is_sent_ahead() {
    let mut world = World::idle(peer_options(false), Plant::None);
    world.begin(0);
    world.settle();
    world.write(0, 0, PREVIEW_FROM as usize / 2);
    world.begin(1);
    world.meet(1, 0);
    world.settle();
    assert_eq!(world.entries(1), world.entries(0));
    assert_eq!(world.record.shown_ahead, [0; 0]);
}

fn peer_options(sqlite: bool) -> crate::options::Options {
    crate::options::Options { sqlite, ..options(2) }
}
