//! Sending previews to links that ask for them, and receiving those that were asked for.

use std::collections::BTreeSet;

use super::conduct::Misconduct;
use super::event::Effect;
use super::{Engine, damage};
use crate::change::Verified;
use crate::group::GroupNo;
use crate::id::GroupId;
use crate::limits::{PREVIEW_BYTES_SENT, PREVIEW_ENTRIES, PREVIEW_FROM, VISIT_BYTES};
use crate::store::Store;
use crate::sync::LinkId;
use crate::time::Now;
use crate::wire::frame::Frame;

impl<S: Store> Engine<S> {
    /// Answers a link that asks for a preview: once per group, and only if the group has at least `PREVIEW_FROM`
    /// entries.
    pub(super) fn send_preview(&mut self, id: LinkId, group: GroupId, now: Now) -> Result<(), S::Error> {
        let Some(no) = self.rooms.number(&group) else { return Ok(()) };
        let Some(room) = self.rooms.get(no).filter(|room| room.session(id).is_some()) else { return Ok(()) };
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        if !link.budget_mut().may_ask(now) {
            return self.blame(id, Misconduct::AskedAgain, now);
        }
        if !link.preview().heed(no) {
            link.budget_mut().asked_again(PREVIEW_ENTRIES as u64 * VISIT_BYTES, now);
        } else if room.entries() >= PREVIEW_FROM && link.preview().may_be_sent(now) {
            return self.send_newest(id, no, group, now);
        }
        Ok(())
    }

    /// Sends the newest entries: as many as fit `PREVIEW_BYTES_SENT`, and at least one.
    fn send_newest(&mut self, id: LinkId, no: GroupNo, group: GroupId, now: Now) -> Result<(), S::Error> {
        let (mut changes, mut bytes, mut unreadable) = (Vec::new(), 0, Vec::new());
        let numbers = self.store.newest(no, PREVIEW_ENTRIES)?;
        self.store.read_together(|| {
            for &entry in numbers.iter().rev() {
                match damage::bytes(&self.store, no, entry)? {
                    Some(change) if !changes.is_empty() && bytes + change.len() > PREVIEW_BYTES_SENT => break,
                    Some(change) => {
                        bytes += change.len();
                        changes.push(change.into());
                    }
                    None => unreadable.push(entry),
                }
            }
            Ok(())
        })?;
        changes.reverse();
        if let Some(link) = self.links.get_mut(id).filter(|_| !changes.is_empty()) {
            link.preview().sent(bytes, now);
            self.effects.send(id, Frame::Preview { group, changes });
        }
        unreadable.into_iter().try_for_each(|entry| self.note_unreadable(no, entry))
    }

    /// Accepts a preview that the link was asked for. One that comes too late is dropped without blame.
    pub(super) fn take_preview(
        &mut self,
        id: LinkId,
        group: GroupId,
        changes: Vec<Verified>,
        now: Now,
    ) -> Result<(), S::Error> {
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        let peer = link.peer();
        let Some(no) = self.rooms.number(&group).filter(|no| link.preview().answer(*no)) else {
            return self.blame(id, Misconduct::Frame, now);
        };
        let Some(room) = self.rooms.wake(no) else { return Ok(()) };
        if !room.takes_preview(id, now) {
            return Ok(());
        }
        let (mut seen, mut news) = (BTreeSet::new(), Vec::new());
        for change in changes {
            if seen.insert(change.hash()) && self.store.find(no, &change.hash())?.is_none() {
                news.push(change);
            }
        }
        if !news.is_empty() {
            room.show_preview(id);
            self.effects.push(Effect::Preview { group: no, peer, changes: news });
        }
        Ok(())
    }
}
