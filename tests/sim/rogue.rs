//! A member that violates the protocol. It runs an engine like the others, so that it is up to date, but it
//! alters, withholds and floods the frames that this engine sends.

use std::sync::Arc;

use peer_engine::change::{Body, Change, Content, Genesis, Header};
use peer_engine::id::{ActorId, ChangeHash, GroupId, PeerId};
use peer_engine::sync::LinkId;
use peer_engine::time::Timestamp;
use peer_engine::wire::frame::{Control, Frame, PeerRecord};
use peer_engine::wire::sync_message::SyncMessage;

use crate::world::World;

/// Number of changes in one flood of orphans.
const FLOOD: usize = 40;
/// Number of requests in one flood of requests.
const REQUESTS: usize = 30;

impl World {
    pub fn is_rogue_link(&self, link: LinkId) -> bool {
        let rogue = |index| self.wires.get(&link).is_some_and(|wire| wire.ends.contains(&index));
        self.rogue.is_some_and(rogue)
    }

    /// The frames that it sends in place of this one.
    pub fn say_something_else(&mut self, link: LinkId, end: usize, frame: &Frame) {
        let choice = self.rng.between(0, 99);
        if self.record.stalled.contains(&link) {
            return;
        }
        let Frame::Sync { group, message } = frame else {
            return self.transmit(link, end, frame.encode());
        };
        let (group, mut message) = (*group, message.clone());
        let heads = |heads: Vec<ChangeHash>| SyncMessage { heads, ..SyncMessage::default() };
        let mut times = 1;
        match choice {
            // Withholds an answer, or sends everything twice.
            0..8 => return,
            8..14 => times = 2,
            // Announces entries that it never sends, and leaves out ones that it should announce.
            14..20 => message.heads.push(self.any_hash()),
            20..26 => message.changes.clear(),
            // Alters what others wrote, replays changes from another group, sends invalid frames.
            26..30 => {
                let mut bytes = frame.encode();
                crate::teeth::alter(&mut bytes);
                return self.transmit(link, end, bytes);
            }
            30..34 => {
                let last = self.record.rogue_said.insert(group, message.clone());
                let other = self.record.rogue_said.iter().find(|(other, _)| **other != group);
                message = other.map(|(_, message)| message.clone()).or(last).unwrap_or_default();
            }
            34..37 => return self.transmit(link, end, vec![1, 2, 3]),
            37..42 => {
                let bodies = 0..FLOOD;
                message.changes =
                    bodies.map(|number| self.write_on(group, self.rogue_hash(number), 0, 0)).collect();
            }
            // Two entries with the same sequence number, one for each half of the mesh; a timestamp from the
            // end of time.
            42..48 => {
                let side = link.0 % 2;
                message.changes = vec![self.write_on(group, group.genesis(), side as i64, 7)];
            }
            48..50 => {
                let end_of_time = Timestamp::clamped(i64::MAX).millis();
                message.changes = vec![self.write_on(group, group.genesis(), end_of_time, 9)];
            }
            // Repeats the same request again and again.
            50..53 => {
                message = SyncMessage { need: message.heads.clone(), ..heads(Vec::new()) };
                times = REQUESTS;
            }
            // Tells of peers that do not exist.
            53..56 => {
                let key = PeerId(self.any_hash().0);
                let peers = vec![PeerRecord { key, addresses: vec!["10.9.9.9:4040".to_owned()] }];
                return self.transmit(link, end, Frame::from(Control::Peers { peers }).encode());
            }
            // Sends entries ahead that were not requested, or in place of those that were.
            58..61 => {
                let changes = vec![self.write_on(group, group.genesis(), 0, 11)];
                return self.transmit(link, end, Frame::Preview { group, changes }.encode());
            }
            // Never sends anything on this link again.
            56..58 => {
                self.record.stalled.insert(link);
                return;
            }
            _ => {}
        }
        message.heads.sort_unstable();
        for _ in 0..times {
            let frame = Frame::Sync { group, message: message.clone() };
            self.transmit(link, end, frame.encode());
        }
    }

    fn any_hash(&mut self) -> ChangeHash {
        let mut hash = [0; 32];
        for part in hash.chunks_exact_mut(8) {
            part.copy_from_slice(&self.rng.next().to_le_bytes());
        }
        ChangeHash(hash)
    }

    /// Every flood is the same, so a peer that is flooded again has seen it.
    fn rogue_hash(&self, number: usize) -> ChangeHash {
        ChangeHash([number as u8; 32])
    }

    /// A change by the rogue that is valid by itself.
    fn write_on(&self, group: GroupId, dep: ChangeHash, at: i64, actor: u8) -> Arc<[u8]> {
        let Some(rogue) = self.rogue.map(|rogue| &self.peers[rogue].identity) else { return Arc::default() };
        let actor = ActorId::new(rogue.peer(), [actor; 8]);
        let header = Header { deps: vec![dep], actor, seq: 1, start_op: Genesis::MAX_OP + 1 };
        let content = Content {
            at: Timestamp::clamped(at),
            kind: None,
            body: Body::Text("believe me".to_owned()),
            re: None,
            from: None,
        };
        Change::sign(group, header, content, rogue).map(|change| change.bytes().clone()).unwrap_or_default()
    }
}
