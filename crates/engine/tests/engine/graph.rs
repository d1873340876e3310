//! Random graphs of real, signed changes, and an engine that holds a part of one.

use std::collections::{BTreeMap, BTreeSet};

use peer_engine::change::{Body, Change, Content, Genesis, Header, Verified};
use peer_engine::engine::{Answer, Effect, Engine, Event, Settings};
use peer_engine::group::{GroupNo, Verdict, admit};
use peer_engine::id::{ActorId, ChangeHash, GroupId, MeshId, PeerId};
use peer_engine::identity::Identity;
use peer_engine::store::{MemoryError, MemoryStore, Store};
use peer_engine::sync::LinkId;
use peer_engine::time::{Now, Timestamp};
use peer_engine::wire::close::CloseCode;
use peer_engine::wire::frame::{Control, Frame};
use peer_engine::wire::sync_message::SyncMessage;

use crate::rng::Rng;

pub fn genesis() -> Genesis {
    Genesis::public(MeshId([0x4d; 16]), "rust".parse().expect("a valid name"))
}

pub fn group() -> GroupId {
    genesis().id()
}

pub fn author(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

pub fn message(at: i64, text: &str) -> Content {
    Content {
        at: Timestamp::clamped(at),
        kind: None,
        body: Body::Text(text.to_owned()),
        re: None,
        from: None,
    }
}

/// A chain of messages by one author.
pub fn chain(number: u8, length: usize, body: &str) -> Vec<Verified> {
    let mut graph = Graph::default();
    let mut last = group().genesis();
    for at in 0..length {
        last = graph.add(graph.sign(&author(number), 0, vec![last], message(at as i64, body)));
    }
    graph.changes
}

/// Changes in a causal order.
#[derive(Default, Clone)]
pub struct Graph {
    pub changes: Vec<Verified>,
    by_hash: BTreeMap<ChangeHash, usize>,
    last: BTreeMap<ActorId, ChangeHash>,
}

impl Graph {
    pub fn get(&self, hash: &ChangeHash) -> Option<&Verified> {
        self.by_hash.get(hash).map(|&at| &self.changes[at])
    }

    /// The header of a change on these dependencies.
    pub fn header(&self, actor: ActorId, mut deps: Vec<ChangeHash>) -> Header {
        deps.sort_unstable();
        deps.dedup();
        let own = |change: &&Verified| change.header().actor == actor;
        let known = || deps.iter().filter_map(|dep| self.get(dep));
        let seq = 1 + known().filter(own).map(|change| change.header().seq).max().unwrap_or(0);
        let start_op = 1 + known().map(Verified::max_op).max().unwrap_or(Genesis::MAX_OP);
        Header { deps, actor, seq, start_op }
    }

    pub fn sign(&self, who: &Identity, random: u8, deps: Vec<ChangeHash>, content: Content) -> Verified {
        let header = self.header(ActorId::new(who.peer(), [random; 8]), deps);
        Change::sign(group(), header, content, who).expect("a valid change")
    }

    pub fn add(&mut self, change: Verified) -> ChangeHash {
        let hash = change.hash();
        self.last.insert(change.header().actor, hash);
        self.by_hash.insert(hash, self.changes.len());
        self.changes.push(change);
        hash
    }

    /// Adds a change of a random author on its own last change and some others within `seen`.
    pub fn grow(&mut self, rng: &mut Rng, authors: u8, seen: &[ChangeHash]) -> ChangeHash {
        let number = rng.between(1, u64::from(authors)) as u8;
        let who = author(number);
        let actor = ActorId::new(who.peer(), [0; 8]);
        let mut deps: Vec<ChangeHash> = self.last.get(&actor).copied().into_iter().collect();
        for _ in 0..rng.between(0, 2) {
            if !seen.is_empty() {
                let back = rng.between(1, seen.len().min(6) as u64) as usize;
                deps.push(seen[seen.len() - back]);
            }
        }
        if deps.is_empty() {
            deps.push(group().genesis());
        }
        let size = if rng.chance(3) { 30_000 } else { rng.between(1, 60) };
        let body = "x".repeat(size as usize);
        let change = self.sign(&who, 0, deps, message(rng.between(0, 1_000_000) as i64, &body));
        self.add(change)
    }

    pub fn random(rng: &mut Rng, authors: u8, changes: usize) -> Self {
        let mut graph = Self::default();
        let mut seen = Vec::new();
        for _ in 0..changes {
            let hash = graph.grow(rng, authors, &seen);
            seen.push(hash);
        }
        graph
    }

    /// These changes and everything that they depend on, in a causal order.
    pub fn closure(&self, tops: &[ChangeHash]) -> Vec<Verified> {
        let mut open: Vec<ChangeHash> = tops.to_vec();
        let mut within = BTreeSet::new();
        while let Some(hash) = open.pop() {
            if let Some(change) = self.get(&hash)
                && within.insert(self.by_hash[&hash])
            {
                open.extend(&change.header().deps);
            }
        }
        within.into_iter().map(|at| self.changes[at].clone()).collect()
    }

    /// A random part of the graph that contains all its dependencies.
    pub fn part(&self, rng: &mut Rng) -> Vec<Verified> {
        let reach = rng.index(self.changes.len()) + 1;
        let tops: Vec<ChangeHash> =
            (0..rng.between(0, 3)).map(|_| self.changes[rng.index(reach)].hash()).collect();
        self.closure(&tops)
    }
}

pub const LINK: LinkId = LinkId(1);

/// An engine with one group and, once linked, one link to a peer that the test plays.
pub struct Bench {
    pub engine: Engine<MemoryStore>,
    pub no: GroupNo,
    pub other: PeerId,
    pub now_us: u64,
    /// Sync messages to the other side that were not read yet.
    pub sent: Vec<SyncMessage>,
    pub closed: Option<CloseCode>,
    pub dialled: Vec<(PeerId, String)>,
    /// All other effects that were not read yet.
    pub effects: Vec<Effect>,
}

impl Bench {
    pub fn new(changes: &[Verified], shared: &[ChangeHash]) -> Self {
        let other = author(200).peer();
        let mut store = MemoryStore::new();
        let no = store.add_group(&genesis(), true).expect("memory does not fail");
        for change in changes {
            let verdict = admit(&store, no, change.clone()).expect("memory does not fail");
            let Verdict::Admitted(admitted) = verdict else { panic!("{verdict:?}") };
            store.append(no, &admitted).expect("memory does not fail");
        }
        store.set_shared_heads(&other, no, shared).expect("memory does not fail");
        let settings =
            Settings { identity: author(100), mesh: genesis().mesh, writer_stamp: [1; 32], seed: [2; 32] };
        let engine = Engine::new(store, settings).expect("memory does not fail");
        Self {
            engine,
            no,
            other,
            now_us: 1_000_000,
            sent: Vec::new(),
            closed: None,
            dialled: Vec::new(),
            effects: Vec::new(),
        }
    }

    pub fn linked(changes: &[Verified], shared: &[ChangeHash]) -> Self {
        let mut bench = Self::new(changes, shared);
        let (peer, address) = (bench.other, "192.0.2.1:4040".to_owned());
        bench.handle(Event::LinkUp { link: LINK, peer, dialled: true, address, listen: Vec::new() });
        bench.handle(Event::Control { link: LINK, control: Control::Subscribe { groups: vec![group()] } });
        bench
    }

    fn now(&self) -> Now {
        let wall = Timestamp::clamped(1_760_000_000_000 + (self.now_us / 1000) as i64);
        Now { wall, ticks_us: self.now_us }
    }

    pub fn handle(&mut self, event: Event) {
        let now = self.now();
        self.engine.handle(event, now).expect("memory does not fail");
        self.commit();
    }

    /// Runs a command that must not be refused.
    pub fn command<T>(
        &mut self,
        command: impl FnOnce(&mut Engine<MemoryStore>, Now) -> Answer<T, MemoryError>,
    ) -> T {
        let now = self.now();
        let answer = command(&mut self.engine, now).expect("nothing is refused");
        self.commit();
        answer
    }

    fn commit(&mut self) {
        let now = self.now();
        self.engine.commit(now).expect("memory does not fail");
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send { link: LINK, frame: Frame::Sync { group: to, message } } if to == group() => {
                    self.sent
                        .push(SyncMessage::decode(&message.encode()).expect("what is written can be read"));
                }
                Effect::Close { code, .. } => self.closed = Some(code),
                Effect::Dial { peer, address } => self.dialled.push((peer, address)),
                other => self.effects.push(other),
            }
        }
    }

    /// The event of a sync message from the other side.
    pub fn event(&self, message: SyncMessage, changes: Vec<Verified>) -> Event {
        Event::Sync { link: LINK, group: group(), message: message.with_changes(changes) }
    }

    pub fn hear(&mut self, message: SyncMessage, changes: Vec<Verified>) {
        self.handle(self.event(message, changes));
    }

    /// Receives changes from the other side, which has them as heads.
    pub fn push(&mut self, changes: Vec<Verified>) {
        let heads = changes.last().map(Verified::hash).into_iter().collect();
        self.hear(SyncMessage { heads, ..SyncMessage::default() }, changes);
    }

    /// Advances time to the next deadline of the engine; false if that is further away than `most_us`.
    pub fn wait(&mut self, most_us: u64) -> bool {
        let Some(due_us) = self.engine.next_timeout_us().filter(|due| *due <= self.now_us + most_us) else {
            self.now_us += most_us;
            return false;
        };
        self.now_us = self.now_us.max(due_us);
        self.handle(Event::Tick);
        true
    }

    /// Advances time by `us`, with everything that the engine does meanwhile.
    pub fn pass(&mut self, us: u64) {
        let until_us = self.now_us + us;
        while self.now_us < until_us {
            self.wait(until_us - self.now_us);
        }
    }

    pub fn history(&self) -> Vec<ChangeHash> {
        self.engine.store().history(self.no)
    }

    pub fn heads(&self) -> Vec<ChangeHash> {
        let rows = self.engine.store().groups().expect("memory does not fail");
        let row = rows.into_iter().find(|row| row.no == self.no).expect("the group is there");
        let node = |no| peer_engine::group::ChangeGraph::node(self.engine.store(), self.no, no);
        let mut heads: Vec<ChangeHash> =
            row.heads.into_iter().filter_map(|no| Some(node(no).ok()??.hash)).collect();
        heads.sort_unstable();
        heads
    }
}
