//! Judges a run by the contents of the disks and the traffic. Order, causality and content are computed again
//! here, from the bytes of the changes as the `automerge` library reads them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automerge::legacy::{Key, OpType};
use automerge::{Automerge, ROOT, ReadDoc, ScalarValue};
use peer_engine::change::Genesis;
use peer_engine::engine::Status;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, GroupName};
use peer_engine::limits::{BATCH_BYTES, CHANGE_BYTES_MAX, IN_FLIGHT_BYTES_MAX, ORPHANS_MAX};

use crate::faults::Plant;
use crate::workload::group_name;
use crate::world::World;

/// The content of one change, as the library reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    author: Vec<u8>,
    deps: Vec<ChangeHash>,
    at: i64,
    body: String,
    kind: Option<String>,
}

/// One peer's copy of one group.
pub struct Copy {
    /// In the order of arrival.
    log: Vec<(ChangeHash, Vec<u8>)>,
    /// In the order of display, as the peer shows it.
    shown: Vec<ChangeHash>,
}

type Check = Result<(), String>;

fn facts(bytes: &[u8]) -> Result<(ChangeHash, Facts), String> {
    let change = automerge::Change::from_bytes(bytes.to_vec()).map_err(|error| error.to_string())?;
    let hash = ChangeHash(change.hash().0);
    let author = change.actor_id().to_bytes()[..32].to_vec();
    let deps = change.deps().iter().map(|dep| ChangeHash(dep.0)).collect();
    let mut facts = Facts { author, deps, at: -1, body: String::new(), kind: None };
    for op in change.decode().operations {
        let Key::Map(key) = &op.key else { continue };
        match (key.as_str(), &op.action) {
            ("at", OpType::Put(ScalarValue::Timestamp(at))) => facts.at = *at,
            ("body", OpType::Put(ScalarValue::Str(body))) => facts.body = body.to_string(),
            ("kind", OpType::Put(ScalarValue::Str(kind))) => facts.kind = Some(kind.to_string()),
            _ => {}
        }
    }
    Ok((hash, facts))
}

/// Effective times and display order, computed from the changes alone.
fn order(group: GroupId, facts: &HashMap<ChangeHash, Facts>) -> Result<Vec<ChangeHash>, String> {
    let mut effs: HashMap<ChangeHash, i64> = HashMap::from([(group.genesis(), 0)]);
    let mut open: Vec<ChangeHash> = facts.keys().copied().collect();
    while let Some(&hash) = open.last() {
        let unknown = facts[&hash].deps.iter().find(|dep| !effs.contains_key(dep));
        match unknown {
            Some(dep) if !facts.contains_key(dep) => {
                return Err(format!("{hash} lacks its dependency {dep}"));
            }
            Some(dep) => open.push(*dep),
            None => {
                let above = facts[&hash].deps.iter().map(|dep| effs[dep] + 1).max().unwrap_or(0);
                effs.insert(hash, facts[&hash].at.max(above));
                open.pop();
            }
        }
    }
    let mut keys: Vec<(i64, ChangeHash)> = facts.keys().map(|hash| (effs[hash], *hash)).collect();
    keys.sort_unstable();
    Ok(keys.into_iter().map(|(_, hash)| hash).collect())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

impl World {
    pub fn group_names(&self) -> Vec<GroupName> {
        let groups = (0..self.options.groups).map(group_name);
        groups.chain([GroupName::directory()]).collect()
    }

    pub fn members(&self, name: &GroupName) -> Vec<(usize, GroupNo)> {
        let row = |&index: &usize| {
            let groups = self.peers[index].disk.borrow().store.groups().unwrap_or_default();
            groups.into_iter().find(|row| row.name == *name && row.joined).map(|row| (index, row.no))
        };
        let alive: Vec<usize> = (0..self.peers.len()).filter(|&index| !self.peers[index].gone).collect();
        alive.iter().filter_map(row).collect()
    }

    fn copy(&self, index: usize, group: GroupNo) -> Result<Copy, String> {
        let disk = self.peers[index].disk.borrow();
        let read = || -> Result<Copy, peer::store::StoreError> {
            let row = disk.store.groups()?.into_iter().find(|row| row.no == group);
            let mut log = Vec::new();
            let mut clocks = Vec::new();
            for no in 1..=row.map_or(0, |row| row.entries) {
                let node = disk.store.node(group, EntryNo(no))?;
                let bytes = disk.store.change(group, EntryNo(no))?;
                if let Some(node) = node {
                    if self.plant == Plant::ClockOrders {
                        let at = facts(&bytes).map_or(0, |(_, facts)| facts.at);
                        clocks.push((at, node.hash));
                    }
                    log.push((node.hash, bytes));
                }
            }
            let mut shown = disk.store.history(self.mesh, group)?;
            if self.plant == Plant::ClockOrders {
                clocks.sort_unstable();
                shown = clocks.into_iter().map(|(_, hash)| hash).collect();
            }
            if self.plant == Plant::ShowTwice {
                shown.extend(shown.first().copied());
            }
            Ok(Copy { log, shown })
        };
        read().map_err(|error| format!("peer {index} cannot be read: {error}"))
    }

    /// Everything durable on any disk that survives: in the end all peers must have it.
    pub fn survivors(&self) -> BTreeMap<GroupName, BTreeSet<ChangeHash>> {
        let mut all: BTreeMap<GroupName, BTreeSet<ChangeHash>> = BTreeMap::new();
        for peer in self.peers.iter().filter(|peer| !peer.gone) {
            let disk = peer.disk.borrow();
            for row in disk.store.groups().unwrap_or_default() {
                let durable = disk.durable.iter().filter(|(group, _)| *group == row.no);
                all.entry(row.name).or_default().extend(durable.map(|(_, hash)| *hash));
            }
        }
        all
    }

    /// All peers have the same entries, and every two are linked.
    pub fn is_level(&self) -> bool {
        let alive = self.peers.iter().filter(|peer| !peer.gone).count();
        if self.running().len() != alive {
            return false;
        }
        self.group_names().iter().all(|name| {
            let ids = self.members(name).into_iter().map(|(index, group)| {
                self.peers[index].disk.borrow().store.history(self.mesh, group).unwrap_or_default()
            });
            let ids: Vec<_> = ids.collect();
            ids.windows(2).all(|pair| pair[0] == pair[1])
        })
    }

    /// Everything that must hold once the mesh is healed and quiet.
    pub fn check(&mut self, survivors: &BTreeMap<GroupName, BTreeSet<ChangeHash>>) -> Check {
        self.check_acknowledged(survivors)?;
        for name in self.group_names() {
            self.check_group(&name, survivors.get(&name))?;
        }
        self.check_blame()?;
        // A rogue may go on announcing entries that it never sends.
        let shown = self.record.ahead.first().filter(|_| self.rogue.is_none());
        ensure(shown.is_none(), || format!("shows entries ahead that are here: {shown:?}"))?;
        self.check_mesh()
    }

    fn check_acknowledged(&self, survivors: &BTreeMap<GroupName, BTreeSet<ChangeHash>>) -> Check {
        let all: BTreeSet<ChangeHash> = survivors.values().flatten().copied().collect();
        for (peer, _, entry) in &self.record.acknowledged {
            let lost = self.peers[*peer].gone || self.peers[*peer].may_lack;
            ensure(lost || all.contains(entry), || format!("peer {peer} lost the acknowledged {entry}"))?;
        }
        Ok(())
    }

    fn check_group(&self, name: &GroupName, survivors: Option<&BTreeSet<ChangeHash>>) -> Check {
        let members = self.members(name);
        let Some(&(reference, group)) = members.first() else { return Ok(()) };
        let genesis = Genesis::public(self.mesh, name.clone());
        let mut known = HashMap::new();
        for (_, bytes) in self.copy(reference, group)?.log {
            let (hash, facts) = facts(&bytes)?;
            known.insert(hash, facts);
        }
        let right = order(genesis.id(), &known)?;
        for lost in survivors.into_iter().flatten() {
            ensure(known.contains_key(lost), || format!("{name}: {lost} is lost"))?;
        }
        self.check_authors(name, &known)?;
        check_causal(&right, &known)?;
        for (index, group) in members {
            let copy = self.copy(index, group)?;
            let here = |what: &str| format!("{name} on peer {index}: {what}");
            let distinct: BTreeSet<ChangeHash> = copy.log.iter().map(|(hash, _)| *hash).collect();
            ensure(distinct.len() == copy.log.len(), || here("an entry is there twice"))?;
            ensure(copy.shown == right, || {
                here(&format!("shows {} entries, and {} are right", copy.shown.len(), right.len()))
            })?;
            for (hash, bytes) in &copy.log {
                let (read, said) = facts(bytes)?;
                ensure(read == *hash && known.get(hash) == Some(&said), || here("an entry is altered"))?;
            }
            let forked = self.peers[index].disk.borrow().store.forks().unwrap_or_default();
            if forked.iter().all(|fork| fork.group != group) {
                check_document(&genesis, &copy, &known).map_err(|what| here(&what))?;
            }
        }
        Ok(())
    }

    /// What must hold at all times, even during faults.
    pub fn inspect(&mut self) {
        if let Err(what) = self.check_queues().and_then(|()| self.check_orphans()) {
            self.record.fail(what);
        }
    }

    /// No more is under way to any peer than flow control allows: for each group twice the maximum in flight
    /// of one side, since a new request counts as having read.
    fn check_queues(&self) -> Check {
        let batch = BATCH_BYTES + CHANGE_BYTES_MAX;
        let most = (self.options.groups + 1) * 2 * (IN_FLIGHT_BYTES_MAX + batch);
        for (link, wire) in &self.wires {
            for end in [0, 1] {
                let (from, to, bytes) = (wire.ends[1 - end], wire.ends[end], wire.unread_bytes[end]);
                let counts = wire.up[1 - end] && self.rogue != Some(from) && self.rogue != Some(to);
                ensure(!counts || bytes <= most, || format!("{bytes} B wait on link {} for {to}", link.0))?;
            }
        }
        Ok(())
    }

    fn check_orphans(&mut self) -> Check {
        for index in self.honest() {
            // Reading the status takes a commit, and one that fails ends the process.
            if self.peers[index].disk.borrow().is_failing() {
                continue;
            }
            let status = self.status(index)?;
            let most = (ORPHANS_MAX * status.links.len()) as u64;
            for room in status.rooms {
                ensure(room.waiting <= most, || format!("peer {index} holds {} orphans", room.waiting))?;
            }
        }
        Ok(())
    }

    /// The peers that run and keep to the protocol.
    pub fn honest(&self) -> Vec<usize> {
        self.running().into_iter().filter(|index| self.rogue != Some(*index)).collect()
    }

    /// Peers are reported only if they broke the rules or read too slowly.
    fn check_blame(&mut self) -> Check {
        for index in self.honest() {
            for (key, fault) in self.status(index)?.faults {
                let named = self.peers.iter().position(|peer| peer.identity.peer() == key);
                let right =
                    named.is_some_and(|named| self.rogue == Some(named) || self.record.slow.contains(&named));
                ensure(right, || format!("peer {index} says of {named:?} that it {}", fault.what.words()))?;
            }
        }
        Ok(())
    }

    /// No peer writes what its user did not.
    fn check_authors(&self, name: &GroupName, known: &HashMap<ChangeHash, Facts>) -> Check {
        for (hash, facts) in known.iter().filter(|(_, facts)| facts.kind.is_none()) {
            let author = self.peers.iter().position(|peer| peer.identity.peer().as_bytes() == facts.author);
            let Some(author) = author else { return Err(format!("{name}: {hash} is by nobody")) };
            if self.rogue == Some(author) {
                continue;
            }
            let given = self.record.given.contains(&(author, facts.body.clone()));
            ensure(given, || format!("{name}: peer {author} never wrote {hash}"))?;
        }
        Ok(())
    }

    /// There is one link between every two peers, with the same number on both sides; no peer waits for
    /// anything.
    pub fn check_mesh(&mut self) -> Check {
        let mut links: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
        let running = self.running();
        for &index in &running {
            let status = self.status(index)?;
            for link in status.links {
                let other = self.peers.iter().position(|peer| peer.identity.peer() == link.peer);
                let Some(other) = other else { return Err(format!("peer {index} is linked to nobody")) };
                links.entry((index, other)).or_default().push(link.link.0);
                ensure(link.behind.is_empty(), || {
                    format!("peer {index} thinks that {other} is not level: {:?}", link.behind)
                })?;
            }
            for room in status.rooms {
                ensure(room.waiting == 0, || format!("peer {index} holds {} orphans", room.waiting))?;
            }
        }
        for &a in &running {
            for &b in running.iter().filter(|&&b| b != a) {
                let there = links.get(&(a, b));
                ensure(there.is_some_and(|ids| ids.len() == 1), || {
                    format!("{a} has links {there:?} to {b}")
                })?;
                ensure(there == links.get(&(b, a)), || format!("{a} and {b} hold different links"))?;
            }
        }
        Ok(())
    }

    pub fn status(&mut self, index: usize) -> Result<Status, String> {
        self.ask_status(index).ok_or_else(|| format!("peer {index} does not tell its status"))
    }

    /// In a mesh without faults, every body crosses every link about once.
    pub fn check_traffic(&self) -> Check {
        let bodies: BTreeSet<ChangeHash> = self.record.bodies.keys().map(|(.., hash)| *hash).collect();
        let mut links: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for ((link, ..), times) in &self.record.bodies {
            let [a, b] = self.wires[link].ends;
            *links.entry((a.min(b), a.max(b))).or_default() += u64::from(*times);
        }
        for (ends, times) in links {
            let most = bodies.len() as u64 * 11 / 10 + 2;
            ensure(times <= most, || {
                format!("{times} bodies between {ends:?} for {} entries", bodies.len())
            })?;
        }
        Ok(())
    }
}

fn check_causal(shown: &[ChangeHash], known: &HashMap<ChangeHash, Facts>) -> Check {
    let place: HashMap<ChangeHash, usize> = shown.iter().copied().zip(0..).collect();
    for (at, hash) in shown.iter().enumerate() {
        let early = known[hash].deps.iter().all(|dep| place.get(dep).is_none_or(|dep| *dep < at));
        ensure(early, || format!("{hash} is shown above something that its author had seen"))?;
    }
    Ok(())
}

/// The log is an Automerge document with the same content as the history, in a causal order.
fn check_document(genesis: &Genesis, copy: &Copy, known: &HashMap<ChangeHash, Facts>) -> Check {
    let mut file = genesis.bytes();
    copy.log.iter().for_each(|(_, bytes)| file.extend_from_slice(bytes));
    let document = Automerge::load(&file).map_err(|error| format!("the log does not load: {error}"))?;
    let Ok(Some((_, messages))) = document.get(ROOT, "messages") else {
        return Err("the document has no messages".to_owned());
    };
    ensure(document.length(&messages) == copy.shown.len(), || "the document has another length".to_owned())?;
    let mut said: Vec<(i64, String)> = Vec::new();
    for item in document.list_range(&messages, ..) {
        let field = |name| document.get(item.id(), name).ok().flatten().map(|(value, _)| value.into_owned());
        let at = field("at").and_then(|value| value.into_scalar().ok());
        let body = field("body").and_then(|value| value.into_string().ok());
        match (at, body) {
            (Some(ScalarValue::Timestamp(at)), Some(body)) => said.push((at, body)),
            _ => return Err("an entry of the document cannot be read".to_owned()),
        }
    }
    let mut right: Vec<(i64, String)> = known.values().map(|facts| (facts.at, facts.body.clone())).collect();
    said.sort_unstable();
    right.sort_unstable();
    ensure(said == right, || "the document says something else than the history".to_owned())
}
