//! The newest entries of a group, sent ahead of what they stand on to who has next to nothing of it.
//!
//! They are shown apart, and kept nowhere: neither log nor orphans nor pull know of them, and the catch-up brings them
//! again. One link of a group is asked at a time, the one that the catch-up comes from, and each link once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::delivery::intact;
use super::mesh::Mesh;
use super::ration::Ration;
use super::room::Room;
use super::{Effect, Engine, Misconduct};
use crate::change::Verified;
use crate::group::{EntryNo, GroupNo};
use crate::id::GroupId;
use crate::limits::{
    AHEAD_BYTES_MAX, AHEAD_BYTES_PER_S, PREVIEW_BYTES_SENT, PREVIEW_ENTRIES, PREVIEW_FROM, VISIT_BYTES,
};
use crate::store::Store;
use crate::sync::{LinkId, Pull, Session};
use crate::time::Now;
use crate::wire::frame::{Control, Frame};

/// What a room knows of the entries that came ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The link that was asked last, until it answers.
    asked: Option<LinkId>,
    /// The link whose answer is shown.
    shown: Option<LinkId>,
    /// Since then all that another link has was pulled from it.
    rest_came: bool,
}

impl Ahead {
    /// The link takes no part in the group any more. Whether what is shown came from it.
    pub fn forget_link(&mut self, link: LinkId) -> bool {
        self.asked.take_if(|asked| *asked == link);
        self.shown.take_if(|shown| *shown == link).is_some()
    }
}

/// What a link was asked for and has asked for, which outlasts its sessions.
#[derive(Debug)]
pub(super) struct AheadOnLink {
    /// Groups of which it was asked, and whether it has answered.
    asked: BTreeMap<GroupNo, bool>,
    /// Groups of which it has asked.
    heeded: BTreeSet<GroupNo>,
    /// What it may still be sent.
    ration: Ration,
}

impl AheadOnLink {
    pub fn new(now: Now) -> Self {
        let ration = Ration::new(AHEAD_BYTES_MAX, AHEAD_BYTES_PER_S, 1000, now);
        Self { asked: BTreeMap::new(), heeded: BTreeSet::new(), ration }
    }
}

/// Whether the link has something of the group that is not here, while the group has never been level.
fn is_behind(room: &Room, link: LinkId) -> bool {
    room.joined && !room.caught_up && room.sessions.get(&link).is_some_and(Session::wants)
}

/// Whether what the link has sent ahead is shown no more: all that it has is here; or it has let a pull stall, and what
/// another one has is here.
fn is_over(room: &Room, shown: LinkId) -> bool {
    !is_behind(room, shown) || room.ahead.rest_came && room.stalled.contains_key(&shown)
}

/// Ends what is shown when it is over; asks whom the catch-up comes from while little of it has come. `pulled`: the link that
/// the last pull was from.
pub(super) fn drive_ahead(
    room: &mut Room,
    pulled: Option<LinkId>,
    mesh: &mut Mesh,
    effects: &mut VecDeque<Effect>,
) {
    let level = |link: LinkId| room.sessions.get(&link).is_some_and(|session| !session.wants());
    room.ahead.rest_came |= pulled.is_some_and(level);
    if room.ahead.shown.is_some_and(|shown| is_over(room, shown)) {
        room.ahead.shown = None;
        effects.push_back(Effect::AheadOver { group: room.no });
    }
    let Some(link) = room.pull.as_ref().map(Pull::link) else { return };
    if room.ahead.shown == Some(link) || room.entries >= PREVIEW_FROM || !is_behind(room, link) {
        return;
    }
    let Some(state) = mesh.links.get_mut(&link) else { return };
    match state.ahead.asked.entry(room.no) {
        Entry::Occupied(answered) if *answered.get() => return,
        Entry::Occupied(_) => {}
        Entry::Vacant(asked) => {
            asked.insert(false);
            effects.push_back(Effect::Send { link, frame: Control::Newest { group: room.id }.into() });
        }
    }
    room.ahead.asked = Some(link);
}

impl<S: Store> Engine<S> {
    /// Answers a link that asks for the newest entries of a group: once, and if there is so much of it that the other side
    /// will see them late.
    pub(super) fn send_ahead(&mut self, link: LinkId, group: GroupId, now: Now) -> Result<(), S::Error> {
        let Some(&no) = self.by_id.get(&group) else { return Ok(()) };
        let entries = match self.rooms.get(&no) {
            Some(room) if room.sessions.contains_key(&link) => room.entries,
            _ => return Ok(()),
        };
        if !self.mesh.may_ask(link, now) {
            return self.blame(link, Misconduct::AskedAgain, now);
        }
        let Some(state) = self.mesh.links.get_mut(&link) else { return Ok(()) };
        if !state.ahead.heeded.insert(no) {
            self.mesh.charge(link, PREVIEW_ENTRIES as u64 * VISIT_BYTES, now);
            return Ok(());
        }
        if entries < PREVIEW_FROM || !state.ahead.ration.is_left(now) {
            return Ok(());
        }
        let (mut changes, mut bytes, mut damaged) = (Vec::new(), 0, Vec::new());
        let numbers = self.store.newest(no, PREVIEW_ENTRIES)?;
        self.store.read_together(|| {
            for &entry in numbers.iter().rev() {
                match intact(&self.store, no, entry)? {
                    Some(change) if !changes.is_empty() && bytes + change.len() > PREVIEW_BYTES_SENT => break,
                    Some(change) => {
                        bytes += change.len();
                        changes.push(change);
                    }
                    None => damaged.push(entry),
                }
            }
            Ok(())
        })?;
        changes.reverse();
        if !changes.is_empty() {
            state.ahead.ration.spend(bytes as u64, now);
            self.prepared.push_back(Effect::Send { link, frame: Frame::Ahead { group, changes } });
        }
        damaged.into_iter().try_for_each(|entry: EntryNo| self.note_damage(no, entry))
    }

    /// Takes what a link was asked for, to be shown apart. What comes too late is nobody's fault.
    pub(super) fn take_ahead(
        &mut self,
        link: LinkId,
        group: GroupId,
        changes: Vec<Verified>,
        now: Now,
    ) -> Result<(), S::Error> {
        let no = self.by_id.get(&group).copied();
        let Some(state) = self.mesh.links.get_mut(&link) else { return Ok(()) };
        let peer = state.peer;
        let asked = no.and_then(|no| state.ahead.asked.get_mut(&no)).filter(|answered| !**answered);
        let (Some(no), Some(answered)) = (no, asked) else {
            return self.blame(link, Misconduct::Frame, now);
        };
        *answered = true;
        let Some(room) = self.rooms.get_mut(&no) else { return Ok(()) };
        let asked_last = room.ahead.asked.take_if(|asked| *asked == link).is_some();
        // Better one that comes late than none.
        if !(asked_last || room.ahead.shown.is_none()) || !is_behind(room, link) {
            return Ok(());
        }
        if let Some(pull) = room.pull.as_mut().filter(|pull| pull.link() == link) {
            pull.sent_ahead(now);
        }
        let (mut seen, mut news) = (BTreeSet::new(), Vec::new());
        for change in changes {
            if seen.insert(change.hash()) && self.store.find(no, &change.hash())?.is_none() {
                news.push(change);
            }
        }
        if !news.is_empty() {
            (room.ahead.shown, room.ahead.rest_came) = (Some(link), false);
            self.prepared.push_back(Effect::Ahead { group: no, peer, changes: news });
        }
        Ok(())
    }
}
