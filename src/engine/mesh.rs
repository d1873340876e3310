//! Links and known peers: whom to dial, which of two links to keep, who is told of whom.

use std::collections::{BTreeMap, BTreeSet};

use super::entropy::Entropy;
use super::{Effect, Engine};
use crate::group::GroupNo;
use crate::id::{GroupId, PeerId};
use crate::limits::{
    ADDRESSES_MAX, GROUPS_MAX, HANDSHAKE_MS_MAX, LINK_IN_FLIGHT_BYTES_MAX, PEERS_MAX, PING_EVERY_MS,
    REDIAL_MS_MAX, REDIAL_MS_MIN, SILENCE_MS_MAX,
};
use crate::store::{KnownPeer, Store};
use crate::sync::LinkId;
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::{Control, PeerRecord};

/// The peer with the larger key waits this long, in milliseconds, before it dials somebody it was told of:
/// as a rule the other one dials, and there is no duplicate to drop.
const YIELD_MS: u64 = 1_000;

/// The longest that a dial takes, to connect and to prove oneself, in microseconds.
const DIAL_US_MAX: u64 = 2 * HANDSHAKE_MS_MAX * 1000;

#[derive(Debug)]
pub(super) struct Link {
    pub peer: PeerId,
    pub dialled: bool,
    pub address: String,
    /// Groups that the other side wants to sync.
    pub subscriptions: BTreeSet<GroupId>,
    /// Peers that the other side was told of on this link, with the addresses that they still have.
    told: BTreeSet<PeerId>,
    since_us: u64,
    /// Changes on their way over this link in all groups, in bytes.
    pub in_flight_bytes: usize,
    heard_us: u64,
    pinged_us: u64,
    next_ping_us: u64,
    pings: u64,
    pub rtt_us: Option<u64>,
    /// Their wall clock minus ours, in milliseconds.
    pub skew_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Known {
    link: Option<LinkId>,
    addresses: Vec<String>,
    last_linked_ms: i64,
    dialling: bool,
    next_dial_us: u64,
    /// Dials that failed, and links that did not last.
    attempts: u32,
    /// It turned our mesh secret down when last dialled.
    refused: bool,
}

pub(super) struct Mesh {
    own: PeerId,
    pub links: BTreeMap<LinkId, Link>,
    known: BTreeMap<PeerId, Known>,
}

impl Known {
    /// Puts off the next dial, every time for longer.
    fn wait_to_dial(&mut self, now: Now, entropy: &mut Entropy) {
        let wait = (REDIAL_MS_MIN << self.attempts.min(16)).min(REDIAL_MS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.next_dial_us = now.in_ms(entropy.jitter(wait));
    }
}

impl Mesh {
    pub fn new(own: PeerId, peers: Vec<KnownPeer>) -> Self {
        let known = peers.into_iter().filter(|peer| peer.key != own).map(|peer| {
            let known =
                Known { addresses: peer.addresses, last_linked_ms: peer.last_linked_ms, ..Known::default() };
            (peer.key, known)
        });
        Self { own, links: BTreeMap::new(), known: known.collect() }
    }

    pub fn peer_of(&self, link: LinkId) -> Option<PeerId> {
        self.links.get(&link).map(|link| link.peer)
    }

    pub fn subscribers(&self, group: &GroupId) -> Vec<LinkId> {
        let wants = |(_, link): &(&LinkId, &Link)| link.subscriptions.contains(group);
        self.links.iter().filter(wants).map(|(id, _)| *id).collect()
    }

    pub fn known_keys(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.known.keys().copied()
    }

    /// Known peers without a link, and whether they turned us down.
    pub fn absent(&self) -> impl Iterator<Item = (PeerId, &[String], bool)> + '_ {
        let absent = self.known.iter().filter(|(_, known)| known.link.is_none());
        absent.map(|(key, known)| (*key, known.addresses.as_slice(), known.refused))
    }

    /// A session of this link had `before` bytes on their way, and has `after` now.
    pub fn account(&mut self, link: LinkId, before: usize, after: usize) {
        if let Some(link) = self.links.get_mut(&link) {
            link.in_flight_bytes = (link.in_flight_bytes + after).saturating_sub(before);
        }
    }

    /// Bytes that may be put on their way over this link.
    pub fn room_on(&self, link: LinkId) -> usize {
        let spent = self.links.get(&link).map_or(0, |link| link.in_flight_bytes);
        LINK_IN_FLIGHT_BYTES_MAX.saturating_sub(spent)
    }

    pub fn heard_from(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.links.get_mut(&link) {
            link.heard_us = now.ticks_us;
        }
    }

    pub fn ponged(&mut self, link: LinkId, nonce: u64, wall_ms: i64, now: Now) {
        let Some(link) = self.links.get_mut(&link).filter(|link| link.pings == nonce) else { return };
        let rtt_us = now.ticks_us.saturating_sub(link.pinged_us);
        let half_ms = i64::try_from(rtt_us / 2000).unwrap_or(0);
        link.rtt_us = Some(rtt_us);
        link.skew_ms = Some(wall_ms.saturating_add(half_ms).saturating_sub(now.wall.millis()));
    }

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

    fn linked(&self, peer: &PeerId) -> Option<LinkId> {
        self.known.get(peer).and_then(|known| known.link)
    }

    fn initiator(&self, peer: PeerId, dialled: bool) -> PeerId {
        if dialled { self.own } else { peer }
    }

    pub fn next_timeout_us(&self) -> Option<u64> {
        let due = |known: &&Known| known.link.is_none() && !known.dialling && !known.addresses.is_empty();
        let dials = self.known.values().filter(due).map(|known| known.next_dial_us);
        let pings = self.links.values().map(|link| link.next_ping_us);
        dials.chain(pings).min()
    }
}

impl<S: Store> Engine<S> {
    pub(super) fn link_up(
        &mut self,
        link: LinkId,
        peer: PeerId,
        dialled: bool,
        address: String,
        listen: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        if let Some(known) = self.mesh.known.get_mut(&peer).filter(|_| dialled) {
            known.dialling = false;
        }
        if peer == self.mesh.own {
            self.prepared.push_back(Effect::Close { link, code: CloseCode::Myself });
            return Ok(());
        }
        if let Some(old) = self.mesh.linked(&peer) {
            // Who dialled each other at the same time choose alike: the link that the smaller key dialled.
            // Otherwise the later, for nobody dials while there is a link: the earlier is lost on one side.
            let initiator = self.mesh.links.get(&old).map(|old| self.mesh.initiator(peer, old.dialled));
            let young =
                self.mesh.links.get(&old).is_some_and(|old| now.ticks_us < old.since_us + DIAL_US_MAX);
            if young && initiator < Some(self.mesh.initiator(peer, dialled)) {
                self.prepared.push_back(Effect::Close { link, code: CloseCode::Duplicate });
                return Ok(());
            }
            self.hang_up(old, CloseCode::Duplicate, now)?;
        } else if self.mesh.links.len() >= PEERS_MAX {
            self.prepared.push_back(Effect::Close { link, code: CloseCode::Full });
            return Ok(());
        }
        let state = Link {
            peer,
            dialled,
            address,
            subscriptions: BTreeSet::new(),
            told: BTreeSet::new(),
            since_us: now.ticks_us,
            in_flight_bytes: 0,
            heard_us: now.ticks_us,
            pinged_us: now.ticks_us,
            next_ping_us: now.ticks_us,
            pings: 0,
            rtt_us: None,
            skew_ms: None,
        };
        // The address that has just worked comes first: a peer may not know under which name it is reached.
        let mut addresses = Vec::from_iter(dialled.then(|| state.address.clone()));
        addresses.extend(listen.into_iter().filter(|address| !dialled || *address != state.address));
        self.mesh.links.insert(link, state);
        self.note_linked(link, peer, addresses, now)?;
        self.introduce_to_all(link, peer);
        let groups: Vec<GroupId> =
            self.rooms.values().filter(|room| room.active()).map(|room| room.id).collect();
        for subscribe in Control::subscribe(&groups) {
            self.prepared.push_back(Effect::Send { link, frame: subscribe.into() });
        }
        self.prepared.push_back(Effect::Changed);
        Ok(())
    }

    fn note_linked(
        &mut self,
        link: LinkId,
        peer: PeerId,
        mut addresses: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        addresses.truncate(ADDRESSES_MAX);
        if !self.mesh.known.contains_key(&peer) {
            self.make_room_for_peer()?;
        }
        let known = self.mesh.known.entry(peer).or_default();
        if !addresses.is_empty() && known.addresses != addresses {
            known.addresses = addresses;
            for link in self.mesh.links.values_mut() {
                link.told.remove(&peer);
            }
        }
        known.link = Some(link);
        known.refused = false;
        known.last_linked_ms = now.wall.millis();
        if known.addresses.is_empty() {
            // It cannot be dialled: nobody to remember beyond this run.
            return Ok(());
        }
        let row =
            KnownPeer { key: peer, addresses: known.addresses.clone(), last_linked_ms: known.last_linked_ms };
        self.store.put_peer(&row)
    }

    /// Tells the newcomer of all linked peers, and all linked peers of the newcomer.
    fn introduce_to_all(&mut self, link: LinkId, peer: PeerId) {
        let others: Vec<(LinkId, PeerId)> = self
            .mesh
            .links
            .iter()
            .filter(|(id, _)| **id != link)
            .map(|(id, other)| (*id, other.peer))
            .collect();
        let keys: Vec<PeerId> = others.iter().map(|(_, key)| *key).collect();
        self.tell_of(link, &keys);
        for (other, _) in others {
            self.tell_of(other, &[peer]);
        }
    }

    fn tell_of(&mut self, to: LinkId, keys: &[PeerId]) {
        let Mesh { links, known, .. } = &mut self.mesh;
        let Some(link) = links.get_mut(&to) else { return };
        let mut records = Vec::new();
        for key in keys {
            let addresses = known.get(key).map(|known| known.addresses.clone()).unwrap_or_default();
            if !addresses.is_empty() && link.told.insert(*key) {
                records.push(PeerRecord { key: *key, addresses });
            }
        }
        for frame in Control::peers(&records) {
            self.prepared.push_back(Effect::Send { link: to, frame: frame.into() });
        }
    }

    pub(super) fn learn_peers(&mut self, peers: Vec<PeerRecord>, now: Now) -> Result<(), S::Error> {
        for record in peers {
            if self.mesh.linked(&record.key).is_none() {
                // Both of them hear of each other at about the same time.
                let wait_ms = if self.mesh.own < record.key { 0 } else { YIELD_MS };
                // Hearsay comes last: it must not push out the addresses that are known to work.
                let known = self.mesh.known.get(&record.key);
                let mut addresses = known.map(|known| known.addresses.clone()).unwrap_or_default();
                addresses.extend(record.addresses);
                self.introduce(record.key, addresses, now.in_ms(wait_ms))?;
            }
        }
        Ok(())
    }

    /// Remembers where a peer may be found, and dials it from the tick `dial_us` on.
    pub(super) fn introduce(
        &mut self,
        peer: PeerId,
        addresses: Vec<String>,
        dial_us: u64,
    ) -> Result<(), S::Error> {
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
        let row =
            KnownPeer { key: peer, addresses: known.addresses.clone(), last_linked_ms: known.last_linked_ms };
        self.store.put_peer(&row)
    }

    /// Forgets the peer without a link that was linked longest ago, when no room is left.
    fn make_room_for_peer(&mut self) -> Result<(), S::Error> {
        if self.mesh.known.len() < PEERS_MAX {
            return Ok(());
        }
        let oldest = self.mesh.known.iter().filter(|(_, known)| known.link.is_none());
        let oldest = oldest.min_by_key(|(_, known)| known.last_linked_ms).map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.mesh.known.remove(&key);
            self.store.remove_peer(&key)?;
        }
        Ok(())
    }

    pub(super) fn link_down(&mut self, link: LinkId, now: Now) -> Result<(), S::Error> {
        let Some(state) = self.mesh.links.get(&link) else { return Ok(()) };
        let (peer, since_us) = (state.peer, state.since_us);
        let groups: Vec<_> = self.rooms.keys().copied().collect();
        for group in groups {
            self.close_session(group, link)?;
        }
        self.mesh.links.remove(&link);
        if self.mesh.known.get(&peer).is_some_and(|known| known.addresses.is_empty()) {
            // It cannot be dialled: a newcomer that tried its ticket, for one.
            self.mesh.known.remove(&peer);
        }
        if let Some(known) = self.mesh.known.get_mut(&peer) {
            known.link = None;
            // A link that ends soon after it began is as good as a dial that failed: something is wrong there.
            if now.ticks_us.saturating_sub(since_us) >= SILENCE_MS_MAX * 1000 {
                known.attempts = 0;
            }
            known.wait_to_dial(now, &mut self.entropy);
        }
        self.prepared.push_back(Effect::Changed);
        Ok(())
    }

    /// Closes a link from this side.
    pub(super) fn hang_up(&mut self, link: LinkId, code: CloseCode, now: Now) -> Result<(), S::Error> {
        self.prepared.push_back(Effect::Close { link, code });
        self.link_down(link, now)
    }

    pub(super) fn subscribed(&mut self, link: LinkId, groups: Vec<GroupId>) -> Result<(), S::Error> {
        for id in groups {
            let Some(state) = self.mesh.links.get_mut(&link) else { return Ok(()) };
            if state.subscriptions.len() >= GROUPS_MAX {
                break;
            }
            state.subscriptions.insert(id);
            if let Some(&group) = self.by_id.get(&id) {
                self.open_session(group, link)?;
            }
        }
        Ok(())
    }

    pub(super) fn unsubscribed(&mut self, link: LinkId, groups: Vec<GroupId>) -> Result<(), S::Error> {
        for id in groups {
            if let Some(state) = self.mesh.links.get_mut(&link) {
                state.subscriptions.remove(&id);
            }
            if let Some(&group) = self.by_id.get(&id) {
                self.close_session(group, link)?;
            }
        }
        Ok(())
    }

    pub(super) fn tell_all(&mut self, control: &Control) {
        for &link in self.mesh.links.keys() {
            self.prepared.push_back(Effect::Send { link, frame: control.clone().into() });
        }
    }

    /// Pings, drops dead links, dials whom it is time to dial.
    pub(super) fn keep_links(&mut self, now: Now) -> Result<(), S::Error> {
        let (mut dead, mut pinged) = (Vec::new(), Vec::new());
        for (&id, link) in &mut self.mesh.links {
            if now.ticks_us.saturating_sub(link.heard_us) > SILENCE_MS_MAX * 1000 {
                dead.push(id);
            } else if now.ticks_us >= link.next_ping_us {
                link.pings += 1;
                link.pinged_us = now.ticks_us;
                link.next_ping_us = now.in_ms(PING_EVERY_MS);
                let ping = Control::Ping { nonce: link.pings };
                self.prepared.push_back(Effect::Send { link: id, frame: ping.into() });
                pinged.push(id);
            }
        }
        // Not with every message, but often enough for a crash.
        let groups: Vec<GroupNo> =
            if pinged.is_empty() { vec![] } else { self.rooms.keys().copied().collect() };
        for link in pinged {
            for &group in &groups {
                self.save_shared(group, link)?;
            }
        }
        for link in dead {
            self.hang_up(link, CloseCode::Silent, now)?;
        }
        for (key, known) in &mut self.mesh.known {
            if known.link.is_some() || known.dialling || now.ticks_us < known.next_dial_us {
                continue;
            }
            if let Some(address) = known.addresses.first() {
                known.dialling = true;
                self.prepared.push_back(Effect::Dial { peer: *key, address: address.clone() });
            }
        }
        Ok(())
    }
}
