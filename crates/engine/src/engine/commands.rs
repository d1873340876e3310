//! Commands of this peer's user. Each answer counts once the engine has been flushed.

use super::Engine;
use super::event::{Answer, CommandError, Draft, Effect, Refusal, StoredOn};
use super::once::Once;
use super::status::Status;
use crate::change::Genesis;
use crate::group::{EntryNo, GroupNo, reached};
use crate::id::{ChangeHash, GroupId, GroupName, PeerId};
use crate::kinds;
use crate::limits::GROUPS_MAX;
use crate::store::Store;
use crate::sync::Session;
use crate::time::Now;
use crate::wire::frame::Control;
use std::collections::{BTreeMap, BTreeSet};

impl<S: Store> Engine<S> {
    /// Writes entries, each on top of the one before; all or none. Drafts whose key was used before are answered with
    /// the entries written then. Returns the ids in the order of the drafts. Refused if the user is not a member of
    /// the group, or a draft is beyond a limit.
    pub fn write(
        &mut self,
        group: GroupId,
        drafts: Vec<Draft>,
        now: Now,
    ) -> Answer<Vec<ChangeHash>, S::Error> {
        self.effects.answer();
        let no = self.joined(self.rooms.number(&group))?;
        let mut once = Once::new(&self.store, group, drafts)?;
        let fresh = once.take_fresh();
        let written = if fresh.is_empty() { Vec::new() } else { self.append(no, fresh, now)? };
        Ok(once.written(&mut self.store, written)?)
    }

    /// Joins the public group of this name and returns its id; `announce` adds the name to the directory first.
    /// Refused with [`Refusal::TooManyGroups`] at `GROUPS_MAX`.
    pub fn join(&mut self, name: GroupName, announce: bool, now: Now) -> Answer<GroupId, S::Error> {
        self.effects.answer();
        let genesis = Genesis::public(self.mesh, name.clone());
        let id = genesis.id();
        let held = self.rooms.number(&id);
        if held.and_then(|no| self.rooms.get(no)).is_some_and(|room| room.joined()) {
            return Ok(id);
        }
        if held.is_none() && self.rooms.len() >= GROUPS_MAX {
            return Err(CommandError::refused(Refusal::TooManyGroups));
        }
        if announce {
            self.say(self.directory, kinds::group::GROUP, name.as_str(), now)?;
        }
        let no = self.store.add_group(&genesis, true)?;
        if announce {
            // As far as is known, no other peer has the group: what others bring later counts as late.
            self.store.set_caught_up(no)?;
        }
        match self.rooms.wake(no) {
            Some(room) => room.rejoin(&mut self.store)?,
            None => self.load_rooms(|row| row.no == no)?,
        }
        self.say(no, kinds::join::JOINED, "", now)?;
        for subscribe in Control::subscribe(&[id]) {
            self.tell_all(&subscribe);
        }
        for link in self.links.subscribers(&id) {
            self.open_session(no, link)?;
        }
        Ok(id)
    }

    /// Leaves a group: writes a `leave` entry, and syncs the group until another peer has that entry. Refused for the
    /// directory and for groups that the user is not in.
    pub fn leave(&mut self, group: GroupNo, now: Now) -> Answer<(), S::Error> {
        self.effects.answer();
        if group == self.directory {
            return Err(CommandError::refused(Refusal::NotJoined));
        }
        self.joined(Some(group))?;
        let farewell = self.say(group, kinds::leave::LEFT, "", now)?;
        if let Some(room) = self.rooms.wake(group) {
            room.leave(&mut self.store, farewell)?;
        }
        Ok(())
    }

    /// Sets the user's display name, by an entry in the directory.
    pub fn set_name(&mut self, name: &str, now: Now) -> Answer<(), S::Error> {
        self.effects.answer();
        self.say(self.directory, kinds::name::NAME, name, now).map(drop)
    }

    /// Remembers a peer from a ticket as an acquaintance, and dials it.
    pub fn introduce(&mut self, peer: PeerId, addresses: Vec<String>, now: Now) -> Answer<(), S::Error> {
        self.effects.answer();
        Ok(self.known.take_ticket(&mut self.store, peer, addresses, now)?)
    }

    /// The user has read the group up to this arrival number.
    pub fn mark_read(&mut self, group: GroupNo, arrival: EntryNo) -> Answer<(), S::Error> {
        self.effects.answer();
        Ok(self.store.set_read_mark(group, arrival)?)
    }

    /// A snapshot of the engine's state.
    pub fn status(&mut self, now: Now) -> Answer<Status, S::Error> {
        self.effects.answer();
        Ok(Status::of(&self.store, &self.rooms, &self.links, &self.known, &self.conducts, now)?)
    }

    /// For each entry, how many peers are known to store it. 0 peers for an entry that is not stored here.
    pub fn stored_on(&mut self, group: GroupNo, entries: &[ChangeHash]) -> Answer<Vec<StoredOn>, S::Error> {
        self.effects.answer();
        let holdings = self.holdings(group)?;
        let mut numbers = Vec::with_capacity(entries.len());
        for hash in entries {
            numbers.push(self.store.find(group, hash)?);
        }
        let targets: BTreeSet<EntryNo> = numbers.iter().flatten().copied().collect();
        let here = |no: &Option<EntryNo>| StoredOn { peers: no.is_some().into(), awaited: 0 };
        let mut answers: Vec<StoredOn> = numbers.iter().map(here).collect();
        for Holding { known, linked } in holdings {
            let there = reached(&self.store, group, &known, &targets)?;
            for (no, answer) in numbers.iter().zip(&mut answers) {
                let Some(no) = no else { continue };
                if there.contains(no) {
                    answer.peers += 1;
                } else if linked {
                    answer.awaited += 1;
                }
            }
        }
        Ok(answers)
    }

    /// What each known or linked peer is known to have of a group, from its session or else from what was saved of an
    /// earlier one.
    fn holdings(&self, group: GroupNo) -> Result<Vec<Holding>, S::Error> {
        let Some(room) = self.rooms.get(group) else { return Ok(Vec::new()) };
        let mut holdings = BTreeMap::new();
        for key in self.known.keys() {
            let mut known = Vec::new();
            for hash in self.store.shared_heads(&key, group)? {
                known.extend(self.store.find(group, &hash)?);
            }
            holdings.insert(key, Holding { known, linked: false });
        }
        for (link, session) in room.sessions() {
            let Some(peer) = self.links.peer(link) else { continue };
            let known = Session::theirs(session).map(|theirs| theirs.known.clone()).unwrap_or_default();
            holdings.insert(peer, Holding { known, linked: true });
        }
        Ok(holdings.into_values().collect())
    }

    /// Saves the actors of all groups, so that the next run continues them. Call before the last commit.
    pub fn keep_writers(&mut self) -> Result<(), S::Error> {
        self.rooms.iter().try_for_each(|room| room.keep_writer(&mut self.store, &self.writer_stamp))
    }

    fn joined(&self, group: Option<GroupNo>) -> Answer<GroupNo, S::Error> {
        let joined = |no: &GroupNo| self.rooms.get(*no).is_some_and(|room| room.joined());
        group.filter(joined).ok_or(CommandError::Refused(Refusal::NotJoined))
    }

    /// Writes one entry of a kind.
    fn say(
        &mut self,
        group: GroupNo,
        kind: &str,
        body: &str,
        now: Now,
    ) -> Answer<Option<ChangeHash>, S::Error> {
        let draft = Draft { kind: Some(kind.to_owned()), body: body.to_owned(), ..Draft::default() };
        Ok(self.append(group, vec![draft], now)?.last().copied())
    }

    fn append(&mut self, group: GroupNo, drafts: Vec<Draft>, now: Now) -> Answer<Vec<ChangeHash>, S::Error> {
        let contents = drafts.into_iter().map(|draft| draft.content(now.wall)).collect();
        let Some(room) = self.rooms.wake(group) else { return Ok(Vec::new()) };
        let (store, stamp) = (&mut self.store, &self.writer_stamp);
        let ids = room.write(store, &self.identity, stamp, contents, &mut self.entropy)?;
        self.effects.push(Effect::Stored { group, last: EntryNo(room.entries()) });
        Ok(ids)
    }
}

/// What one peer is known to have.
struct Holding {
    known: Vec<EntryNo>,
    linked: bool,
}
