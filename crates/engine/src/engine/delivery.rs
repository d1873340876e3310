//! The sync sessions of all groups over all links.
//!
//! While events are handled, sessions only update their state; what to send is decided once per commit.

use super::Engine;
use super::conduct::Misconduct;
use super::damage;
use super::event::Effect;
use super::room::Room;
use crate::change::Verified;
use crate::group::{EntryNo, GroupNo};
use crate::id::GroupId;
use crate::store::Store;
use crate::sync::{LinkId, Session};
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::Control;
use crate::wire::sync_message::SyncMessage;

impl<S: Store> Engine<S> {
    /// Starts a session of `group` on a link whose other side wants one.
    pub(super) fn open_session(&mut self, group: GroupNo, id: LinkId) -> Result<(), S::Error> {
        let Some(link) = self.links.get(id) else { return Ok(()) };
        if !self.rooms.get(group).is_some_and(|room| room.active() && room.session(id).is_none()) {
            return Ok(());
        }
        let mut shared = Vec::new();
        for hash in self.store.shared_heads(&link.peer(), group)? {
            shared.extend(self.store.find(group, &hash)?);
        }
        if let Some(room) = self.rooms.wake(group) {
            room.open_session(id, Session::new(shared, link.marks(group)));
        }
        Ok(())
    }

    pub(super) fn close_session(&mut self, group: GroupNo, id: LinkId) -> Result<(), S::Error> {
        if self.rooms.get(group).is_none_or(|room| room.session(id).is_none()) {
            return Ok(());
        }
        self.save_shared(group, id)?;
        let (Some(room), Some(link)) = (self.rooms.wake(group), self.links.get_mut(id)) else {
            return Ok(());
        };
        if let Some(closed) = room.close_session(id, link.budget_mut(), &mut self.orphan_space) {
            link.set_marks(group, closed.marks);
            if closed.preview_over {
                self.effects.push(Effect::PreviewOver { group });
            }
        }
        Ok(())
    }

    /// Saves the common heads, from which the next link to this peer starts. A crash may lose them, which only costs
    /// bytes.
    pub(super) fn save_shared(&mut self, group: GroupNo, link: LinkId) -> Result<(), S::Error> {
        let Some(peer) = self.links.peer(link) else { return Ok(()) };
        let unsaved = |room: &Room| room.session(link).is_some_and(Session::is_unsaved);
        if !self.rooms.get(group).is_some_and(unsaved) {
            return Ok(());
        }
        match self.rooms.wake(group) {
            Some(room) => room.save_shared(&mut self.store, link, &peer),
            None => Ok(()),
        }
    }

    pub(super) fn receive(
        &mut self,
        id: LinkId,
        group: GroupId,
        mut message: SyncMessage<Verified>,
        now: Now,
    ) -> Result<(), S::Error> {
        let Some(no) = self.rooms.number(&group) else { return Ok(()) };
        let Some(budget) = self.links.budget(id) else { return Ok(()) };
        let Some(room) = self.rooms.wake_on(no, id) else { return Ok(()) };
        if message.pulls() {
            if !budget.may_ask(now) {
                return self.blame(id, Misconduct::AskedAgain, now);
            }
            room.answer_now();
        }
        let changes = std::mem::take(&mut message.changes);
        let mut intake = room.take_in(&mut self.store, &mut self.orphan_space, id, changes)?;
        if let Some(last) = intake.stored() {
            self.effects.push(Effect::Stored { group: no, last });
        }
        let mut faults = intake.take_faults();
        if !budget.sent_again(intake.again_bytes(), now) {
            faults.entry(id).or_insert(Misconduct::SentAgain);
        }
        for (link, fault) in faults {
            self.blame(link, fault, now)?;
        }
        while let Some(link) = self.orphan_space.overdrawn() {
            self.hang_up(link, CloseCode::Orphans, now)?;
        }
        let (Some(budget), Some(room)) = (self.links.budget(id), self.rooms.wake(no)) else { return Ok(()) };
        room.hear(&self.store, id, &message, &intake, budget, now)?;
        self.effects.push(Effect::Changed);
        Ok(())
    }

    /// Decides for every group what its sessions send, and sends it.
    pub(super) fn speak(&mut self, now: Now) -> Result<(), S::Error> {
        self.rooms.due(now).into_iter().try_for_each(|no| self.speak_of(no, now))
    }

    fn speak_of(&mut self, no: GroupNo, now: Now) -> Result<(), S::Error> {
        let Some(room) = self.rooms.wake(no) else { return Ok(()) };
        room.push(now);
        let pulled = room.pull(&mut self.store, now)?;
        // Nobody reads the directory, so it needs no preview.
        if no != self.directory {
            room.end_preview(pulled, &mut self.effects);
            let link = room.pulls_from();
            if let Some((id, link)) = link.and_then(|id| Some((id, self.links.get_mut(id)?))) {
                room.ask_for_preview(id, link.preview(), &mut self.effects);
            }
        }
        room.ask_for_repairs();
        room.announce(now, &mut self.entropy);
        let mut unreadable = Vec::new();
        for (id, link) in self.links.iter_mut() {
            let budget = link.budget_mut();
            unreadable.extend(room.speak_on(&self.store, id, budget, &mut self.effects, now)?);
        }
        room.spoke(now);
        let over = pulled.filter(|_| room.pulls_from().is_none());
        let left = room.is_farewell_elsewhere(&self.store)?;
        self.rooms.rest(no);
        over.map_or(Ok(()), |link| self.save_shared(no, link))?;
        unreadable.into_iter().try_for_each(|entry| self.note_unreadable(no, entry))?;
        if left { self.left(no) } else { Ok(()) }
    }

    /// Another peer has the farewell: stops syncing the group.
    fn left(&mut self, group: GroupNo) -> Result<(), S::Error> {
        let Some(room) = self.rooms.wake(group) else { return Ok(()) };
        room.forget_farewell(&mut self.store)?;
        let id = room.id();
        let links: Vec<LinkId> = room.sessions().map(|(link, _)| link).collect();
        for link in links {
            self.close_session(group, link)?;
        }
        for unsubscribe in Control::unsubscribe(&[id]) {
            self.tell_all(&unsubscribe);
        }
        Ok(())
    }

    /// Checks an entry that may be damaged; if it is, requests it from other peers.
    pub(super) fn note_unreadable(&mut self, group: GroupNo, no: EntryNo) -> Result<(), S::Error> {
        let noted = |room: &Room| room.is_noted(no);
        if self.rooms.get(group).is_none_or(noted) || damage::node(&self.store, group, no)?.is_some() {
            return Ok(());
        }
        match self.rooms.wake(group) {
            Some(room) => room.note_unreadable(&self.store, no),
            None => Ok(()),
        }
    }
}
