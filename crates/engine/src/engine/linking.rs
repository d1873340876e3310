//! Links: which of two to keep, which peers to tell of which, and which links are dead.

use super::Engine;
use super::conduct::Misconduct;
use super::event::Effect;
use super::links::Link;
use crate::group::GroupNo;
use crate::id::{GroupId, PeerId};
use crate::limits::NEWCOMERS_MAX;
use crate::store::Store;
use crate::sync::LinkId;
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::{Control, PeerRecord};

impl<S: Store> Engine<S> {
    pub(super) fn link_up(
        &mut self,
        id: LinkId,
        link: Link,
        listen: Vec<String>,
        now: Now,
    ) -> Result<(), S::Error> {
        let peer = link.peer();
        if link.dialled() {
            self.known.dial_succeeded(&peer);
        }
        if let Some(code) = self.objection(&link, now) {
            self.effects.close(id, code);
            if matches!(code, CloseCode::Later | CloseCode::Full) {
                self.known.put_off(&peer, now, &mut self.entropy);
            }
            return Ok(());
        }
        if let Some(old) = self.links.to(&peer) {
            self.hang_up(old, CloseCode::Duplicate, now)?;
        }
        // The address that has just worked comes first: a peer may not know under which name it is reached.
        let mut addresses = Vec::from_iter(link.dialled().then(|| link.address().to_owned()));
        addresses.extend(listen.into_iter().filter(|address| !link.dialled() || address != link.address()));
        self.links.insert(id, link);
        if self.known.linked(&mut self.store, peer, addresses, now)? {
            self.links.forget_told(&peer);
        }
        self.introduce_to_all(id, peer);
        let active = self.rooms.iter().filter(|room| room.active());
        let groups: Vec<GroupId> = active.map(|room| room.id()).collect();
        for subscribe in Control::subscribe(&groups) {
            self.effects.send(id, subscribe);
        }
        self.effects.push(Effect::Changed);
        Ok(())
    }

    /// Why a link that has just come up is refused; `None` if it is accepted.
    fn objection(&mut self, link: &Link, now: Now) -> Option<CloseCode> {
        let peer = link.peer();
        if peer == self.identity.peer() {
            return Some(CloseCode::Myself);
        }
        if !self.conducts.admits(peer, now) {
            return Some(CloseCode::Later);
        }
        let Some(old) = self.links.to(&peer).and_then(|old| self.links.get(old)) else {
            return (!self.has_place_for(&peer)).then_some(CloseCode::Full);
        };
        // Two peers that dialled each other at the same time both keep the link that the smaller key dialled. Otherwise the
        // later link is kept: a peer only dials if it has no link, so the earlier one is lost on one side.
        let kept = old.is_young(now) && self.initiator(old) < self.initiator(link);
        kept.then_some(CloseCode::Duplicate)
    }

    fn initiator(&self, link: &Link) -> PeerId {
        if link.dialled() { self.identity.peer() } else { link.peer() }
    }

    /// Whether one more link is accepted, to this peer.
    fn has_place_for(&self, peer: &PeerId) -> bool {
        let is_newcomer = |link: &Link| !self.known.is_acquainted(&link.peer());
        let newcomers = || self.links.iter().filter(|(_, link)| is_newcomer(link)).count();
        !self.links.is_full() && (self.known.is_acquainted(peer) || newcomers() < NEWCOMERS_MAX)
    }

    /// Tells the newcomer of all linked peers, and all linked peers of the newcomer.
    fn introduce_to_all(&mut self, link: LinkId, peer: PeerId) {
        let others = self.links.iter().filter(|(id, _)| *id != link);
        let others: Vec<(LinkId, PeerId)> = others.map(|(id, other)| (id, other.peer())).collect();
        let keys: Vec<PeerId> = others.iter().map(|(_, key)| *key).collect();
        self.tell_of(link, &keys);
        for (other, _) in others {
            self.tell_of(other, &[peer]);
        }
    }

    fn tell_of(&mut self, to: LinkId, keys: &[PeerId]) {
        let Some(link) = self.links.get_mut(to) else { return };
        let mut records = Vec::new();
        for &key in keys {
            let addresses = self.known.addresses(&key).to_vec();
            if !addresses.is_empty() && link.tell_of(key) {
                records.push(PeerRecord { key, addresses });
            }
        }
        for frame in Control::peers(&records) {
            self.effects.send(to, frame);
        }
    }

    /// Another peer tells of peers. Those that are linked here are ignored; the others are dialled, within
    /// `GOSSIP_MAX`.
    pub(super) fn learn_peers(
        &mut self,
        link: LinkId,
        peers: Vec<PeerRecord>,
        now: Now,
    ) -> Result<(), S::Error> {
        for PeerRecord { key, addresses } in peers {
            if self.links.to(&key).is_some() || key == self.identity.peer() {
                continue;
            }
            if !self.links.get_mut(link).is_some_and(|link| link.may_gossip(now)) {
                break;
            }
            self.known.hear_of(&mut self.store, key, addresses, now)?;
        }
        Ok(())
    }

    pub(super) fn link_down(&mut self, id: LinkId, now: Now) -> Result<(), S::Error> {
        if self.links.get(id).is_none() {
            return Ok(());
        }
        for group in self.rooms.numbers() {
            self.close_session(group, id)?;
        }
        let Some(link) = self.links.remove(id) else { return Ok(()) };
        debug_assert_eq!(link.budget().in_flight_bytes(), 0, "no session is left to have anything in flight");
        self.known.unlinked(link.peer(), link.has_lasted(now), now, &mut self.entropy);
        self.effects.push(Effect::Changed);
        Ok(())
    }

    /// Closes a link from this side.
    pub(super) fn hang_up(&mut self, link: LinkId, code: CloseCode, now: Now) -> Result<(), S::Error> {
        self.effects.close(link, code);
        self.link_down(link, now)
    }

    /// Closes a link whose other side broke the protocol, and refuses it for a while.
    pub(super) fn blame(&mut self, link: LinkId, what: Misconduct, now: Now) -> Result<(), S::Error> {
        let Some(peer) = self.links.peer(link) else { return Ok(()) };
        tracing::warn!(%peer, "closing a link: it {}", what.words());
        let until_us = self.conducts.note(peer, what, now);
        self.hang_up(link, what.code(), now)?;
        self.known.avoid_until(&peer, until_us);
        Ok(())
    }

    pub(super) fn subscribed(&mut self, id: LinkId, groups: Vec<GroupId>) -> Result<(), S::Error> {
        for group in groups {
            if !self.links.get_mut(id).is_some_and(|link| link.subscribe(group)) {
                break;
            }
            if let Some(no) = self.rooms.number(&group) {
                self.open_session(no, id)?;
            }
        }
        Ok(())
    }

    pub(super) fn unsubscribed(&mut self, id: LinkId, groups: Vec<GroupId>) -> Result<(), S::Error> {
        for group in groups {
            if let Some(link) = self.links.get_mut(id) {
                link.unsubscribe(&group);
            }
            if let Some(no) = self.rooms.number(&group) {
                self.close_session(no, id)?;
            }
        }
        Ok(())
    }

    pub(super) fn tell_all(&mut self, control: &Control) {
        for link in self.links.ids() {
            self.effects.send(link, control.clone());
        }
    }

    /// Answers a ping, and compares its digest at most every `COMPARE_EVERY_MS`.
    pub(super) fn pinged(
        &mut self,
        link: LinkId,
        nonce: u64,
        theirs: Option<u64>,
        now: Now,
    ) -> Result<(), S::Error> {
        let compares = self.links.get_mut(link).is_some_and(|link| link.pulse_mut().may_compare(now));
        let ours = compares.then(|| self.digest(link));
        self.effects.send(link, Control::Pong { nonce, wall_ms: now.wall.millis(), digest: ours });
        match ours {
            Some(ours) => self.compare(link, theirs == Some(ours), now),
            None => Ok(()),
        }
    }

    pub(super) fn ponged(
        &mut self,
        link: LinkId,
        nonce: u64,
        wall_ms: i64,
        theirs: Option<u64>,
        now: Now,
    ) -> Result<(), S::Error> {
        if !self.links.get_mut(link).is_some_and(|link| link.pulse_mut().pong(nonce, wall_ms, now)) {
            return Ok(());
        }
        let ours = self.digest(link);
        self.compare(link, theirs == Some(ours), now)
    }

    /// Pings, closes silent links, and dials the peers that are due.
    pub(super) fn keep_links(&mut self, now: Now) -> Result<(), S::Error> {
        let (mut dead, mut pinged, mut lasting) = (Vec::new(), Vec::new(), Vec::new());
        for (id, link) in self.links.iter_mut() {
            if link.pulse().is_silent(now) {
                dead.push(id);
            } else if let Some(nonce) = link.pulse_mut().ping(now) {
                pinged.push((id, nonce));
                lasting.extend(link.acquaints(now).then(|| link.peer()));
            }
        }
        for (link, nonce) in pinged {
            self.ping(link, nonce)?;
        }
        for peer in lasting {
            self.known.acquaint(&mut self.store, peer)?;
        }
        for link in dead {
            self.hang_up(link, CloseCode::Silent, now)?;
        }
        for (peer, address) in self.known.dial(now) {
            self.effects.push(Effect::Dial { peer, address });
        }
        Ok(())
    }

    fn ping(&mut self, link: LinkId, nonce: u64) -> Result<(), S::Error> {
        let digest = Some(self.digest(link));
        self.effects.send(link, Control::Ping { nonce, digest });
        debug_assert_eq!(
            self.links.get(link).map(|link| link.budget().in_flight_bytes()),
            Some(self.rooms.iter().filter_map(|room| Some(room.session(link)?.in_flight_bytes())).sum()),
            "what is in flight on a link is what its sessions have in flight"
        );
        // With every ping rather than every message: a crash loses little by that.
        let groups: Vec<GroupNo> = self.rooms.numbers();
        groups.into_iter().try_for_each(|group| self.save_shared(group, link))
    }
}
