//! All groups that this peer holds, and which of them are to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::room::Room;
use crate::group::GroupNo;
use crate::id::GroupId;
use crate::sync::LinkId;
use crate::time::Now;

#[derive(Default)]
pub(super) struct Rooms {
    by_no: BTreeMap<GroupNo, Room>,
    by_id: BTreeMap<GroupId, GroupNo>,
    /// Groups in which something happened since they were last looked at.
    awake: BTreeSet<GroupNo>,
    /// Groups in which something is due at some time though nothing happens. All others cost nothing.
    timed: BTreeSet<GroupNo>,
}

impl Rooms {
    pub fn insert(&mut self, room: Room) {
        self.by_id.insert(room.id(), room.no());
        self.by_no.insert(room.no(), room);
    }

    pub fn len(&self) -> usize {
        self.by_no.len()
    }

    pub fn number(&self, id: &GroupId) -> Option<GroupNo> {
        self.by_id.get(id).copied()
    }

    pub fn numbers(&self) -> Vec<GroupNo> {
        self.by_no.keys().copied().collect()
    }

    pub fn get(&self, no: GroupNo) -> Option<&Room> {
        self.by_no.get(&no)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_no.values()
    }

    /// The same on every peer.
    pub fn in_order_of_ids(&self) -> impl Iterator<Item = &Room> {
        self.by_id.values().filter_map(|no| self.by_no.get(no))
    }

    /// The one way to change a group: it is looked at with the next commit.
    pub fn wake(&mut self, no: GroupNo) -> Option<&mut Room> {
        let room = self.by_no.get_mut(&no)?;
        self.awake.insert(no);
        Some(room)
    }

    /// [`Self::wake`], where the group is synced on this link.
    pub fn wake_on(&mut self, no: GroupNo, link: LinkId) -> Option<&mut Room> {
        self.get(no)?.session(link)?;
        self.wake(no)
    }

    /// The groups to be looked at now.
    pub fn due(&self, now: Now) -> BTreeSet<GroupNo> {
        let is_due = |room: &Room| room.due_us().is_some_and(|due| due <= now.ticks_us);
        let timed = self.timed.iter().filter(|no| self.by_no.get(no).is_some_and(is_due));
        timed.chain(&self.awake).copied().collect()
    }

    /// The group was looked at: not again until something happens in it, or is due. What a link had no room for is tried
    /// again with every commit, for acknowledgements make room.
    pub fn rest(&mut self, no: GroupNo) {
        let Some(room) = self.by_no.get(&no) else { return };
        if !room.is_starved() {
            self.awake.remove(&no);
        }
        if room.due_us().is_some() {
            self.timed.insert(no);
        } else {
            self.timed.remove(&no);
        }
    }

    /// When something is due first.
    pub fn next_timeout_us(&self) -> Option<u64> {
        let watched = self.awake.union(&self.timed).filter_map(|no| self.by_no.get(no));
        watched.filter_map(Room::due_us).min()
    }
}
