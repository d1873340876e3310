//! The peer as a state machine: events and commands in, effects out.
//!
//! [`Engine::handle`] and the commands change state and write into the store's open transaction; [`Engine::publish`] ends that and
//! shows it to readers; [`Engine::flush`] makes it durable; only then does [`Engine::poll_effect`] hand out what others
//! are told, so nothing is told to anybody before it is on disk. No socket, no thread, no clock, no randomness of its
//! own: time and a seed come in as arguments, so that whole meshes run in one thread, in simulated time.

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

/// What an engine is told once.
#[derive(Clone)]
pub struct Settings {
    pub identity: Identity,
    pub mesh: MeshId,
    /// Stands for this very database file since this very boot. A writer goes on with its actor only while
    /// it is unchanged, so that a restored backup never repeats a sequence number.
    pub writer_stamp: [u8; 32],
    /// Random; the source of all randomness of the engine.
    pub seed: [u8; 32],
}

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
    /// By when what was published is to be durable.
    flush_due_us: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// Reads what the store holds: time in proportion to the number of groups, not to their histories.
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

    /// Takes in one event. After an error the engine is to be dropped: nothing since the last commit counts.
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

    /// Decides what is to be said, and ends the transaction. What came in is shown from now on; only what somebody here waits
    /// for an answer to is flushed before. After an error nothing of the transaction is there, no effect of it was or will be
    /// handed out, and the engine is to be dropped.
    pub fn publish(&mut self, now: Now) -> Result<(), S::Error> {
        self.keep_links(now)?;
        self.speak(now)?;
        if self.store.publish()? {
            self.flush_due_us.get_or_insert(now.in_ms(PUBLISHED_MS_MAX));
        }
        self.effects.publish();
        Ok(())
    }

    /// Makes all that was published durable, if anybody is to be told of it or [`PUBLISHED_MS_MAX`] have passed, and then has
    /// them told. After an error nobody is, and the engine is to be dropped.
    pub fn flush(&mut self, now: Now) -> Result<(), S::Error> {
        let overdue = self.flush_due_us.is_some_and(|due| due <= now.ticks_us);
        if overdue || self.effects.wait_for_flush() {
            self.store.commit()?;
            self.flush_due_us = None;
        }
        self.effects.flush();
        Ok(())
    }

    /// The next thing to do. What others are told is durable.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.poll()
    }

    /// The tick, in microseconds, at which the engine wants an [`Event::Tick`], if nothing happens before.
    pub fn next_timeout_us(&self) -> Option<u64> {
        let dues = [self.links.next_timeout_us(), self.known.next_dial_us(), self.flush_due_us];
        dues.into_iter().chain([self.rooms.next_timeout_us()]).flatten().min()
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    /// Ends the engine. What was not committed is in the store's open transaction.
    pub fn into_store(self) -> S {
        self.store
    }

    /// For what is kept beside the log and is none of the engine's business. Part of the open transaction,
    /// and news once that is committed. After an error the engine is to be dropped.
    pub fn write_beside_log(
        &mut self,
        write: impl FnOnce(&mut S) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        write(&mut self.store)?;
        self.effects.push(Effect::Changed);
        Ok(())
    }

    /// Does a little of the store's work that can wait, between two transactions. Says whether there may be more. After an
    /// error the engine is to be dropped.
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
