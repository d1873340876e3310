//! What a ping says of the groups that it does not name: one number that stands for the heads of all of them.
//!
//! Peers that show each other the same number are level, and need not announce to each other what both have heard
//! from its author. Where the numbers differ, both announce what the other side was not told.

use sha2::{Digest, Sha256};

use super::{Effect, Engine};
use crate::group::GroupNo;
use crate::store::Store;
use crate::sync::LinkId;

impl<S: Store> Engine<S> {
    fn rooms_on(&self, link: LinkId) -> Vec<GroupNo> {
        let on = |no: &GroupNo| self.rooms.get(no).is_some_and(|room| room.sessions.contains_key(&link));
        self.by_id.values().copied().filter(on).collect()
    }

    /// Stands for our heads of all groups that sync on this link.
    pub(super) fn digest(&mut self, link: LinkId) -> u64 {
        let mut digest = Sha256::new();
        for no in self.rooms_on(link) {
            if let Some(room) = self.rooms.get_mut(&no) {
                digest.update(room.digest());
            }
        }
        let mut first = [0; 8];
        first.copy_from_slice(&digest.finalize()[..8]);
        u64::from_le_bytes(first)
    }

    /// The other side has shown the same digest as ours, or another.
    pub(super) fn compare(&mut self, link: LinkId, equal: bool) -> Result<(), S::Error> {
        for no in self.rooms_on(link) {
            let Some(room) = self.rooms.get_mut(&no) else { continue };
            let (ours, hashes) = (room.heads(), room.head_hashes());
            let Some(session) = room.sessions.get_mut(&link) else { continue };
            if session.is_level(&ours) {
                continue;
            }
            if equal {
                let before = session.in_flight_bytes();
                session.hear(&self.store, no, &ours, &hashes, &[], &[])?;
                self.mesh.account(link, before, session.in_flight_bytes());
                room.touched = true;
                self.prepared.push_back(Effect::Changed);
            } else if !session.has_announced(&hashes) {
                room.due(link).heads = true;
            } else {
                continue;
            }
            self.awake.insert(no);
        }
        Ok(())
    }
}
