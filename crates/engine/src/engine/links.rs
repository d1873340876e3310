//! The links that are up, and the state of each that is not about one group.

use std::collections::{BTreeMap, BTreeSet};

use super::preview::PreviewOnLink;
use super::pulse::Pulse;
use crate::group::GroupNo;
use crate::id::{GroupId, PeerId};
use crate::limits::{
    ACQUAINTED_AFTER_MS, GOSSIP_EVERY_MS, GOSSIP_MAX, GROUPS_MAX, HANDSHAKE_MS_MAX, PEERS_MAX, SILENCE_MS_MAX,
};
use crate::sync::{LinkBudget, LinkId, Marks, Ration};
use crate::time::Now;

/// Longest time, in microseconds, that a dial takes to connect and to finish the handshake.
const DIAL_US_MAX: u64 = 2 * HANDSHAKE_MS_MAX * 1000;

#[derive(Debug)]
pub(super) struct Link {
    peer: PeerId,
    dialled: bool,
    address: String,
    since_us: u64,
    /// Groups that the other side wants to sync.
    subscriptions: BTreeSet<GroupId>,
    /// Peers that the other side was told of on this link, with the addresses that they still have.
    told: BTreeSet<PeerId>,
    /// How far the link has been served in each group.
    marks: BTreeMap<GroupNo, Marks>,
    budget: LinkBudget,
    /// Allowance for peer records from the other side.
    gossip: Ration,
    preview: PreviewOnLink,
    pulse: Pulse,
}

impl Link {
    pub fn new(peer: PeerId, dialled: bool, address: String, now: Now) -> Self {
        Self {
            peer,
            dialled,
            address,
            since_us: now.ticks_us,
            subscriptions: BTreeSet::new(),
            told: BTreeSet::new(),
            marks: BTreeMap::new(),
            budget: LinkBudget::new(now),
            gossip: Ration::new(GOSSIP_MAX, 1, GOSSIP_EVERY_MS, now),
            preview: PreviewOnLink::new(now),
            pulse: Pulse::new(now),
        }
    }

    pub fn peer(&self) -> PeerId {
        self.peer
    }

    pub fn dialled(&self) -> bool {
        self.dialled
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the link is so young that both sides may just have dialled each other.
    pub fn is_young(&self, now: Now) -> bool {
        now.ticks_us < self.since_us + DIAL_US_MAX
    }

    /// Whether the link has been up for so long that its end is no sign of trouble.
    pub fn has_lasted(&self, now: Now) -> bool {
        now.ticks_us.saturating_sub(self.since_us) >= SILENCE_MS_MAX * 1000
    }

    /// Whether the link has been up for long enough to make its peer an acquaintance.
    pub fn acquaints(&self, now: Now) -> bool {
        now.ticks_us.saturating_sub(self.since_us) >= ACQUAINTED_AFTER_MS * 1000
    }

    /// Adds a subscription of the other side; false if it has `GROUPS_MAX` already.
    pub fn subscribe(&mut self, group: GroupId) -> bool {
        let fits = self.subscriptions.len() < GROUPS_MAX;
        if fits {
            self.subscriptions.insert(group);
        }
        fits
    }

    pub fn unsubscribe(&mut self, group: &GroupId) {
        self.subscriptions.remove(group);
    }

    /// Notes that the other side is told of this peer. Returns whether that is the first time.
    pub fn tell_of(&mut self, peer: PeerId) -> bool {
        self.told.insert(peer)
    }

    pub fn marks(&self, group: GroupNo) -> Marks {
        self.marks.get(&group).copied().unwrap_or_default()
    }

    pub fn set_marks(&mut self, group: GroupNo, marks: Marks) {
        self.marks.insert(group, marks);
    }

    pub fn budget(&self) -> &LinkBudget {
        &self.budget
    }

    pub fn budget_mut(&mut self) -> &mut LinkBudget {
        &mut self.budget
    }

    /// Whether the other side may tell of one more peer; takes it from the allowance.
    pub fn may_gossip(&mut self, now: Now) -> bool {
        self.gossip.take(now)
    }

    pub fn preview(&mut self) -> &mut PreviewOnLink {
        &mut self.preview
    }

    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub fn pulse_mut(&mut self) -> &mut Pulse {
        &mut self.pulse
    }
}

#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<LinkId, Link>);

impl Links {
    pub fn insert(&mut self, id: LinkId, link: Link) {
        self.0.insert(id, link);
    }

    pub fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.0.remove(&id)
    }

    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.0.get(&id)
    }

    pub fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.0.get_mut(&id)
    }

    pub fn budget(&mut self, id: LinkId) -> Option<&mut LinkBudget> {
        self.get_mut(id).map(Link::budget_mut)
    }

    pub fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.0.iter().map(|(id, link)| (*id, link))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        self.0.iter_mut().map(|(id, link)| (*id, link))
    }

    pub fn ids(&self) -> impl Iterator<Item = LinkId> {
        self.0.keys().copied()
    }

    pub fn peer(&self, id: LinkId) -> Option<PeerId> {
        self.get(id).map(Link::peer)
    }

    pub fn to(&self, peer: &PeerId) -> Option<LinkId> {
        self.iter().find(|(_, link)| link.peer == *peer).map(|(id, _)| id)
    }

    pub fn is_full(&self) -> bool {
        self.0.len() >= PEERS_MAX
    }

    pub fn subscribers(&self, group: &GroupId) -> Vec<LinkId> {
        let wants = |(_, link): &(LinkId, &Link)| link.subscriptions.contains(group);
        self.iter().filter(wants).map(|(id, _)| id).collect()
    }

    /// A peer has new addresses, so all links must be told of it again.
    pub fn forget_told(&mut self, peer: &PeerId) {
        for link in self.0.values_mut() {
            link.told.remove(peer);
        }
    }

    pub fn next_timeout_us(&self) -> Option<u64> {
        self.0.values().map(|link| link.pulse.due_us()).min()
    }
}
