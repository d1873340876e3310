//! Links between the peers: ordered streams of frames, with latency, that can break in several ways.

use std::collections::VecDeque;

use peer_engine::change::{Unverified, Verified};
use peer_engine::engine::{Event, Misconduct};
use peer_engine::id::{GroupId, PeerId};
use peer_engine::limits::LINK_QUEUE_BYTES_MAX;
use peer_engine::sync::LinkId;
use peer_engine::wire::close::CloseCode;
use peer_engine::wire::frame::{Control, Frame};
use peer_engine::wire::sync_message::SyncMessage;

use crate::faults::Plant;
use crate::world::{Arrival, Happening, World};

/// One link. End 0 dialled, end 1 accepted.
#[derive(Debug)]
pub struct Wire {
    pub ends: [usize; 2],
    boots: [u32; 2],
    /// Whether the process at this end still holds the link.
    pub up: [bool; 2],
    /// When the last frame sent so far arrives at this end: streams keep their order.
    arrival_us: [u64; 2],
    /// From this time on nothing arrives at this end.
    cutoff_us: [Option<u64>; 2],
    /// Bytes sent to this end and not read there yet.
    pub unread_bytes: [usize; 2],
    /// Frames sent from this end, and the number of the last to arrive at the other.
    sent: [u64; 2],
    arrived: [u64; 2],
    /// What a slow reader at this end has not read yet.
    held: [VecDeque<Arrival>; 2],
    reading: [bool; 2],
}

/// Bytes that the system's buffers at both ends hold of what the sender's driver has written.
const SOCKET_BYTES: usize = 256 * 1024;

impl World {
    pub fn links_between(&self, a: usize, b: usize) -> Vec<LinkId> {
        let between = |wire: &Wire| wire.ends == [a, b] || wire.ends == [b, a];
        let alive = self.wires.iter().filter(|(_, wire)| wire.up != [false; 2] && between(wire));
        alive.map(|(link, _)| *link).collect()
    }

    /// Whether no dial is under way, and both sides of every dead link know that it is dead.
    pub fn links_are_sound(&self) -> bool {
        let sound =
            |wire: &Wire| wire.up == [false; 2] || (wire.up == [true; 2] && wire.cutoff_us == [None; 2]);
        self.dials_open == 0 && self.wires.values().all(sound)
    }

    fn latency(&mut self) -> u64 {
        self.options.latency_us + self.rng.between(0, self.options.jitter_us)
    }

    pub fn block(&mut self, a: usize, b: usize, for_us: u64) {
        let until = self.now_us + for_us;
        let entry = self.blocked.entry((a.min(b), a.max(b))).or_default();
        *entry = until.max(*entry);
    }

    fn is_blocked(&self, a: usize, b: usize) -> bool {
        self.blocked.get(&(a.min(b), a.max(b))).is_some_and(|until| *until > self.now_us)
    }

    pub fn dial(&mut self, from: usize, to: PeerId, address: String) {
        let boot = self.peers[from].boot;
        let target = self.peers.iter().position(|peer| peer.address == address);
        let silent = target.is_some_and(|to| self.is_blocked(from, to) && self.rng.chance(50));
        let after = if silent { 5_000_000 } else { 3 * self.latency() };
        self.record.dials += 1;
        self.record.say(self.now_us, || format!("{from} dials {target:?}"));
        self.dials_open += 1;
        self.at(self.now_us + after, Happening::Connect { from, boot, to, address });
    }

    pub fn connect(&mut self, from: usize, boot: u32, to: PeerId, address: String) {
        self.dials_open -= 1;
        if self.peers[from].boot != boot || self.peers[from].engine.is_none() {
            return;
        }
        let target = self.peers.iter().position(|peer| peer.address == address);
        let reached = target.filter(|&at| {
            let right = self.peers[at].identity.peer() == to && self.peers[at].engine.is_some();
            right && !self.is_blocked(from, at)
        });
        if self.plant == Plant::LoseDial {
            return;
        }
        let Some(at) = reached else {
            return self.tell(from, Event::DialFailed { peer: to, address, refused: false });
        };
        let link = LinkId(self.record.links_made);
        self.record.say(self.now_us, || format!("{from} ↔ {at} ({}): up", link.0));
        self.record.links_made += 1;
        let arrives = self.now_us + self.latency();
        let wire = Wire {
            ends: [from, at],
            boots: [boot, self.peers[at].boot],
            up: [true, true],
            arrival_us: [self.now_us, arrives],
            cutoff_us: [None, None],
            unread_bytes: [0; 2],
            sent: [0; 2],
            arrived: [0; 2],
            held: [VecDeque::new(), VecDeque::new()],
            reading: [false; 2],
        };
        self.wires.insert(link, wire);
        self.at(arrives, Happening::Arrive { link, end: 1, what: Arrival::Up });
        let listen = vec![address.clone()];
        self.tell(from, Event::LinkUp { link, peer: to, dialled: true, address, listen });
    }

    pub fn send(&mut self, from: usize, link: LinkId, frame: &Frame) {
        let Some(wire) = self.wires.get(&link) else { return };
        let Some(end) = wire.ends.iter().position(|&end| end == from) else {
            return self.record.fail(format!("peer {from} sends on {link:?}, which is not its own"));
        };
        if !wire.up[end] {
            return;
        }
        let to = wire.ends[1 - end];
        if self.rogue == Some(from) {
            return self.say_something_else(link, end, frame);
        }
        let mut bytes = frame.encode();
        self.record.note_frame(link, end, frame, bytes.len(), self.now_us);
        self.record.say(self.now_us, || format!("{from} → {to} ({}): {}", link.0, describe(frame)));
        if let Frame::Sync { group, message } = frame {
            self.check_durable(from, *group, message);
            if self.plant == Plant::AlterBody && !message.changes.is_empty() && from == 0 {
                crate::teeth::alter(&mut bytes);
            }
            if self.plant == Plant::LoseFrames && !message.changes.is_empty() && self.rng.chance(30) {
                return;
            }
            if self.plant == Plant::FalseReceipts && !message.changes.is_empty() {
                let message = SyncMessage { heads: message.heads.clone(), ..SyncMessage::default() };
                self.tell(from, Event::Sync { link, group: *group, message });
            }
            if self.plant == Plant::ReorderFrames && !message.changes.is_empty() && self.rng.chance(50) {
                // The next frames overtake this one.
                let (at_us, to) = (self.now_us + 2_000_000, 1 - end);
                let Some(wire) = self.wires.get_mut(&link) else { return };
                wire.sent[end] += 1;
                wire.unread_bytes[to] += bytes.len();
                let what = Arrival::Frame(wire.sent[end], bytes);
                return self.at(at_us, Happening::Arrive { link, end: to, what });
            }
            if self.plant == Plant::DoubleFrames && !message.changes.is_empty() {
                self.record.note_frame(link, end, frame, bytes.len(), self.now_us);
                self.transmit(link, end, bytes.clone());
            }
        }
        if let Frame::Preview { group, changes } = frame {
            let message = SyncMessage { changes: changes.clone(), ..SyncMessage::default() };
            self.check_durable(from, *group, &message);
        }
        self.transmit(link, end, bytes);
    }

    /// As in the driver, the bytes that wait for a reader are bounded.
    pub fn transmit(&mut self, link: LinkId, end: usize, bytes: Vec<u8>) {
        let latency = self.latency();
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let to = 1 - end;
        wire.unread_bytes[to] += bytes.len();
        if wire.unread_bytes[to] > LINK_QUEUE_BYTES_MAX + SOCKET_BYTES {
            let (from, reader) = (wire.ends[end], wire.ends[to]);
            // A peer that repeats a request again and again is sent the answers faster than any link carries
            // them.
            if !self.record.slow.contains(&reader) && self.rogue != Some(reader) {
                self.record.fail(format!("{reader} reads, and is taken for wedged by {from}"));
            }
            return self.tell(from, Event::Misconduct { link, what: Misconduct::Slow });
        }
        let arrives = (self.now_us + latency).max(wire.arrival_us[to] + 1);
        wire.arrival_us[to] = arrives;
        wire.sent[end] += 1;
        let what = Arrival::Frame(wire.sent[end], bytes);
        self.at(arrives, Happening::Arrive { link, end: to, what });
    }

    /// Checks that the engine tells peers only of what is on disk.
    fn check_durable(&mut self, from: usize, group: GroupId, message: &SyncMessage) {
        let disk = self.peers[from].disk.borrow();
        let groups = disk.store.groups().unwrap_or_default();
        let Some(row) = groups.into_iter().find(|row| row.id == group) else { return };
        let sent = message.changes.iter().filter_map(|bytes| Some(Unverified::decode(bytes).ok()?.hash()));
        let told = sent.chain(message.heads.iter().copied().filter(|hash| *hash != group.genesis()));
        for hash in told {
            if !disk.durable.contains(&(row.no, hash)) {
                self.record.fail(format!("peer {from} told of {hash} before it was durable"));
            }
        }
    }

    /// A frame has arrived at this end of the link, and is read at once or in its turn.
    pub fn come(&mut self, link: LinkId, end: usize, what: Arrival) {
        let now_us = self.now_us;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let slow = self.reading.get(&wire.ends[end]).is_some_and(|(until, _)| *until > now_us);
        if !slow && wire.held[end].is_empty() {
            return self.arrive(link, end, what);
        }
        wire.held[end].push_back(what);
        if !std::mem::replace(&mut wire.reading[end], true) {
            self.at(now_us, Happening::Read { link, end });
        }
    }

    /// A reader that was slow reads everything that waits.
    pub fn read_all(&mut self, link: LinkId, end: usize) {
        while let Some(what) = self.wires.get_mut(&link).and_then(|wire| wire.held[end].pop_front()) {
            self.arrive(link, end, what);
        }
    }

    pub fn read_next(&mut self, link: LinkId, end: usize) {
        let now_us = self.now_us;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        wire.reading[end] = false;
        let speed = self.reading.get(&wire.ends[end]).filter(|(until, _)| *until > now_us);
        let next_us = match speed {
            Some((until, 0)) => *until,
            Some((until, bytes_per_s)) => match wire.held[end].front() {
                Some(Arrival::Frame(_, bytes)) => {
                    (now_us + bytes.len() as u64 * 1_000_000 / bytes_per_s).min(*until)
                }
                _ => now_us + 1,
            },
            None => now_us,
        };
        // A reader that has stopped reads nothing now; a slow one is busy with it until then.
        let what = if matches!(speed, Some((_, 0))) { None } else { wire.held[end].pop_front() };
        if !wire.held[end].is_empty() {
            wire.reading[end] = true;
            self.at(next_us, Happening::Read { link, end });
        }
        if let Some(what) = what {
            self.arrive(link, end, what);
        }
    }

    fn arrive(&mut self, link: LinkId, end: usize, what: Arrival) {
        let now_us = self.now_us;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let (at, other) = (wire.ends[end], wire.ends[1 - end]);
        if let Arrival::Frame(number, bytes) = &what {
            wire.unread_bytes[end] -= bytes.len();
            let last = std::mem::replace(&mut wire.arrived[end], *number);
            if last >= *number {
                return self.record.fail(format!("a frame to {at} on link {} arrives out of turn", link.0));
            }
        }
        let lost = wire.cutoff_us[end].is_some_and(|cutoff| now_us > cutoff);
        if !wire.up[end] || wire.boots[end] != self.peers[at].boot {
            return;
        }
        match what {
            Arrival::Down => {
                wire.up[end] = false;
                self.record.say(now_us, || format!("{at} ⇸ {other} ({}): down", link.0));
                self.tell(at, Event::LinkDown { link });
            }
            Arrival::Up if lost => wire.up[end] = false,
            Arrival::Frame(..) if lost => {}
            Arrival::Up => {
                let other = &self.peers[other];
                let event = Event::LinkUp {
                    link,
                    peer: other.identity.peer(),
                    dialled: false,
                    address: format!("{}1", other.address),
                    listen: vec![other.address.clone()],
                };
                self.tell(at, event);
            }
            Arrival::Frame(_, bytes) => self.read_frame(link, at, &bytes),
        }
    }

    fn read_frame(&mut self, link: LinkId, at: usize, bytes: &[u8]) {
        self.record.trace.add_bytes(bytes);
        match Frame::decode(bytes) {
            Ok(Frame::Control(Control::Close { .. })) => {}
            Ok(Frame::Control(control)) => self.tell(at, Event::Control { link, control }),
            Ok(Frame::Sync { group, message }) => match self.verify(group, message) {
                Some(message) => self.tell(at, Event::Sync { link, group, message }),
                None => self.tell(at, Event::Misconduct { link, what: Misconduct::Change }),
            },
            Ok(Frame::Preview { group, changes }) => {
                let message = SyncMessage { changes, ..SyncMessage::default() };
                match self.verify(group, message) {
                    Some(SyncMessage { changes, .. }) => {
                        self.tell(at, Event::Preview { link, group, changes })
                    }
                    None => self.tell(at, Event::Misconduct { link, what: Misconduct::Change }),
                }
            }
            Err(_) if self.is_rogue_link(link) => {
                self.tell(at, Event::Misconduct { link, what: Misconduct::Frame });
            }
            Err(error) => self.record.fail(format!("a frame cannot be read: {error}")),
        }
    }

    /// The first two stages of the gate.
    fn verify(&mut self, group: GroupId, message: SyncMessage) -> Option<SyncMessage<Verified>> {
        let mut changes = Vec::with_capacity(message.changes.len());
        for bytes in &message.changes {
            let unverified = Unverified::decode(bytes).ok()?;
            let key = (group, unverified.hash());
            let verified = match self.verified.get(&key) {
                Some(verified) => verified.clone(),
                None => {
                    let verified = unverified.verify(group).ok()?;
                    self.verified.insert(key, verified.clone());
                    verified
                }
            };
            changes.push(verified);
        }
        Some(message.with_changes(changes))
    }

    /// This side drops the link; the other side learns of it if anything still arrives there.
    pub fn close(&mut self, from: usize, link: LinkId, code: CloseCode) {
        self.record.say(self.now_us, || format!("{from} closes ({}): {code}", link.0));
        *self.record.closed.entry(code.number()).or_default() += 1;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let Some(end) = wire.ends.iter().position(|&end| end == from) else { return };
        if std::mem::replace(&mut wire.up[end], false) {
            self.hang_up_at(link, 1 - end);
        }
    }

    /// Everything under way to this end arrives, then the end of the stream.
    fn hang_up_at(&mut self, link: LinkId, end: usize) {
        let latency = self.latency();
        let Some(wire) = self.wires.get_mut(&link) else { return };
        if wire.cutoff_us[end].is_some() {
            return;
        }
        let arrives = (self.now_us + latency).max(wire.arrival_us[end] + 1);
        wire.arrival_us[end] = arrives;
        self.at(arrives, Happening::Arrive { link, end, what: Arrival::Down });
    }

    /// Both sides learn that the link broke; in each direction, a suffix of what is under way is lost.
    pub fn cut(&mut self, link: LinkId) {
        let reach = 2 * self.options.latency_us + self.options.jitter_us;
        for end in 0..2 {
            let cutoff = self.now_us + self.rng.between(0, reach);
            let learns = cutoff + self.rng.between(1, 1_000_000);
            if let Some(wire) = self.wires.get_mut(&link) {
                wire.cutoff_us[end] = Some(cutoff);
                self.at(learns, Happening::Arrive { link, end, what: Arrival::Down });
            }
        }
    }

    /// Nothing arrives any more, and neither side learns of it.
    pub fn half_open(&mut self, link: LinkId) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.cutoff_us = [Some(self.now_us); 2];
        }
    }

    pub fn one_way(&mut self, link: LinkId) {
        let end = self.rng.index(2);
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.cutoff_us[end] = Some(self.now_us);
        }
    }

    /// A process has died: the other ends learn of it, or not, as when the whole machine fails.
    pub fn lose_process(&mut self, index: usize) {
        let told = self.rng.chance(60);
        let links: Vec<LinkId> = self.wires.keys().copied().collect();
        for link in links {
            let Some(wire) = self.wires.get_mut(&link) else { continue };
            let Some(end) = wire.ends.iter().position(|&end| end == index) else { continue };
            if std::mem::replace(&mut wire.up[end], false) && wire.up[1 - end] {
                if told {
                    self.hang_up_at(link, 1 - end);
                } else {
                    wire.cutoff_us[1 - end] = Some(self.now_us);
                }
            }
        }
    }
}

pub fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Control(Control::Peers { peers }) => format!("{} peers", peers.len()),
        Frame::Control(control) => format!("{control:?}"),
        Frame::Preview { group, changes } => format!("{:.4} preview {}", group.to_string(), changes.len()),
        Frame::Sync { group, message } => {
            let short = |hashes: &[peer_engine::id::ChangeHash]| {
                let short: Vec<String> =
                    hashes.iter().take(4).map(|hash| hash.to_string()[..4].to_owned()).collect();
                format!("{}[{}]", hashes.len(), short.join(" "))
            };
            let changes =
                message.changes.iter().filter_map(|bytes| Some(Unverified::decode(bytes).ok()?.hash()));
            let changes: Vec<_> = changes.collect();
            format!(
                "{:.4} heads {} need {} have {:?} changes {}",
                group.to_string(),
                short(&message.heads),
                short(&message.need),
                message.have.iter().map(|have| have.last_sync.len()).collect::<Vec<_>>(),
                short(&changes)
            )
        }
    }
}
