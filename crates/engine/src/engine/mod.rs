//! The peer as a state machine: events in, effects out.
//!
//! [`Engine::handle`] changes state and writes into the store's open transaction; [`Engine::publish`] ends that and
//! shows it to readers; [`Engine::flush`] makes it durable; only then does [`Engine::poll_effect`] hand out what others
//! are told, so nothing is told to anybody before it is on disk. No socket, no thread, no clock, no randomness of its
//! own: time and a seed come in as arguments, so that whole meshes run in one thread, in simulated time.

mod ahead;
mod author;
mod conduct;
mod damage;
mod delivery;
mod digest;
mod entropy;
mod event;
mod intake;
mod known;
mod mesh;
mod once;
mod pulling;
mod ration;
mod room;
mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use conduct::{Fault, Misconduct};
pub use event::{Command, CommandError, Draft, Effect, Event, Incoming, Outcome, StoredOn};
pub use status::{BehindStatus, LinkStatus, RoomStatus, Status};

use crate::change::Genesis;
use crate::group::{EntryNo, GroupNo, Node};
use crate::id::{GroupId, GroupName, MeshId};
use crate::identity::Identity;
use crate::limits::PUBLISHED_MS_MAX;
use crate::store::{GroupRow, Store};
use crate::sync::{LinkId, OrphanSpace};
use crate::time::Now;
use crate::wire::frame::Control;
use conduct::Conducts;
use entropy::Entropy;
use mesh::Mesh;
use room::Room;

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
    mesh_id: MeshId,
    writer_stamp: [u8; 32],
    entropy: Entropy,
    rooms: BTreeMap<GroupNo, Room>,
    by_id: BTreeMap<GroupId, GroupNo>,
    /// Rooms in which something happened since the last commit, or a time is set: the others cost nothing.
    awake: BTreeSet<GroupNo>,
    directory: GroupNo,
    mesh: Mesh,
    conducts: Conducts,
    orphan_space: OrphanSpace,
    /// Waiting for the flush; what is news, for the end of the transaction only.
    prepared: VecDeque<Effect>,
    effects: VecDeque<Effect>,
    /// By when what was published is to be durable.
    flush_due_us: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// Reads what the store holds: time in proportion to the number of groups, not to their histories.
    pub fn new(mut store: S, settings: Settings) -> Result<Self, S::Error> {
        let genesis = Genesis::public(settings.mesh, GroupName::directory());
        let directory = store.add_group(&genesis, true)?;
        store.commit()?;
        let mesh = Mesh::new(settings.identity.peer(), store.peers()?);
        let mut engine = Self {
            store,
            identity: settings.identity,
            mesh_id: settings.mesh,
            writer_stamp: settings.writer_stamp,
            entropy: Entropy::new(settings.seed),
            rooms: BTreeMap::new(),
            by_id: BTreeMap::new(),
            awake: BTreeSet::new(),
            directory,
            mesh,
            conducts: Conducts::default(),
            orphan_space: OrphanSpace::default(),
            prepared: VecDeque::new(),
            effects: VecDeque::new(),
            flush_due_us: None,
        };
        for row in engine.store.groups()? {
            engine.load_room(row)?;
        }
        Ok(engine)
    }

    fn load_room(&mut self, row: GroupRow) -> Result<(), S::Error> {
        let (mut heads, mut damaged) = (BTreeMap::new(), Vec::new());
        for &no in &row.heads {
            // A group without entries has the genesis for its head, which is nobody's row.
            if no != EntryNo::GENESIS {
                match intact_node(&self.store, row.no, no)? {
                    Some(node) => drop(heads.insert(no, node.hash)),
                    None => damaged.push(no),
                }
            }
        }
        if heads.is_empty() {
            heads.insert(EntryNo::GENESIS, row.id.genesis());
        }
        let mut room = Room::new(row, heads);
        room.writer = self.load_writer(room.no)?;
        room.leaving = self.load_leaving(room.no)?;
        room.left_out = damaged.iter().copied().collect();
        let group = room.no;
        self.by_id.insert(room.id, group);
        self.rooms.insert(group, room);
        for no in damaged {
            self.note_damage(group, no)?;
        }
        Ok(())
    }

    /// Takes in one event. After an error the engine is to be dropped: nothing since the last commit counts.
    pub fn handle(&mut self, event: Event, now: Now) -> Result<(), S::Error> {
        match event {
            Event::LinkUp { link, peer, dialled, address, listen } => {
                self.link_up(link, peer, dialled, address, listen, now)
            }
            Event::LinkDown { link } => self.link_down(link, now),
            Event::Misconduct { link, what } => self.blame(link, what, now),
            Event::DialFailed { peer, address, refused } => {
                self.mesh.dial_failed(&peer, &address, refused, now, &mut self.entropy);
                Ok(())
            }
            Event::Control { link, control } => self.control(link, control, now),
            Event::Sync { link, group, incoming } => {
                self.mesh.heard_from(link, now);
                self.receive(link, group, incoming, now)
            }
            Event::Ahead { link, group, changes } => {
                self.mesh.heard_from(link, now);
                self.take_ahead(link, group, changes, now)
            }
            Event::Damaged { group, no } => {
                if intact_node(&self.store, group, no)?.is_none() {
                    self.note_damage(group, no)?;
                }
                Ok(())
            }
            Event::Command { token, command } => {
                let result = self.command(command, now)?;
                self.prepared.push_back(Effect::Reply { token, result });
                Ok(())
            }
            Event::Tick => Ok(()),
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
        if !self.prepared.iter().any(|effect| matches!(effect, Effect::Reply { .. })) {
            let (mut news, promises) =
                std::mem::take(&mut self.prepared).into_iter().partition(Effect::is_news);
            self.effects.append(&mut news);
            self.prepared = promises;
        }
        Ok(())
    }

    /// Makes all that was published durable, if anybody is to be told of it or [`PUBLISHED_MS_MAX`] have passed, and then has
    /// them told. After an error nobody is, and the engine is to be dropped.
    pub fn flush(&mut self, now: Now) -> Result<(), S::Error> {
        let overdue = self.flush_due_us.is_some_and(|due| due <= now.ticks_us);
        if overdue || !self.prepared.is_empty() {
            self.store.commit()?;
            self.flush_due_us = None;
        }
        self.effects.append(&mut self.prepared);
        Ok(())
    }

    /// The next thing to do. What others are told is durable.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The tick, in microseconds, at which the engine wants an [`Event::Tick`], if nothing happens before.
    pub fn next_timeout_us(&self) -> Option<u64> {
        let rooms = self.awake.iter().filter_map(|no| self.rooms.get(no)).map(Room::due_us);
        rooms.chain([self.mesh.next_timeout_us(), self.flush_due_us]).flatten().min()
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
        self.prepared.push_back(Effect::Changed);
        Ok(())
    }

    /// Does a little of the store's work that can wait, between two transactions. Says whether there may be more. After an
    /// error the engine is to be dropped.
    pub fn tidy(&mut self) -> Result<bool, S::Error> {
        self.store.tidy()
    }

    fn control(&mut self, link: LinkId, control: Control, now: Now) -> Result<(), S::Error> {
        self.mesh.heard_from(link, now);
        match control {
            Control::Peers { peers } => self.learn_peers(link, peers, now),
            Control::Subscribe { groups } => self.subscribed(link, groups),
            Control::Unsubscribe { groups } => self.unsubscribed(link, groups),
            Control::Newest { group } => self.send_ahead(link, group, now),
            Control::Ping { nonce, digest } => {
                let ours = self.mesh.may_compare(link, now).then(|| self.digest(link));
                let pong = Control::Pong { nonce, wall_ms: now.wall.millis(), digest: ours };
                self.prepared.push_back(Effect::Send { link, frame: pong.into() });
                match ours {
                    Some(ours) => self.compare(link, digest == Some(ours)),
                    None => Ok(()),
                }
            }
            Control::Pong { nonce, wall_ms, digest } => {
                if !self.mesh.ponged(link, nonce, wall_ms, now) {
                    return Ok(());
                }
                let ours = self.digest(link);
                self.compare(link, digest == Some(ours))
            }
            // The link's driver acts on these.
            Control::Hello { .. } | Control::Close { .. } | Control::Unknown => Ok(()),
        }
    }
}

/// A node, unless its row is damaged: nothing is to be written on top of what nobody else can have.
fn intact_node<S: Store>(store: &S, group: GroupNo, no: EntryNo) -> Result<Option<Node>, S::Error> {
    match store.change(group, no).and_then(|_| store.node(group, no)) {
        Ok(node) => Ok(node),
        Err(error) if S::is_one_row(&error) => {
            tracing::debug!("{error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
