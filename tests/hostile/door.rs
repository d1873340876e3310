//! The path of bytes from the network into a peer, without the network: frame, sync message, the gate, the
//! engine and its store.

use std::sync::Arc;

use peer_engine::change::{Genesis, Unverified, Verified};
use peer_engine::engine::{Effect, Engine, Event, Settings};
use peer_engine::group::{GroupNo, Verdict, admit};
use peer_engine::id::{GroupId, MeshId};
use peer_engine::identity::Identity;
use peer_engine::store::{MemoryStore, Store};
use peer_engine::sync::LinkId;
use peer_engine::time::{Now, Timestamp};
use peer_engine::wire::{CloseCode, Control, Frame, FrameError};
use sha2::{Digest, Sha256};

const LINK: LinkId = LinkId(1);

/// The genesis of the golden bytes.
pub fn genesis() -> Genesis {
    Genesis::public(MeshId([0x4d; 16]), "rust".parse().expect("a valid name"))
}

pub fn group() -> GroupId {
    genesis().id()
}

/// The author of the golden bytes.
pub fn identity() -> Identity {
    Identity::from_seed(&[7; 32])
}

/// A change chunk with a valid header around these contents.
pub fn chunk(contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    write_number(&mut bytes, contents.len() as u64);
    bytes.extend_from_slice(contents);
    mend(&mut bytes);
    bytes
}

/// Corrects a chunk's checksum.
pub fn mend(chunk: &mut [u8]) {
    if chunk.len() > 8 {
        let hash = Sha256::digest(&chunk[8..]);
        chunk[4..8].copy_from_slice(&hash[..4]);
    }
}

/// A frame with one change. Chunks are not checked here, so `change` may be any bytes.
pub fn frame_with(change: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&group().0);
    bytes.extend_from_slice(&[0x42, 0, 0, 0, 1]);
    write_number(&mut bytes, change.len() as u64);
    bytes.extend_from_slice(change);
    bytes
}

pub fn write_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The outcome of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The frame was not decoded; the link is closed.
    NoFrame(FrameError),
    /// A change in it does not have the required form; the link is closed.
    NoChange,
    /// A change in it is not signed by its author; the link is closed.
    NotSigned,
    /// The engine closes the link.
    Closed(CloseCode),
    /// This many of its changes are stored now; 0 if it has none, or if they wait for others.
    Taken(u64),
}

/// The first two stages of the gate.
fn verify(group: GroupId, changes: &[Arc<[u8]>]) -> Result<Vec<Verified>, Fate> {
    let verify = |bytes: &Arc<[u8]>| {
        let change = Unverified::decode(bytes).map_err(|_| Fate::NoChange)?;
        change.verify(group).map_err(|_| Fate::NotSigned)
    };
    changes.iter().map(verify).collect()
}

/// A peer in the group, with one link.
pub struct Door {
    engine: Engine<MemoryStore>,
    group: GroupNo,
    held: u64,
}

impl Door {
    /// A peer that holds these changes, in a causal order.
    pub fn new(held: &[Verified]) -> Self {
        let mut store = MemoryStore::new();
        let group = store.add_group(&genesis(), true).expect("memory does not fail");
        for change in held {
            let verdict = admit(&store, group, change.clone()).expect("memory does not fail");
            let Verdict::Admitted(admitted) = verdict else { panic!("{verdict:?}") };
            store.append(group, &admitted).expect("memory does not fail");
        }
        let mesh = genesis().mesh;
        let settings = Settings { identity: identity(), mesh, writer_stamp: [1; 32], seed: [2; 32] };
        let engine = Engine::new(store, settings).expect("memory does not fail");
        let mut door = Self { engine, group, held: held.len() as u64 };
        let peer = Identity::from_seed(&[200; 32]).peer();
        let address = "192.0.2.1:4040".to_owned();
        door.handle(Event::LinkUp { link: LINK, peer, dialled: true, address, listen: Vec::new() });
        let groups = vec![self::group()];
        door.handle(Event::Control { link: LINK, control: Control::Subscribe { groups } });
        door
    }

    /// Does with one WebSocket message what the link's task and the engine do. `NoFrame`, `NoChange` and
    /// `NotSigned` do not reach the engine, so the peer is unchanged after them.
    pub fn hear(&mut self, message: &[u8]) -> Fate {
        let event = match Frame::decode(message) {
            Err(error) => return Fate::NoFrame(error),
            Ok(Frame::Control(control)) => Event::Control { link: LINK, control },
            Ok(Frame::Preview { group, changes }) => match verify(group, &changes) {
                Ok(changes) => Event::Preview { link: LINK, group, changes },
                Err(fate) => return fate,
            },
            Ok(Frame::Sync { group, message }) => {
                let changes = match verify(group, &message.changes) {
                    Ok(changes) => changes,
                    Err(fate) => return fate,
                };
                Event::Sync { link: LINK, group, message: message.with_changes(changes) }
            }
        };
        match self.handle(event) {
            Some(code) => Fate::Closed(code),
            None => {
                let rows = self.engine.store().groups().expect("memory does not fail");
                let entries = rows.iter().find(|row| row.no == self.group).map_or(0, |row| row.entries);
                Fate::Taken(entries - std::mem::replace(&mut self.held, entries))
            }
        }
    }

    fn handle(&mut self, event: Event) -> Option<CloseCode> {
        let now = Now { wall: Timestamp::clamped(1_760_000_000_000), ticks_us: 1_000_000 };
        self.engine.handle(event, now).expect("memory does not fail");
        self.engine.commit(now).expect("memory does not fail");
        let mut closed = None;
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Close { code, .. } = effect {
                closed = Some(code);
            }
        }
        closed
    }
}
