//! The peer as a state machine: events and commands in, effects out.
//!
//! A driver calls, in this order and again and again:
//!
//! 1. [`Engine::handle`] and the commands ([`Engine::write`], [`Engine::join`], …), which change state and write into the
//!    store's open transaction;
//! 2. [`Engine::publish`], which ends the transaction and shows it to local readers;
//! 3. [`Engine::flush`], which makes it durable ([`Engine::commit`] is both);
//! 4. [`Engine::poll_effect`] until it returns `None`. Nothing is sent to other peers before it is on disk.
//!
//! The engine opens no socket, starts no thread and reads no clock: time and a random seed come in as arguments.

mod commands;
mod conduct;
mod damage;
mod delivery;
mod digest;
mod effects;
mod entropy;
mod event;
mod known;
mod linking;
mod links;
mod once;
mod preview;
mod previewing;
mod pulse;
mod room;
mod rooms;
mod status;

pub use conduct::{Fault, Misconduct};
pub use event::{Answer, CommandError, Draft, Effect, Event, Refusal, StoredOn};
pub use status::{BehindStatus, LinkStatus, RoomStatus, Status};

use crate::change::Genesis;
use crate::group::GroupNo;
use crate::id::{GroupName, MeshId};
use crate::identity::Identity;
use crate::limits::PUBLISHED_MS_MAX;
use crate::store::{GroupRow, Store};
use crate::sync::{LinkId, OrphanSpace};
use crate::time::Now;
use crate::wire::frame::Control;
use conduct::Conducts;
use effects::Effects;
use entropy::Entropy;
use known::KnownPeers;
use links::{Link, Links};
use room::Room;
use rooms::Rooms;

/// What an engine is given once, at start.
#[derive(Clone)]
pub struct Settings {
    /// The key with which this peer signs its entries.
    pub identity: Identity,
    /// The mesh that this peer is part of.
    pub mesh: MeshId,
    /// Identifies this database file and this boot of the machine. A writer continues its actor only under the same
    /// stamp, so that a restored backup never repeats a sequence number.
    pub writer_stamp: [u8; 32],
    /// Random bytes from which the engine derives all of its randomness.
    pub seed: [u8; 32],
}

/// One peer as a state machine over a store. See the module for the order of calls.
pub struct Engine<S: Store> {
    store: S,
    identity: Identity,
    mesh: MeshId,
    writer_stamp: [u8; 32],
    entropy: Entropy,
    rooms: Rooms,
    directory: GroupNo,
    links: Links,
    known: KnownPeers,
    conducts: Conducts,
    orphan_space: OrphanSpace,
    effects: Effects,
    /// The tick by which what was published must be flushed.
    flush_due_us: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// Reads the groups and known peers of the store, and adds the directory if it is missing. Takes time in
    /// proportion to the number of groups, not to their histories.
    pub fn new(mut store: S, settings: Settings) -> Result<Self, S::Error> {
        let genesis = Genesis::public(settings.mesh, GroupName::directory());
        let directory = store.add_group(&genesis, true)?;
        store.commit()?;
        let known = KnownPeers::new(settings.identity.peer(), store.peers()?);
        let mut engine = Self {
            store,
            identity: settings.identity,
            mesh: settings.mesh,
            writer_stamp: settings.writer_stamp,
            entropy: Entropy::new(settings.seed),
            rooms: Rooms::default(),
            directory,
            links: Links::default(),
            known,
            conducts: Conducts::default(),
            orphan_space: OrphanSpace::default(),
            effects: Effects::default(),
            flush_due_us: None,
        };
        engine.load_rooms(|_| true)?;
        Ok(engine)
    }

    fn load_rooms(&mut self, wanted: impl Fn(&GroupRow) -> bool) -> Result<(), S::Error> {
        for row in self.store.groups()?.iter().filter(|row| wanted(row)) {
            let room = Room::load(&self.store, row, &self.writer_stamp, self.identity.peer())?;
            self.rooms.insert(room);
        }
        Ok(())
    }

    /// Processes one event. After an error, drop the engine: nothing since the last commit counts.
    pub fn handle(&mut self, event: Event, now: Now) -> Result<(), S::Error> {
        match event {
            Event::LinkUp { link, peer, dialled, address, listen } => {
                self.link_up(link, Link::new(peer, dialled, address, now), listen, now)
            }
            Event::LinkDown { link } => self.link_down(link, now),
            Event::Misconduct { link, what } => self.blame(link, what, now),
            Event::DialFailed { peer, address, refused } => {
                self.known.dial_failed(&peer, &address, refused, now, &mut self.entropy);
                Ok(())
            }
            Event::Control { link, control } => {
                self.heard_from(link, now);
                self.control(link, control, now)
            }
            Event::Sync { link, group, message } => {
                self.heard_from(link, now);
                self.receive(link, group, message, now)
            }
            Event::Preview { link, group, changes } => {
                self.heard_from(link, now);
                self.take_preview(link, group, changes, now)
            }
            Event::Unreadable { group, no } => self.note_unreadable(group, no),
            Event::Tick => Ok(()),
        }
    }

    fn heard_from(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.links.get_mut(link) {
            link.pulse_mut().heard(now);
        }
    }

    /// [Publishes](Self::publish) and [flushes](Self::flush).
    pub fn commit(&mut self, now: Now) -> Result<(), S::Error> {
        self.publish(now)?;
        self.flush(now)
    }

    /// Decides what to send, ends the transaction and shows it to local readers. After an error nothing of the
    /// transaction is stored, none of its effects is handed out, and the engine must be dropped.
    pub fn publish(&mut self, now: Now) -> Result<(), S::Error> {
        self.keep_links(now)?;
        self.speak(now)?;
        if self.store.publish()? {
            self.flush_due_us.get_or_insert(now.in_ms(PUBLISHED_MS_MAX));
        }
        self.effects.publish();
        Ok(())
    }

    /// Makes everything published durable if a message or an answer waits for it or [`PUBLISHED_MS_MAX`] have passed,
    /// and then releases the waiting effects. After an error none is released, and the engine must be dropped.
    pub fn flush(&mut self, now: Now) -> Result<(), S::Error> {
        let overdue = self.flush_due_us.is_some_and(|due| due <= now.ticks_us);
        if overdue || self.effects.wait_for_flush() {
            self.store.commit()?;
            self.flush_due_us = None;
        }
        self.effects.flush();
        Ok(())
    }

    /// The next effect to carry out, in order. Everything that it tells others is durable.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.poll()
    }

    /// The tick, in microseconds, at which the engine needs an [`Event::Tick`] unless another event comes before;
    /// `None` if at none.
    pub fn next_timeout_us(&self) -> Option<u64> {
        let dues = [self.links.next_timeout_us(), self.known.next_dial_us(), self.flush_due_us];
        dues.into_iter().chain([self.rooms.next_timeout_us()]).flatten().min()
    }

    /// The store, for reading.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Ends the engine and returns its store, with all that was not committed in the open transaction.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Runs `write` in the open transaction, for values that the driver keeps in the same store. Emits
    /// [`Effect::Changed`] with it. After an error, drop the engine.
    pub fn write_beside_log(
        &mut self,
        write: impl FnOnce(&mut S) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        write(&mut self.store)?;
        self.effects.push(Effect::Changed);
        Ok(())
    }

    /// Calls [`Store::tidy`] between two transactions. Returns whether there may be more to do. After an error, drop
    /// the engine.
    pub fn tidy(&mut self) -> Result<bool, S::Error> {
        self.store.tidy()
    }

    fn control(&mut self, link: LinkId, control: Control, now: Now) -> Result<(), S::Error> {
        match control {
            Control::Peers { peers } => self.learn_peers(link, peers, now),
            Control::Subscribe { groups } => self.subscribed(link, groups),
            Control::Unsubscribe { groups } => self.unsubscribed(link, groups),
            Control::Preview { group } => self.send_preview(link, group, now),
            Control::Ping { nonce, digest } => self.pinged(link, nonce, digest, now),
            Control::Pong { nonce, wall_ms, digest } => self.ponged(link, nonce, wall_ms, digest, now),
            // The link's driver acts on these.
            Control::Hello { .. } | Control::Close { .. } | Control::Unknown => Ok(()),
        }
    }
}
