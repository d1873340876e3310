//! All groups that this peer holds, and which of them need work at the next commit.

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
    /// Groups that were changed since the last commit looked at them.
    awake: BTreeSet<GroupNo>,
    /// Groups with a timer. All other groups cost nothing at a commit.
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

    /// In the order of group ids, which is the same on every peer.
    pub fn in_order_of_ids(&self) -> impl Iterator<Item = &Room> {
        self.by_id.values().filter_map(|no| self.by_no.get(no))
    }

    /// The one way to change a group, so that the next commit looks at it.
    pub fn wake(&mut self, no: GroupNo) -> Option<&mut Room> {
        let room = self.by_no.get_mut(&no)?;
        self.awake.insert(no);
        Some(room)
    }

    /// [`Self::wake`], if the group has a session on this link.
    pub fn wake_on(&mut self, no: GroupNo, link: LinkId) -> Option<&mut Room> {
        self.get(no)?.session(link)?;
        self.wake(no)
    }

    /// The groups to look at now.
    pub fn due(&self, now: Now) -> BTreeSet<GroupNo> {
        let is_due = |room: &Room| room.due_us().is_some_and(|due| due <= now.ticks_us);
        let timed = self.timed.iter().filter(|no| self.by_no.get(no).is_some_and(is_due));
        timed.chain(&self.awake).copied().collect()
    }

    /// The group was looked at, and is not again until it is changed or its timer is due. A group whose send window
    /// is blocked stays awake, because acknowledgements on the link unblock it.
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

    /// The tick of the earliest timer of a group.
    pub fn next_timeout_us(&self) -> Option<u64> {
        let watched = self.awake.union(&self.timed).filter_map(|no| self.by_no.get(no));
        watched.filter_map(Room::due_us).min()
    }
}
