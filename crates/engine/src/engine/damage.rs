//! Entries that the disk has damaged: other peers are asked for them by name.

use super::Engine;
use super::room::Room;
use crate::group::{EntryNo, GroupNo};
use crate::id::ChangeHash;
use crate::store::Store;
use crate::sync::{LinkId, Request, Session};

impl<S: Store> Engine<S> {
    /// Entry `no` cannot be rebuilt from its row.
    pub(super) fn note_damage(&mut self, group: GroupNo, no: EntryNo) -> Result<(), S::Error> {
        let noted = |room: &Room| room.damaged.values().any(|known| *known == no);
        let Some(room) = self.rooms.get_mut(&group).filter(|room| !noted(room)) else { return Ok(()) };
        let Some(hash) = self.store.hash_by_order(group, no)? else { return Ok(()) };
        if room.note_damaged(no, hash) {
            self.awake.insert(group);
        }
        Ok(())
    }
}

/// Asks every link that has spoken, once, for what is damaged.
pub(super) fn ask_for_damaged(room: &mut Room) {
    if room.damaged.is_empty() {
        return;
    }
    let spoken = |(_, session): &(&LinkId, &Session)| session.theirs().is_some();
    let links: Vec<LinkId> = room.sessions.iter().filter(spoken).map(|(link, _)| *link).collect();
    let need: Vec<ChangeHash> = room.damaged.keys().copied().collect();
    for link in links {
        let due = room.due.entry(link).or_default();
        // A pull goes first; this is asked with the next commit.
        if due.request.is_none() && room.asked_for_damaged.insert(link) {
            due.request = Some((Request::ByName, need.clone()));
        }
    }
}
