//! Known peers: which to dial and when, which to forget, and what to believe of what others tell.
//!
//! An *acquaintance* came from a ticket, or has been linked with for a while, now or in an earlier run. Any holder of
//! the mesh secret can make keys and tell of peers that do not exist, so part of the dials, the links and the remembered
//! peers is reserved for acquaintances.

use std::collections::{BTreeMap, BTreeSet};

use super::entropy::Entropy;
use crate::id::PeerId;
use crate::limits::{
    ADDRESSES_MAX, DIALS_MAX, HEARSAY_DIAL_EVERY_MS, HEARSAY_DIALS_IN_A_ROW_MAX, HEARSAY_DIALS_MAX,
    PEERS_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN,
};
use crate::store::{KnownPeer, Store};
use crate::sync::Ration;
use crate::time::Now;

/// Of two peers that are told of each other, the one with the larger key waits this long, in milliseconds, before it
/// dials, so that as a rule only the other one does and no duplicate link arises.
const YIELD_MS: u64 = 1_000;

#[derive(Debug, Default)]
struct Known {
    linked: bool,
    addresses: Vec<String>,
    last_linked_ms: i64,
    acquainted: bool,
    dialling: bool,
    next_dial_us: u64,
    /// The tick until which it is not dialled because it broke the protocol.
    avoided_until_us: u64,
    /// Dials that failed, and links that did not last.
    attempts: u32,
    /// It turned our mesh secret down when last dialled.
    refused: bool,
}

impl Known {
    fn remembered(peer: KnownPeer) -> Self {
        let KnownPeer { addresses, last_linked_ms, .. } = peer;
        Self { addresses, last_linked_ms, acquainted: last_linked_ms > 0, ..Self::default() }
    }

    /// Puts off the next dial, every time for longer.
    fn wait_to_dial(&mut self, now: Now, entropy: &mut Entropy) {
        let wait = (REDIAL_MS_MIN << self.attempts.min(16)).min(REDIAL_MS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.next_dial_us = now.in_ms(entropy.jitter(wait));
    }

    /// The tick from which on to dial it; `None` if it is not to be dialled.
    fn dial_us(&self) -> Option<u64> {
        let wanted = !self.linked && !self.dialling && !self.addresses.is_empty();
        wanted.then_some(self.next_dial_us.max(self.avoided_until_us))
    }
}

/// All known peers, and whether each is linked; the links themselves are in [`super::links`].
#[derive(Debug)]
pub(super) struct KnownPeers {
    own: PeerId,
    peers: BTreeMap<PeerId, Known>,
    /// Dials to peers that are no acquaintances.
    hearsay_dials: Ration,
}

impl KnownPeers {
    pub fn new(own: PeerId, remembered: Vec<KnownPeer>) -> Self {
        let peers = remembered.into_iter().filter(|peer| peer.key != own);
        let peers = peers.map(|peer| (peer.key, Known::remembered(peer))).collect();
        let hearsay_dials = Ration::new(HEARSAY_DIALS_IN_A_ROW_MAX, 1, HEARSAY_DIAL_EVERY_MS, Now::default());
        Self { own, peers, hearsay_dials }
    }

    pub fn keys(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.keys().copied()
    }

    /// Known peers without a link: key, addresses, and whether they turned our mesh secret down.
    pub fn absent(&self) -> impl Iterator<Item = (PeerId, &[String], bool)> + '_ {
        let absent = self.peers.iter().filter(|(_, known)| !known.linked);
        absent.map(|(key, known)| (*key, known.addresses.as_slice(), known.refused))
    }

    pub fn addresses(&self, peer: &PeerId) -> &[String] {
        self.peers.get(peer).map(|known| known.addresses.as_slice()).unwrap_or_default()
    }

    pub fn is_acquainted(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|known| known.acquainted)
    }

    /// A dial has ended in a link.
    pub fn dial_succeeded(&mut self, peer: &PeerId) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.dialling = false;
        }
    }

    pub fn dial_failed(
        &mut self,
        peer: &PeerId,
        address: &str,
        refused: bool,
        now: Now,
        entropy: &mut Entropy,
    ) {
        let Some(known) = self.peers.get_mut(peer) else { return };
        known.dialling = false;
        known.refused = refused;
        // The address that failed is tried last from now on.
        if known.addresses.first().is_some_and(|first| first == address) {
            known.addresses.rotate_left(1);
        }
        known.wait_to_dial(now, entropy);
    }

    /// A link to this peer came up and was refused: delays the next dial.
    pub fn put_off(&mut self, peer: &PeerId, now: Now, entropy: &mut Entropy) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.wait_to_dial(now, entropy);
        }
    }

    pub fn avoid_until(&mut self, peer: &PeerId, ticks_us: u64) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.avoided_until_us = ticks_us;
        }
    }

    /// A link to this peer is up. Returns whether its addresses have changed.
    pub fn linked<S: Store>(
        &mut self,
        store: &mut S,
        peer: PeerId,
        mut addresses: Vec<String>,
        now: Now,
    ) -> Result<bool, S::Error> {
        addresses.truncate(ADDRESSES_MAX);
        let known = self.known(store, peer)?;
        let moved = !addresses.is_empty() && known.addresses != addresses;
        if moved {
            known.addresses = addresses;
        }
        known.linked = true;
        known.refused = false;
        known.last_linked_ms = now.wall.millis();
        self.remember(store, peer)?;
        Ok(moved)
    }

    /// The link to this peer has ended. One that has not `lasted` counts as a failed dial.
    pub fn unlinked(&mut self, peer: PeerId, lasted: bool, now: Now, entropy: &mut Entropy) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.addresses.is_empty() {
            // It cannot be dialled, for example a newcomer that tried its ticket.
            self.peers.remove(&peer);
            return;
        }
        known.linked = false;
        if lasted {
            known.attempts = 0;
        }
        known.wait_to_dial(now, entropy);
    }

    /// Another peer has told of `peer`, which is not linked here.
    pub fn hear_of<S: Store>(
        &mut self,
        store: &mut S,
        peer: PeerId,
        told: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        // Both of them hear of each other at about the same time.
        let wait_ms = if self.own < peer { 0 } else { YIELD_MS };
        // Hearsay comes last: it must not push out the addresses that are known to work.
        let mut addresses = self.addresses(&peer).to_vec();
        addresses.extend(told);
        self.introduce(store, peer, addresses, now.in_ms(wait_ms))
    }

    /// The user vouches for this peer.
    pub fn take_ticket<S: Store>(
        &mut self,
        store: &mut S,
        peer: PeerId,
        addresses: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        self.introduce(store, peer, addresses, now.ticks_us)?;
        if let Some(known) = self.peers.get_mut(&peer) {
            known.acquainted = true;
        }
        Ok(())
    }

    /// A link to this peer has lasted for `ACQUAINTED_AFTER_MS`.
    pub fn acquaint<S: Store>(&mut self, store: &mut S, peer: PeerId) -> Result<(), S::Error> {
        match self.peers.get_mut(&peer) {
            Some(known) if !known.acquainted => known.acquainted = true,
            _ => return Ok(()),
        }
        self.remember(store, peer)
    }

    /// The tick of the next dial, as far as the limits on concurrent dials allow one.
    pub fn next_dial_us(&self) -> Option<u64> {
        let (dials, of_hearsay) = self.dials();
        if dials >= DIALS_MAX {
            return None;
        }
        let first = |acquainted| {
            let known = self.peers.values().filter(move |known| known.acquainted == acquainted);
            known.filter_map(Known::dial_us).min()
        };
        let hearsay = first(false).filter(|_| of_hearsay < HEARSAY_DIALS_MAX);
        let hearsay = hearsay.map(|due| due.max(self.hearsay_dials.due_us().unwrap_or(0)));
        [first(true), hearsay].into_iter().flatten().min()
    }

    /// Starts the dials that are due, those first that have been due for longest.
    pub fn dial(&mut self, now: Now) -> Vec<(PeerId, String)> {
        let due = |(key, known): (&PeerId, &Known)| {
            known.dial_us().filter(|due| *due <= now.ticks_us).map(|due| (due, *key))
        };
        let mut due: Vec<(u64, PeerId)> = self.peers.iter().filter_map(due).collect();
        if due.is_empty() {
            return Vec::new();
        }
        due.sort_unstable();
        let (mut dials, mut of_hearsay) = self.dials();
        let mut dialled = Vec::new();
        for (_, peer) in due {
            let Some(known) = self.peers.get_mut(&peer).filter(|_| dials < DIALS_MAX) else { break };
            if !known.acquainted {
                if of_hearsay >= HEARSAY_DIALS_MAX || !self.hearsay_dials.take(now) {
                    continue;
                }
                of_hearsay += 1;
            }
            if let Some(address) = known.addresses.first() {
                dials += 1;
                known.dialling = true;
                dialled.push((peer, address.clone()));
            }
        }
        dialled
    }

    /// Concurrent dials: all, and those to peers that are no acquaintances.
    fn dials(&self) -> (usize, usize) {
        let dialling = || self.peers.values().filter(|known| known.dialling);
        (dialling().count(), dialling().filter(|known| !known.acquainted).count())
    }

    /// Remembers the addresses of a peer, and dials it from the tick `dial_us` on.
    fn introduce<S: Store>(
        &mut self,
        store: &mut S,
        peer: PeerId,
        addresses: Vec<String>,
        dial_us: u64,
    ) -> Result<(), S::Error> {
        if peer == self.own || addresses.is_empty() {
            return Ok(());
        }
        let known = self.known(store, peer)?;
        let mut merged = addresses;
        merged.extend(std::mem::take(&mut known.addresses));
        let mut seen = BTreeSet::new();
        merged.retain(|address| seen.insert(address.clone()));
        merged.truncate(ADDRESSES_MAX);
        known.addresses = merged;
        known.attempts = 0;
        known.next_dial_us = dial_us;
        self.remember(store, peer)
    }

    /// Stores what is known of a peer, if it can be dialled. The time of its last link is stored for acquaintances
    /// only, because it makes them acquaintances in the next run.
    fn remember<S: Store>(&self, store: &mut S, peer: PeerId) -> Result<(), S::Error> {
        let Some(known) = self.peers.get(&peer).filter(|known| !known.addresses.is_empty()) else {
            return Ok(());
        };
        let last_linked_ms = if known.acquainted { known.last_linked_ms } else { 0 };
        store.put_peer(&KnownPeer { key: peer, addresses: known.addresses.clone(), last_linked_ms })
    }

    /// The record of a peer, created if missing. If there are `PEERS_MAX`, one without a link is forgotten: rather no
    /// acquaintance, and of those the one that was linked longest ago.
    fn known<S: Store>(&mut self, store: &mut S, peer: PeerId) -> Result<&mut Known, S::Error> {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            let unlinked = self.peers.iter().filter(|(_, known)| !known.linked);
            let least = unlinked.min_by_key(|(_, known)| (known.acquainted, known.last_linked_ms));
            if let Some(key) = least.map(|(key, _)| *key) {
                self.peers.remove(&key);
                store.remove_peer(&key)?;
            }
        }
        Ok(self.peers.entry(peer).or_default())
    }
}
