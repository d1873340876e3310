//! Known peers: whom to dial and when, whom to forget, and what to make of hearsay.
//!
//! An *acquaintance* came from a ticket, or has been linked with for a while, now or in an earlier run. Anybody who holds
//! the mesh secret can make keys and tell of peers that do not exist; acquaintances keep their places in the dials,
//! the links and the memory of this peer all the same.

use std::collections::BTreeSet;

use super::entropy::Entropy;
use super::mesh::Mesh;
use super::ration::Ration;
use super::{Effect, Engine};
use crate::id::PeerId;
use crate::limits::{
    ADDRESSES_MAX, DIALS_MAX, HEARSAY_DIAL_EVERY_MS, HEARSAY_DIALS_IN_A_ROW_MAX, HEARSAY_DIALS_MAX,
    NEWCOMERS_MAX, PEERS_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN,
};
use crate::store::{KnownPeer, Store};
use crate::sync::LinkId;
use crate::time::Now;
use crate::wire::frame::PeerRecord;

/// The peer with the larger key waits this long, in milliseconds, before it dials somebody it was told of:
/// as a rule the other one dials, and there is no duplicate to drop.
const YIELD_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Known {
    pub link: Option<LinkId>,
    pub addresses: Vec<String>,
    pub last_linked_ms: i64,
    pub acquainted: bool,
    pub dialling: bool,
    next_dial_us: u64,
    /// It broke the rules of a link, and is left alone until this tick.
    avoided_until_us: u64,
    /// Dials that failed, and links that did not last.
    pub attempts: u32,
    /// It turned our mesh secret down when last dialled.
    pub refused: bool,
}

impl Known {
    pub fn remembered(peer: KnownPeer) -> Self {
        let KnownPeer { addresses, last_linked_ms, .. } = peer;
        Self { addresses, last_linked_ms, acquainted: last_linked_ms > 0, ..Self::default() }
    }

    /// Puts off the next dial, every time for longer.
    pub fn wait_to_dial(&mut self, now: Now, entropy: &mut Entropy) {
        let wait = (REDIAL_MS_MIN << self.attempts.min(16)).min(REDIAL_MS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.next_dial_us = now.in_ms(entropy.jitter(wait));
    }

    /// The tick from which on it is to be dialled, if it is.
    fn dial_us(&self) -> Option<u64> {
        let wanted = self.link.is_none() && !self.dialling && !self.addresses.is_empty();
        wanted.then_some(self.next_dial_us.max(self.avoided_until_us))
    }
}

/// Dials to peers that are no acquaintances.
pub(super) fn dials_of_hearsay() -> Ration {
    Ration::new(HEARSAY_DIALS_IN_A_ROW_MAX, 1, HEARSAY_DIAL_EVERY_MS, Now::default())
}

impl Mesh {
    pub fn dial_failed(
        &mut self,
        peer: &PeerId,
        address: &str,
        refused: bool,
        now: Now,
        entropy: &mut Entropy,
    ) {
        let Some(known) = self.known.get_mut(peer) else { return };
        known.dialling = false;
        known.refused = refused;
        // The address that failed goes to the end of the row.
        if known.addresses.first().is_some_and(|first| first == address) {
            known.addresses.rotate_left(1);
        }
        known.wait_to_dial(now, entropy);
    }

    /// A link to this peer came up and cannot stand.
    pub fn put_off(&mut self, peer: &PeerId, now: Now, entropy: &mut Entropy) {
        if let Some(known) = self.known.get_mut(peer) {
            known.wait_to_dial(now, entropy);
        }
    }

    pub fn avoid_until(&mut self, peer: &PeerId, ticks_us: u64) {
        if let Some(known) = self.known.get_mut(peer) {
            known.avoided_until_us = ticks_us;
        }
    }

    /// Whether one more link may stand, to this peer.
    pub fn has_room_for(&self, peer: &PeerId) -> bool {
        let acquainted = |peer| self.known.get(peer).is_some_and(|known| known.acquainted);
        let newcomers = || self.links.values().filter(|link| !acquainted(&link.peer)).count();
        self.links.len() < PEERS_MAX && (acquainted(peer) || newcomers() < NEWCOMERS_MAX)
    }

    /// Dials under way: all, and those to peers that are no acquaintances.
    fn dials(&self) -> (usize, usize) {
        let dialling = || self.known.values().filter(|known| known.dialling);
        (dialling().count(), dialling().filter(|known| !known.acquainted).count())
    }

    /// The tick at which somebody is to be dialled for whom there is a place.
    pub fn next_dial_us(&self) -> Option<u64> {
        let (dials, of_hearsay) = self.dials();
        if dials >= DIALS_MAX {
            return None;
        }
        let first = |acquainted| {
            let known = self.known.values().filter(move |known| known.acquainted == acquainted);
            known.filter_map(Known::dial_us).min()
        };
        let hearsay = first(false).filter(|_| of_hearsay < HEARSAY_DIALS_MAX);
        let hearsay = hearsay.map(|due| due.max(self.hearsay_dials.due_us().unwrap_or(0)));
        [first(true), hearsay].into_iter().flatten().min()
    }
}

impl<S: Store> Engine<S> {
    /// Dials whom it is time to dial, those first who have waited longest.
    pub(super) fn dial_due(&mut self, now: Now) {
        let due = |(key, known): (&PeerId, &Known)| {
            known.dial_us().filter(|due| *due <= now.ticks_us).map(|due| (due, *key))
        };
        let mut due: Vec<(u64, PeerId)> = self.mesh.known.iter().filter_map(due).collect();
        if due.is_empty() {
            return;
        }
        due.sort_unstable();
        let (mut dials, mut of_hearsay) = self.mesh.dials();
        for (_, peer) in due {
            let Mesh { known, hearsay_dials, .. } = &mut self.mesh;
            let Some(known) = known.get_mut(&peer).filter(|_| dials < DIALS_MAX) else { break };
            if !known.acquainted {
                if of_hearsay >= HEARSAY_DIALS_MAX || !hearsay_dials.take(now) {
                    continue;
                }
                of_hearsay += 1;
            }
            if let Some(address) = known.addresses.first() {
                dials += 1;
                known.dialling = true;
                self.prepared.push_back(Effect::Dial { peer, address: address.clone() });
            }
        }
    }

    /// What another peer tells of peers. Of those that are linked here nothing is learnt; the others are dialled,
    /// so there is a ration.
    pub(super) fn learn_peers(
        &mut self,
        link: LinkId,
        peers: Vec<PeerRecord>,
        now: Now,
    ) -> Result<(), S::Error> {
        for record in peers {
            if self.mesh.linked(&record.key).is_some() || record.key == self.mesh.own {
                continue;
            }
            if !self.mesh.links.get_mut(&link).is_some_and(|link| link.gossip.take(now)) {
                break;
            }
            // Both of them hear of each other at about the same time.
            let wait_ms = if self.mesh.own < record.key { 0 } else { YIELD_MS };
            // Hearsay comes last: it must not push out the addresses that are known to work.
            let known = self.mesh.known.get(&record.key);
            let mut addresses = known.map(|known| known.addresses.clone()).unwrap_or_default();
            addresses.extend(record.addresses);
            self.introduce(record.key, addresses, now.in_ms(wait_ms))?;
        }
        Ok(())
    }

    /// Somebody on this machine vouches for this peer.
    pub(super) fn take_ticket(
        &mut self,
        peer: PeerId,
        addresses: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        self.introduce(peer, addresses, now.ticks_us)?;
        if let Some(known) = self.mesh.known.get_mut(&peer) {
            known.acquainted = true;
        }
        Ok(())
    }

    /// Remembers where a peer may be found, and dials it from the tick `dial_us` on.
    fn introduce(&mut self, peer: PeerId, addresses: Vec<String>, dial_us: u64) -> Result<(), S::Error> {
        if peer == self.mesh.own || addresses.is_empty() {
            return Ok(());
        }
        if !self.mesh.known.contains_key(&peer) {
            self.make_room_for_peer()?;
        }
        let known = self.mesh.known.entry(peer).or_default();
        let mut merged = addresses;
        merged.extend(std::mem::take(&mut known.addresses));
        let mut seen = BTreeSet::new();
        merged.retain(|address| seen.insert(address.clone()));
        merged.truncate(ADDRESSES_MAX);
        known.addresses = merged;
        known.attempts = 0;
        known.next_dial_us = dial_us;
        self.remember(peer)
    }

    pub(super) fn make_acquainted(&mut self, peer: PeerId) -> Result<(), S::Error> {
        match self.mesh.known.get_mut(&peer) {
            Some(known) if !known.acquainted => known.acquainted = true,
            _ => return Ok(()),
        }
        self.remember(peer)
    }

    /// Keeps what is known of a peer beyond this run, if it can be dialled. That it was linked with is kept of
    /// acquaintances only: it makes them such in the next run.
    pub(super) fn remember(&mut self, peer: PeerId) -> Result<(), S::Error> {
        let Some(known) = self.mesh.known.get(&peer).filter(|known| !known.addresses.is_empty()) else {
            return Ok(());
        };
        let last_linked_ms = if known.acquainted { known.last_linked_ms } else { 0 };
        self.store.put_peer(&KnownPeer { key: peer, addresses: known.addresses.clone(), last_linked_ms })
    }

    /// Forgets one peer without a link when no room is left: no acquaintance if possible, and of these the one that was
    /// linked longest ago.
    pub(super) fn make_room_for_peer(&mut self) -> Result<(), S::Error> {
        if self.mesh.known.len() < PEERS_MAX {
            return Ok(());
        }
        let unlinked = self.mesh.known.iter().filter(|(_, known)| known.link.is_none());
        let least = unlinked.min_by_key(|(_, known)| (known.acquainted, known.last_linked_ms));
        if let Some(key) = least.map(|(key, _)| *key) {
            self.mesh.known.remove(&key);
            self.store.remove_peer(&key)?;
        }
        Ok(())
    }
}
