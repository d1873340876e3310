//! Two peers write while they are apart, link up, and end with the same history. There is no socket, no thread and no disk:
//!
//! ```sh
//! cargo run --example converge
//! ```
//!
//! The engine is a state machine, and the program around it is its driver. This is the smallest driver: it turns the frames
//! that one engine sends into events for the other, and says what time it is.

use std::error::Error;
use std::sync::Arc;

use peer_engine::change::{Body, Unverified, Verified};
use peer_engine::engine::{Draft, Effect, Engine, Event, Settings};
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::identity::Identity;
use peer_engine::kinds;
use peer_engine::store::{MemoryStore, Store};
use peer_engine::sync::LinkId;
use peer_engine::time::{Now, Timestamp};
use peer_engine::wire::frame::{Control, Frame};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Peers talk to each other within one mesh. A driver lets a link come up only when both sides have proven that they hold
/// the mesh's secret; here there is nobody else.
const MESH: MeshId = MeshId([7; 16]);

/// The driver numbers its links. These two engines have one, and call it the same.
const LINK: LinkId = LinkId(1);

/// A bound on the loop: two peers that need more rounds than this are broken.
const ROUNDS_MAX: usize = 100;

fn main() -> Result<()> {
    for line in run()? {
        println!("{line}");
    }
    Ok(())
}

/// The history that both peers end with, line by line.
pub fn run() -> Result<Vec<String>> {
    let mut peers = [Peer::new(1)?, Peer::new(2)?];
    let mut now = Now { wall: Timestamp::parse("2026-01-31T12:00:00Z")?, ticks_us: 0 };

    // Apart. A group's id follows from the mesh and the name, so both are in the same group without having met.
    let name: GroupName = "rust".parse()?;
    let group = peers[0].join(&name, now)?;
    assert_eq!(peers[1].join(&name, now)?, group);
    for (number, body) in [(0, "is anybody here?"), (1, "hello from the other peer"), (0, "nobody?")] {
        now = later(now, now.in_ms(1_000));
        peers[number].write(group, body, now)?;
    }
    assert_ne!(peers[0].history(group)?, peers[1].history(group)?);

    // Together. Each side is told of the link, and who is at its other end.
    let keys = [peers[0].key, peers[1].key];
    peers[0].handle(link_up(keys[1], true), now)?;
    peers[1].handle(link_up(keys[0], false), now)?;
    converge(&mut peers, group, now)?;
    peers[0].lines(group)
}

fn link_up(peer: PeerId, dialled: bool) -> Event {
    // Under `address` a peer can be dialled again, and `listen` is where it says that it can be reached.
    Event::LinkUp { link: LINK, peer, dialled, address: "192.0.2.1:7117".to_owned(), listen: Vec::new() }
}

/// Carries frames to and fro until both have the same history and nothing more to say.
fn converge(peers: &mut [Peer; 2], group: GroupId, mut now: Now) -> Result<()> {
    for _ in 0..ROUNDS_MAX {
        let mut is_quiet = true;
        for from in [0, 1] {
            for bytes in peers[from].outgoing()? {
                is_quiet = false;
                let event = received(&bytes)?;
                peers[1 - from].handle(event, now)?;
            }
        }
        if !is_quiet {
            continue;
        }
        if peers[0].history(group)? == peers[1].history(group)? {
            return Ok(());
        }
        // What an engine waits for is a time. A real driver sleeps until then; this one sets the clock.
        let due = peers.iter().filter_map(|peer| peer.engine.next_timeout_us()).min();
        now = later(now, due.ok_or("neither peer has anything left to do")?);
        for peer in peers.iter_mut() {
            peer.handle(Event::Tick, now)?;
        }
    }
    Err("the peers did not converge".into())
}

/// What came over a link, as an event. Bytes from the network are checked here as far as that needs no state: whether they
/// are a frame, and whether each change has an allowed shape and its author's signature. The engine takes nothing that has not
/// been through this: its events hold `Verified` changes, and there is no other way to make one.
fn received(bytes: &[u8]) -> Result<Event> {
    match Frame::decode(bytes)? {
        // A driver exchanges `Hello` before the link is up, and ends the link at `Close`.
        Frame::Control(Control::Hello { .. } | Control::Close { .. }) => {
            Err("not on a link that is up".into())
        }
        Frame::Control(control) => Ok(Event::Control { link: LINK, control }),
        Frame::Sync { group, mut message } => {
            let changes = verified(group, &std::mem::take(&mut message.changes))?;
            Ok(Event::Sync { link: LINK, group, message: message.with_changes(changes) })
        }
        Frame::Preview { group, changes } => {
            Ok(Event::Preview { link: LINK, group, changes: verified(group, &changes)? })
        }
    }
}

fn verified(group: GroupId, changes: &[Arc<[u8]>]) -> Result<Vec<Verified>> {
    let verify = |bytes: &Arc<[u8]>| Ok(Unverified::decode(bytes)?.verify(group)?);
    changes.iter().map(verify).collect()
}

struct Peer {
    key: PeerId,
    engine: Engine<MemoryStore>,
}

impl Peer {
    fn new(number: u8) -> Result<Self> {
        // The engine has no randomness of its own, so that a run can be repeated. A real driver takes all of these
        // from the system's generator, and keeps the identity.
        let identity = Identity::from_seed(&[number; 32]);
        let key = identity.peer();
        let settings = Settings { identity, mesh: MESH, writer_stamp: [number; 32], seed: [number; 32] };
        Ok(Self { key, engine: Engine::new(MemoryStore::new(), settings)? })
    }

    fn join(&mut self, name: &GroupName, now: Now) -> Result<GroupId> {
        // Nobody has told this peer that the group exists, so it announces it in the mesh's directory.
        let group = self.engine.join(name.clone(), true, now)?;
        self.engine.commit(now)?;
        Ok(group)
    }

    fn write(&mut self, group: GroupId, body: &str, now: Now) -> Result<()> {
        let draft = Draft { body: body.to_owned(), ..Draft::default() };
        self.engine.write(group, vec![draft], now)?;
        self.engine.commit(now)?;
        Ok(())
    }

    fn handle(&mut self, event: Event, now: Now) -> Result<()> {
        self.engine.handle(event, now)?;
        // A driver of a real disk handles all events that have queued up before it commits once.
        self.engine.commit(now)?;
        Ok(())
    }

    /// The frames that this peer wants sent. The engine hands them out only after the commit: what others are told is on disk.
    fn outgoing(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send { frame, .. } => frames.push(frame.encode()),
                Effect::Close { code, .. } => return Err(code.reason().into()),
                // There is nobody else to dial, and no screen to draw.
                Effect::Dial { .. } => {}
                Effect::Stored { .. }
                | Effect::Preview { .. }
                | Effect::PreviewOver { .. }
                | Effect::Changed => {}
            }
        }
        Ok(frames)
    }

    fn number(&self, group: GroupId) -> Result<GroupNo> {
        let rows = self.engine.store().groups()?;
        Ok(rows.iter().find(|row| row.id == group).ok_or("not in this group")?.no)
    }

    /// The ids of all entries, in the order of display.
    fn history(&self, group: GroupId) -> Result<Vec<ChangeHash>> {
        Ok(self.engine.store().history(self.number(group)?))
    }

    /// The same, to be read by people.
    fn lines(&self, group: GroupId) -> Result<Vec<String>> {
        let (store, number) = (self.engine.store(), self.number(group)?);
        let mut lines = Vec::new();
        for entry in store.newest(number, usize::MAX)? {
            let change = Unverified::decode(&store.change(number, entry)?)?.verify(group)?;
            let content = change.content();
            let Body::Text(body) = &content.body else { continue };
            // A message has no kind. Other entries say what their author did: "joined".
            let said = kinds::sentence(content.kind.as_deref(), body).unwrap_or_else(|| format!("{body:?}"));
            lines.push(format!("{} {} {said}", content.at, change.author().short()));
        }
        Ok(lines)
    }
}

/// The engine reads no clock. It is told the time of day, which may be wrong, and a tick, which never goes back.
fn later(now: Now, ticks_us: u64) -> Now {
    let ticks_us = ticks_us.max(now.ticks_us);
    let elapsed_ms = i64::try_from((ticks_us - now.ticks_us) / 1_000).unwrap_or(i64::MAX);
    Now { wall: Timestamp::clamped(now.wall.millis().saturating_add(elapsed_ms)), ticks_us }
}
