//! Links: which of two to keep, who is told of whom, and whether they live.

use std::collections::{BTreeMap, BTreeSet};

use super::ahead::AheadOnLink;
use super::known::{Known, dials_of_hearsay};
use super::ration::Ration;
use super::{Effect, Engine};
use crate::group::GroupNo;
use crate::id::{GroupId, PeerId};
use crate::limits::{
    ACQUAINTED_AFTER_MS, ADDRESSES_MAX, ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, COMPARE_EVERY_MS,
    GOSSIP_EVERY_MS, GOSSIP_MAX, GROUPS_MAX, HANDSHAKE_MS_MAX, LINK_IN_FLIGHT_BYTES_MAX, PING_EVERY_MS,
    SENT_AGAIN_BYTES_MAX, SENT_AGAIN_BYTES_PER_S, SILENCE_MS_MAX,
};
use crate::store::{KnownPeer, Store};
use crate::sync::{LinkId, Marks};
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::{Control, PeerRecord};

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
    /// How far it has been served in each group.
    pub marks: BTreeMap<GroupNo, Marks>,
    /// What it may still ask for again.
    pub asked_again: Ration,
    /// What it may still send again.
    pub sent_again: Ration,
    /// Peers that it may still tell of.
    pub gossip: Ration,
    pub ahead: AheadOnLink,
    heard_us: u64,
    pinged_us: u64,
    next_ping_us: u64,
    pings: u64,
    /// The last ping that was answered.
    pongs: u64,
    next_compare_us: u64,
    pub rtt_us: Option<u64>,
    /// Their wall clock minus ours, in milliseconds.
    pub skew_ms: Option<i64>,
}

pub(super) struct Mesh {
    pub own: PeerId,
    pub links: BTreeMap<LinkId, Link>,
    pub known: BTreeMap<PeerId, Known>,
    pub hearsay_dials: Ration,
}

impl Mesh {
    pub fn new(own: PeerId, peers: Vec<KnownPeer>) -> Self {
        let known = peers.into_iter().filter(|peer| peer.key != own);
        let known = known.map(|peer| (peer.key, Known::remembered(peer))).collect();
        Self { own, links: BTreeMap::new(), known, hearsay_dials: dials_of_hearsay() }
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

    /// A session of this link has answered again what it had answered.
    pub fn charge(&mut self, link: LinkId, again_bytes: u64, now: Now) {
        if let Some(link) = self.links.get_mut(&link).filter(|_| again_bytes > 0) {
            link.asked_again.spend(again_bytes, now);
        }
    }

    /// Whether this link may ask for anything.
    pub fn may_ask(&mut self, link: LinkId, now: Now) -> bool {
        self.links.get_mut(&link).is_some_and(|link| link.asked_again.is_left(now))
    }

    /// A link has sent what was here. Whether it still may.
    pub fn may_send_again(&mut self, link: LinkId, bytes: u64, now: Now) -> bool {
        self.links.get_mut(&link).is_none_or(|link| {
            link.sent_again.spend(bytes, now);
            link.sent_again.is_left(now)
        })
    }

    pub fn heard_from(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.links.get_mut(&link) {
            link.heard_us = now.ticks_us;
        }
    }

    /// False for a pong that does not answer the last ping, or not for the first time.
    pub fn ponged(&mut self, link: LinkId, nonce: u64, wall_ms: i64, now: Now) -> bool {
        let unanswered = |link: &&mut Link| link.pings == nonce && link.pongs < nonce;
        let Some(link) = self.links.get_mut(&link).filter(unanswered) else { return false };
        link.pongs = nonce;
        let rtt_us = now.ticks_us.saturating_sub(link.pinged_us);
        let half_ms = i64::try_from(rtt_us / 2000).unwrap_or(0);
        link.rtt_us = Some(rtt_us);
        link.skew_ms = Some(wall_ms.saturating_add(half_ms).saturating_sub(now.wall.millis()));
        true
    }

    /// Whether it is time to look at the digest of a ping again: that takes a look at every group of the link.
    pub fn may_compare(&mut self, link: LinkId, now: Now) -> bool {
        let Some(link) = self.links.get_mut(&link).filter(|link| link.next_compare_us <= now.ticks_us) else {
            return false;
        };
        link.next_compare_us = now.in_ms(COMPARE_EVERY_MS);
        true
    }

    pub fn linked(&self, peer: &PeerId) -> Option<LinkId> {
        self.known.get(peer).and_then(|known| known.link)
    }

    fn initiator(&self, peer: PeerId, dialled: bool) -> PeerId {
        if dialled { self.own } else { peer }
    }

    pub fn next_timeout_us(&self) -> Option<u64> {
        let pings = self.links.values().map(|link| link.next_ping_us);
        pings.chain(self.next_dial_us()).min()
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
        if self.turned_away(link, peer, now) {
            self.mesh.put_off(&peer, now, &mut self.entropy);
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
        } else if !self.mesh.has_room_for(&peer) {
            self.prepared.push_back(Effect::Close { link, code: CloseCode::Full });
            self.mesh.put_off(&peer, now, &mut self.entropy);
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
            marks: BTreeMap::new(),
            asked_again: Ration::new(ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, 1000, now),
            sent_again: Ration::new(SENT_AGAIN_BYTES_MAX, SENT_AGAIN_BYTES_PER_S, 1000, now),
            gossip: Ration::new(GOSSIP_MAX, 1, GOSSIP_EVERY_MS, now),
            ahead: AheadOnLink::new(now),
            heard_us: now.ticks_us,
            pinged_us: now.ticks_us,
            next_ping_us: now.ticks_us,
            pings: 0,
            pongs: 0,
            next_compare_us: 0,
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
        self.remember(peer)
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
        let (mut dead, mut pinged, mut lasting) = (Vec::new(), Vec::new(), Vec::new());
        for (&id, link) in &mut self.mesh.links {
            if now.ticks_us.saturating_sub(link.heard_us) > SILENCE_MS_MAX * 1000 {
                dead.push(id);
            } else if now.ticks_us >= link.next_ping_us {
                link.pings += 1;
                link.pinged_us = now.ticks_us;
                link.next_ping_us = now.in_ms(PING_EVERY_MS);
                pinged.push((id, link.pings));
                if now.ticks_us.saturating_sub(link.since_us) >= ACQUAINTED_AFTER_MS * 1000 {
                    lasting.push(link.peer);
                }
            }
        }
        // Not with every message, but often enough for a crash.
        let groups: Vec<GroupNo> =
            if pinged.is_empty() { vec![] } else { self.rooms.keys().copied().collect() };
        for (link, nonce) in pinged {
            let ping = Control::Ping { nonce, digest: Some(self.digest(link)) };
            self.prepared.push_back(Effect::Send { link, frame: ping.into() });
            for &group in &groups {
                self.save_shared(group, link)?;
            }
        }
        for peer in lasting {
            self.make_acquainted(peer)?;
        }
        for link in dead {
            self.hang_up(link, CloseCode::Silent, now)?;
        }
        self.dial_due(now);
        Ok(())
    }
}
