//! What a run records for the checkers: traffic, acknowledgements, and the first failure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use peer_engine::change::Unverified;
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupId};
use peer_engine::sync::LinkId;
use peer_engine::wire::frame::{Control, Frame};
use peer_engine::wire::sync_message::SyncMessage;

use crate::network::describe;

#[derive(Default)]
pub struct Record {
    pub failure: Option<String>,
    /// Prints every event, to examine one failure.
    pub loud: bool,
    pub trace: Trace,
    pub links_made: u64,
    pub dials: u64,
    /// Links closed by a peer, by code.
    pub closed: BTreeMap<u16, u64>,
    /// The last time that a peer sent something other than ping and pong.
    pub last_talk_us: u64,
    pub last_talk: String,
    /// Frames other than ping and pong.
    pub frames: u64,
    pub bytes: u64,
    pub change_bytes: u64,
    /// How often each body went over each link, in each direction.
    pub bodies: HashMap<(LinkId, usize, ChangeHash), u32>,
    /// Entries acknowledged to their authors: peer, group, entry.
    pub acknowledged: Vec<(usize, GroupId, ChangeHash)>,
    /// The bodies that were given to an engine to write, by author.
    pub given: BTreeSet<(usize, String)>,
    /// Peers that show entries sent ahead, each with the group; and how many entries were shown each time.
    pub ahead: BTreeSet<(usize, GroupNo)>,
    pub shown_ahead: Vec<usize>,
    /// Peers that have been slow readers at some time.
    pub slow: BTreeSet<usize>,
    /// Links on which the rogue is silent, and the last frame that it sent in each group.
    pub stalled: BTreeSet<LinkId>,
    pub rogue_said: BTreeMap<GroupId, SyncMessage>,
}

impl Record {
    pub fn say(&self, now_us: u64, what: impl FnOnce() -> String) {
        if self.loud {
            println!("{:>12.3} ms  {}", now_us as f64 / 1000.0, what());
        }
    }

    /// Only the first failure counts; the run ends there.
    pub fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    pub fn note_frame(&mut self, link: LinkId, end: usize, frame: &Frame, bytes: usize, now_us: u64) {
        if !matches!(frame, Frame::Control(Control::Ping { .. } | Control::Pong { .. })) {
            self.frames += 1;
            self.bytes += bytes as u64;
            self.last_talk_us = now_us;
            self.last_talk = describe(frame);
        }
        if let Frame::Sync { message, .. } = frame {
            for change in &message.changes {
                self.change_bytes += change.len() as u64;
                if let Ok(change) = Unverified::decode(change) {
                    *self.bodies.entry((link, end, change.hash())).or_default() += 1;
                }
            }
        }
    }
}

/// A hash of everything that happens, to tell whether two runs are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub u64);

impl Trace {
    pub fn add(&mut self, what: &str) {
        self.add_bytes(what.as_bytes());
    }

    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let mut mix = |part: u64| self.0 = (self.0.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
        mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(word));
        }
    }
}
