//! Entries coming in, entries going out: the sync sessions of all groups over all links.
//!
//! While events are handled, sessions only take note; what is to be said is decided once per commit, so that
//! a hundred messages in one commit are acknowledged with one set of heads.

use std::collections::{BTreeMap, BTreeSet};

use super::ahead::drive_ahead;
use super::damage::ask_for_damaged;
use super::entropy::Entropy;
use super::intake::{Intake, take_in};
use super::pulling::{describe, drive_pull};
use super::room::Room;
use super::{Effect, Engine, Incoming, Misconduct, StoredOn};
use crate::group::{EntryNo, GroupNo, reached, reaches};
use crate::id::{ChangeHash, GroupId};
use crate::limits::{ANNOUNCE_AFTER_MS, ANNOUNCE_PEERS_MAX, HEADS_FREE_MAX, PUSH_EVERY_MS, VISIT_BYTES};
use crate::store::Store;
use crate::sync::{LinkId, Pull, Session};
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::Frame;
use crate::wire::sync_message::SyncMessage;

impl<S: Store> Engine<S> {
    /// Starts a session of `group` on every link whose other side wants one.
    pub(super) fn open_sessions(&mut self, group: GroupNo) -> Result<(), S::Error> {
        let Some(id) = self.rooms.get(&group).map(|room| room.id) else { return Ok(()) };
        for link in self.mesh.subscribers(&id) {
            self.open_session(group, link)?;
        }
        Ok(())
    }

    pub(super) fn open_session(&mut self, group: GroupNo, link: LinkId) -> Result<(), S::Error> {
        let Some(peer) = self.mesh.peer_of(link) else { return Ok(()) };
        let Some(room) = self.rooms.get_mut(&group).filter(|room| room.active()) else { return Ok(()) };
        if room.sessions.contains_key(&link) {
            return Ok(());
        }
        let mut shared = Vec::new();
        for hash in self.store.shared_heads(&peer, group)? {
            shared.extend(self.store.find(group, &hash)?);
        }
        let marks = self.mesh.links.get(&link).and_then(|state| state.marks.get(&group).copied());
        room.sessions.insert(link, Session::new(shared, marks.unwrap_or_default()));
        room.due(link).heads = true;
        self.awake.insert(group);
        Ok(())
    }

    pub(super) fn close_session(&mut self, group: GroupNo, link: LinkId) -> Result<(), S::Error> {
        self.save_shared(group, link)?;
        let Some(room) = self.rooms.get_mut(&group) else { return Ok(()) };
        if let Some(session) = room.sessions.get(&link) {
            self.mesh.account(link, session.in_flight_bytes(), 0);
            if let Some(state) = self.mesh.links.get_mut(&link) {
                state.marks.insert(group, session.marks());
            }
            room.drop_session(&mut self.orphan_space, link);
            if room.ahead.forget_link(link) {
                self.prepared.push_back(Effect::AheadOver { group });
            }
            self.awake.insert(group);
        }
        Ok(())
    }

    /// Keeps what the next link to this peer starts from. May be lost: it only saves bytes.
    pub(super) fn save_shared(&mut self, group: GroupNo, link: LinkId) -> Result<(), S::Error> {
        let Some(peer) = self.mesh.peer_of(link) else { return Ok(()) };
        let session = self.rooms.get_mut(&group).and_then(|room| room.sessions.get_mut(&link));
        let Some(heads) = session.and_then(Session::take_unsaved) else { return Ok(()) };
        let mut shared = Vec::with_capacity(heads.len());
        for &no in heads {
            shared.extend(self.store.node(group, no)?.map(|node| node.hash));
        }
        self.store.set_shared_heads(&peer, group, &shared)
    }

    pub(super) fn receive(
        &mut self,
        link: LinkId,
        group: GroupId,
        incoming: Incoming,
        now: Now,
    ) -> Result<(), S::Error> {
        let Some(&no) = self.by_id.get(&group) else { return Ok(()) };
        let Some(room) = self.rooms.get_mut(&no) else { return Ok(()) };
        if !room.sessions.contains_key(&link) {
            return Ok(());
        }
        self.awake.insert(no);
        let pulls = !incoming.need.is_empty() || !incoming.have.is_empty();
        if pulls && !self.mesh.may_ask(link, now) {
            return self.blame(link, Misconduct::AskedAgain, now);
        }
        if pulls {
            // The answer holds what waits to be pushed: queued with it, it is sent once.
            room.push_from_us = 0;
        }
        let brought_bytes = incoming.bytes();
        let reset = incoming.have.iter().any(|have| have.last_sync.is_empty() && have.bloom.is_empty());
        let before = (room.entries, room.orphans.len());
        let pull = room.pull.as_ref().filter(|pull| pull.link() == link);
        let unasked = pull
            .is_some_and(|pull| incoming.changes.iter().any(|change| !pull.has_asked_for(&change.hash())));
        let mut intake = Intake::default();
        for change in incoming.changes {
            take_in(&mut self.store, room, &mut self.orphan_space, link, change, &mut intake)?;
            if intake.faults.contains_key(&link) {
                break;
            }
        }
        let stored = room.entries > before.0;
        if stored {
            self.prepared.push_back(Effect::Stored { group: no, last: EntryNo(room.entries) });
            for session in room.sessions.values_mut() {
                session.refresh(&self.store, no)?;
            }
        }
        if !self.mesh.may_send_again(link, intake.again_bytes, now) {
            intake.faults.entry(link).or_insert(Misconduct::SentAgain);
        }
        for (link, fault) in intake.faults {
            self.blame(link, fault, now)?;
        }
        while let Some(link) = self.orphan_space.overdrawn() {
            self.hang_up(link, CloseCode::Orphans, now)?;
        }
        let Some(room) = self.rooms.get_mut(&no) else { return Ok(()) };
        let ours = room.heads();
        let Some(session) = room.sessions.get_mut(&link) else { return Ok(()) };
        let before_bytes = session.in_flight_bytes();
        session.hear(&self.store, no, &ours, &incoming.heads, &incoming.have, &incoming.need)?;
        self.mesh.account(link, before_bytes, session.in_flight_bytes());
        let looked_up = incoming.heads.len().saturating_sub(HEADS_FREE_MAX) as u64 * VISIT_BYTES;
        self.mesh.charge(link, looked_up + session.take_again_bytes(), now);
        let new = stored || room.orphans.len() > before.1;
        if new {
            room.unbacked.remove(&link);
            room.stalled.remove(&link);
        }
        if let Some(pull) = room.pull.as_mut().filter(|pull| pull.link() == link) {
            if new {
                room.pulled |= stored;
                pull.brought(intake.stored_bytes, unasked, now);
            } else if reset && brought_bytes == 0 {
                pull.was_reset();
            }
        }
        room.touched = true;
        if brought_bytes > 0 {
            let pulled = room.pull.as_ref().is_some_and(|pull| pull.link() == link);
            if let Some(session) = room.sessions.get_mut(&link) {
                session.owe_acknowledgement(brought_bytes, pulled);
            }
        }
        self.prepared.push_back(Effect::Changed);
        Ok(())
    }

    /// Decides what every session is to say, and says it.
    pub(super) fn speak(&mut self, now: Now) -> Result<(), S::Error> {
        let (mut left, mut caught_up, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
        for no in std::mem::take(&mut self.awake) {
            let Some(room) = self.rooms.get_mut(&no) else { continue };
            let touched = std::mem::take(&mut room.touched);
            if !touched && room.due_us().is_some_and(|due| due > now.ticks_us) {
                self.awake.insert(no);
                continue;
            }
            push_fresh(room, now);
            let pulled = room.pull.as_ref().map(Pull::link);
            drive_pull(&mut self.store, room, now)?;
            caught_up.extend(pulled.filter(|_| room.pull.is_none()).map(|link| (no, link)));
            // The directory is not read by anybody.
            if no != self.directory {
                drive_ahead(room, pulled, &mut self.mesh, &mut self.prepared);
            }
            ask_for_damaged(room);
            announce(room, now, &mut self.entropy);
            let heads = room.head_hashes();
            let links: Vec<LinkId> = room.sessions.keys().copied().collect();
            for link in links {
                let on_its_way = |room: &Room| room.sessions.get(&link).map_or(0, Session::in_flight_bytes);
                let before = on_its_way(room);
                let link_room = self.mesh.room_on(link);
                let effects = &mut self.prepared;
                let bad = speak_on(&self.store, room, link, &heads, link_room, effects, now)?;
                damaged.extend(bad.into_iter().map(|bad| (no, bad)));
                self.mesh.account(link, before, on_its_way(room));
                let again = room.sessions.get_mut(&link).map_or(0, Session::take_again_bytes);
                self.mesh.charge(link, again, now);
            }
            if room.fresh.is_empty() {
                room.fresh_bytes.clear();
            }
            // What the link had no room for is tried again with every commit, for acknowledgements make room.
            room.touched = room.sessions.values().any(Session::is_starved);
            if room.touched {
                self.awake.insert(no);
            }
            if room.has_news() {
                room.announce_due_us.get_or_insert(now.in_ms(ANNOUNCE_AFTER_MS));
            }
            if room.due_us().is_some() {
                self.awake.insert(no);
            }
            if let Some(farewell) = room.leaving
                && elsewhere(&self.store, room, &farewell)?
            {
                left.push(no);
            }
        }
        for (group, link) in caught_up {
            self.save_shared(group, link)?;
        }
        for (group, no) in damaged {
            self.note_damage(group, no)?;
        }
        for group in left {
            self.left(group)?;
        }
        Ok(())
    }

    /// For each entry, on how many peers it is known to be stored, this one included.
    pub(super) fn stored_on(
        &self,
        group: GroupNo,
        entries: &[ChangeHash],
    ) -> Result<Vec<StoredOn>, S::Error> {
        let Some(room) = self.rooms.get(&group) else { return Ok(Vec::new()) };
        // What each peer is known to have: by its link, or by what was kept of an earlier one.
        let mut holdings: BTreeMap<_, (Vec<EntryNo>, bool)> = BTreeMap::new();
        for key in self.mesh.known_keys() {
            let mut known = Vec::new();
            for hash in self.store.shared_heads(&key, group)? {
                known.extend(self.store.find(group, &hash)?);
            }
            holdings.insert(key, (known, false));
        }
        for (link, session) in &room.sessions {
            let Some(peer) = self.mesh.peer_of(*link) else { continue };
            let known = session.theirs().map(|theirs| theirs.known.clone()).unwrap_or_default();
            holdings.insert(peer, (known, true));
        }
        let mut numbers = Vec::with_capacity(entries.len());
        for hash in entries {
            numbers.push(self.store.find(group, hash)?);
        }
        let targets: BTreeSet<EntryNo> = numbers.iter().flatten().copied().collect();
        let here = |no: &Option<EntryNo>| StoredOn { peers: no.is_some().into(), awaited: 0 };
        let mut answers: Vec<StoredOn> = numbers.iter().map(here).collect();
        for (known, linked) in holdings.values() {
            let there = reached(&self.store, group, known, &targets)?;
            for (no, answer) in numbers.iter().zip(&mut answers) {
                let Some(no) = no else { continue };
                if there.contains(no) {
                    answer.peers += 1;
                } else if *linked {
                    answer.awaited += 1;
                }
            }
        }
        Ok(answers)
    }
}

/// Entries written here go to every link at once, unless others have just gone.
fn push_fresh(room: &mut Room, now: Now) {
    if now.ticks_us < room.push_from_us {
        return;
    }
    let fresh = std::mem::take(&mut room.fresh);
    if fresh.is_empty() {
        return;
    }
    room.push_from_us = now.in_ms(PUSH_EVERY_MS);
    for session in room.sessions.values_mut() {
        session.push(&fresh);
    }
}

/// When its time has come, tells some of those whose last news of our heads is old. They may lack something; or they
/// do not know that we have all they have, and will push.
fn announce(room: &mut Room, now: Now, entropy: &mut Entropy) {
    if room.announce_due_us.is_none_or(|due| due > now.ticks_us) {
        return;
    }
    room.announce_due_us = None;
    room.announced = room.head_hashes();
    let untold = room.untold();
    let links = if room.has_caught_up() {
        // What had to be asked for did not reach everybody by itself.
        room.pulled = false;
        untold.into_iter().map(|(link, _)| link).collect()
    } else {
        let may_lack = untold.into_iter().filter(|(_, level)| !level).map(|(link, _)| link);
        let live = |link: &LinkId| room.sessions.get(link).is_some_and(Session::is_live);
        let (live, behind): (Vec<LinkId>, Vec<LinkId>) = may_lack.partition(live);
        [entropy.choose(live, ANNOUNCE_PEERS_MAX), behind].concat()
    };
    for link in links {
        room.due.entry(link).or_default().heads = true;
    }
}

/// Sends what one session owes: an answer, a request, changes, or nothing. Gives the entries that could not be
/// sent because they are damaged.
fn speak_on<S: Store>(
    store: &S,
    room: &mut Room,
    link: LinkId,
    heads: &[ChangeHash],
    link_room_bytes: usize,
    effects: &mut std::collections::VecDeque<Effect>,
    now: Now,
) -> Result<Vec<EntryNo>, S::Error> {
    let due = room.due.remove(&link).unwrap_or_default();
    let ours = room.heads();
    let (mut need, mut have) = (Vec::new(), Vec::new());
    let mut silent = due.request.is_none();
    if let Some(request) = due.request {
        have = describe(store, room, link, &ours, request.0)?;
        need = request.1;
    }
    let (no, id) = (room.no, room.id);
    let Some(session) = room.sessions.get_mut(&link) else { return Ok(Vec::new()) };
    session.settle(&ours);
    let mut damaged = Vec::new();
    let mut send = |session: &mut Session, need, have, changes| {
        session.note_announced(heads, now);
        let message = SyncMessage { heads: heads.to_vec(), need, have, changes };
        effects.push_back(Effect::Send { link, frame: Frame::Sync { group: id, message } });
    };
    if !silent {
        send(session, need, have, Vec::new());
    }
    let heads_due = due.heads || session.acknowledge_due_us().is_some_and(|due| due <= now.ticks_us);
    let before = session.in_flight_bytes();
    while session.is_starved() && session.in_flight_bytes() < before + link_room_bytes {
        let change = |entry| {
            let bytes = match room.fresh_bytes.get(&entry) {
                Some(bytes) => Some(bytes.to_vec()),
                None => intact(store, no, entry)?,
            };
            damaged.extend(bytes.is_none().then_some(entry));
            Ok(bytes)
        };
        let changes = store.read_together(|| session.take_batch(change))?;
        if changes.is_empty() {
            break;
        }
        send(session, Vec::new(), Vec::new(), changes);
        silent = false;
    }
    if heads_due && silent {
        send(session, Vec::new(), Vec::new(), Vec::new());
    }
    Ok(damaged)
}

/// A damaged change is nobody's to have from here; whoever lacks it asks another peer.
pub(super) fn intact<S: Store>(store: &S, group: GroupNo, no: EntryNo) -> Result<Option<Vec<u8>>, S::Error> {
    match store.change(group, no) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if S::is_one_row(&error) => {
            tracing::debug!("{error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether another peer has shown that it has this entry.
fn elsewhere<S: Store>(store: &S, room: &Room, entry: &ChangeHash) -> Result<bool, S::Error> {
    let Some(no) = store.find(room.no, entry)? else { return Ok(false) };
    for theirs in room.sessions.values().filter_map(Session::theirs) {
        if reaches(store, room.no, &theirs.known, no)? {
            return Ok(true);
        }
    }
    Ok(false)
}
