//! What the engine knows of itself, for people to look at.

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
