//! The digest in pings and pongs: a hash of the heads of all groups that sync on a link.
//!
//! Peers with the same digest are level, and need not announce to each other what both have received from its author. If
//! the digests differ, both sides send the heads that they have not sent to each other yet.

use sha2::{Digest, Sha256};

use super::Engine;
use super::event::Effect;
use super::room::Room;
use crate::group::GroupNo;
use crate::store::Store;
use crate::sync::LinkId;
use crate::time::Now;

impl<S: Store> Engine<S> {
    /// The hash of our heads in all groups that sync on this link.
    pub(super) fn digest(&self, link: LinkId) -> u64 {
        let mut digest = Sha256::new();
        for room in self.rooms.in_order_of_ids().filter(|room| room.session(link).is_some()) {
            digest.update(room.digest());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&digest.finalize()[..8]);
        u64::from_le_bytes(first)
    }

    /// The other side has sent its digest, which is `equal` to ours or not.
    pub(super) fn compare(&mut self, link: LinkId, equal: bool, now: Now) -> Result<(), S::Error> {
        let news = self.rooms.in_order_of_ids().filter(|room| room.is_news(link, equal));
        let groups: Vec<GroupNo> = news.map(Room::no).collect();
        for group in groups {
            let Some(room) = self.rooms.wake(group) else { continue };
            let Some(budget) = self.links.budget(link) else { return Ok(()) };
            if equal {
                room.hear_level(&self.store, link, budget, now)?;
                self.effects.push(Effect::Changed);
            } else {
                room.hear_unlike(link);
            }
        }
        Ok(())
    }
}
