//! The engine's state, for showing it to people.

use super::conduct::{Conducts, Fault};
use super::known::KnownPeers;
use super::links::Links;
use super::rooms::Rooms;
use crate::group::{GroupNo, missing_within};
use crate::id::{ChangeHash, PeerId};
use crate::limits::STATUS_VISITS_MAX;
use crate::store::Store;
use crate::sync::{LinkId, Session};
use crate::time::Now;

/// A snapshot of the engine's state.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Every group that this peer holds.
    pub rooms: Vec<RoomStatus>,
    /// Every link that is up.
    pub links: Vec<LinkStatus>,
    /// Known peers without a link: key, addresses, and whether they turned our mesh secret down when last dialled.
    pub absent: Vec<(PeerId, Vec<String>, bool)>,
    /// Peers that broke the protocol since this peer started.
    pub faults: Vec<(PeerId, Fault)>,
    /// Linked peers that announced entries of a group and did not send them when asked.
    pub withheld: Vec<(PeerId, GroupNo)>,
}

/// The state of one group.
#[derive(Debug, Clone)]
pub struct RoomStatus {
    /// Number of the group in the store.
    pub group: GroupNo,
    /// Number of stored entries.
    pub entries: u64,
    /// Hashes of its heads, ascending.
    pub heads: Vec<ChangeHash>,
    /// Orphans: entries that wait in memory for one they depend on.
    pub waiting: u64,
}

/// The state of one link.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// The link's number.
    pub link: LinkId,
    /// Key of the other side.
    pub peer: PeerId,
    /// The address that was dialled, or the one that the connection came from.
    pub address: String,
    /// Whether this side dialled.
    pub dialled: bool,
    /// Round-trip time of the last ping in microseconds; `None` before the first pong.
    pub rtt_us: Option<u64>,
    /// The other side's wall clock minus ours in milliseconds; `None` before the first pong.
    pub skew_ms: Option<i64>,
    /// Groups that are not level on this link.
    pub behind: Vec<BehindStatus>,
}

/// What the two sides of a link lack in one group.
#[derive(Debug, Clone, Copy)]
pub struct BehindStatus {
    /// Number of the group in the store.
    pub group: GroupNo,
    /// Entries that the other side has not shown to have; `None` if counting takes more than `STATUS_VISITS_MAX`
    /// visits.
    pub there: Option<u64>,
    /// Heads of the other side that are not stored here.
    pub here: u64,
}

impl Status {
    pub(super) fn of<S: Store>(
        store: &S,
        rooms: &Rooms,
        links: &Links,
        known: &KnownPeers,
        conducts: &Conducts,
        now: Now,
    ) -> Result<Self, S::Error> {
        let mut status = Self::default();
        for room in rooms.iter() {
            status.rooms.push(RoomStatus {
                group: room.no(),
                entries: room.entries(),
                heads: room.head_hashes(),
                waiting: room.waiting() as u64,
            });
            let withholding = room.withholding(now).filter_map(|link| links.peer(link));
            status.withheld.extend(withholding.map(|peer| (peer, room.no())));
        }
        for (id, link) in links.iter() {
            status.links.push(LinkStatus {
                link: id,
                peer: link.peer(),
                address: link.address().to_owned(),
                dialled: link.dialled(),
                rtt_us: link.pulse().rtt_us(),
                skew_ms: link.pulse().skew_ms(),
                behind: behind(store, rooms, id)?,
            });
        }
        let absent = known.absent();
        status.absent = absent.map(|(key, addresses, refused)| (key, addresses.to_vec(), refused)).collect();
        status.faults = conducts.faults().collect();
        Ok(status)
    }
}

fn behind<S: Store>(store: &S, rooms: &Rooms, link: LinkId) -> Result<Vec<BehindStatus>, S::Error> {
    let mut behind = Vec::new();
    for room in rooms.iter() {
        let Some(theirs) = room.session(link).and_then(Session::theirs) else { continue };
        let missing = missing_within(store, room.no(), &room.heads(), &theirs.known, STATUS_VISITS_MAX)?;
        let there = missing.map(|missing| missing.len() as u64);
        let here = theirs.unknown.len() as u64;
        if there != Some(0) || here > 0 {
            behind.push(BehindStatus { group: room.no(), there, here });
        }
    }
    Ok(behind)
}
