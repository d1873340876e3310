//! What the engine knows of itself, for people to look at.

use super::{Engine, Fault};
use crate::group::{EntryNo, GroupNo, missing_within};
use crate::id::{ChangeHash, PeerId};
use crate::limits::{PULL_STALL_MS, STATUS_VISITS_MAX};
use crate::store::Store;
use crate::sync::LinkId;
use crate::time::Now;

/// A snapshot of the engine's state.
#[derive(Debug, Clone, Default)]
pub struct Status {
    pub rooms: Vec<RoomStatus>,
    pub links: Vec<LinkStatus>,
    /// Known peers without a link: key, addresses, and whether they turned our mesh secret down.
    pub absent: Vec<(PeerId, Vec<String>, bool)>,
    /// Peers that broke the rules of a link since this one started.
    pub faults: Vec<(PeerId, Fault)>,
    /// Linked peers that announced entries of a group and have not sent them when asked.
    pub withheld: Vec<(PeerId, GroupNo)>,
}

#[derive(Debug, Clone)]
pub struct RoomStatus {
    pub group: GroupNo,
    pub entries: u64,
    pub heads: Vec<ChangeHash>,
    /// Entries that wait here for something they depend on.
    pub waiting: u64,
}

#[derive(Debug, Clone)]
pub struct LinkStatus {
    pub link: LinkId,
    pub peer: PeerId,
    pub address: String,
    pub dialled: bool,
    pub rtt_us: Option<u64>,
    /// Their wall clock minus ours, in milliseconds.
    pub skew_ms: Option<i64>,
    /// Groups that are not level on this link.
    pub behind: Vec<BehindStatus>,
}

/// What one link lacks in one group.
#[derive(Debug, Clone, Copy)]
pub struct BehindStatus {
    pub group: GroupNo,
    /// Entries that are here and have not been shown to be there; `None` when they are too many to count.
    pub there: Option<u64>,
    /// Heads of theirs that are not here.
    pub here: u64,
}

impl<S: Store> Engine<S> {
    pub(super) fn status(&self, now: Now) -> Result<Status, S::Error> {
        let rooms = self.rooms.values().map(|room| RoomStatus {
            group: room.no,
            entries: room.entries,
            heads: room.head_hashes(),
            waiting: room.orphans.len() as u64,
        });
        let mut status = Status { rooms: rooms.collect(), ..Status::default() };
        for (&link, state) in &self.mesh.links {
            status.links.push(LinkStatus {
                link,
                peer: state.peer,
                address: state.address.clone(),
                dialled: state.dialled,
                rtt_us: state.rtt_us,
                skew_ms: state.skew_ms,
                behind: self.behind(link)?,
            });
        }
        let absent = self.mesh.absent();
        status.absent = absent.map(|(key, addresses, refused)| (key, addresses.to_vec(), refused)).collect();
        status.faults = self.conducts.faults().collect();
        for room in self.rooms.values() {
            let long = |since: &u64| now.ticks_us.saturating_sub(*since) >= PULL_STALL_MS * 1000;
            let links = room.stalled.iter().filter(|(_, since)| long(since));
            let peers = links.filter_map(|(link, _)| self.mesh.peer_of(*link));
            status.withheld.extend(peers.map(|peer| (peer, room.no)));
        }
        Ok(status)
    }

    fn behind(&self, link: LinkId) -> Result<Vec<BehindStatus>, S::Error> {
        let mut behind = Vec::new();
        for room in self.rooms.values() {
            let Some(theirs) = room.sessions.get(&link).and_then(|session| session.theirs()) else {
                continue;
            };
            let ours: Vec<EntryNo> = room.heads();
            let missing = missing_within(&self.store, room.no, &ours, &theirs.known, STATUS_VISITS_MAX)?;
            let there = missing.map(|missing| missing.len() as u64);
            let here = theirs.unknown.len() as u64;
            if there != Some(0) || here > 0 {
                behind.push(BehindStatus { group: room.no, there, here });
            }
        }
        Ok(behind)
    }
}
