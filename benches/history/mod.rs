//! Histories for benchmarks: one author's messages in one group, in a real database.

// Each benchmark uses only some of these functions.
#![allow(dead_code)]

use std::path::Path;

use peer::store::{Reader, SqliteStore};
use peer_engine::change::{Body, Change, Content, Genesis, Header, Verified};
use peer_engine::group::{ChangeGraph, EntryNo, GroupNo, Verdict, admit};
use peer_engine::id::{ActorId, ChangeHash, GroupId, MeshId, PeerId};
use peer_engine::identity::Identity;
use peer_engine::store::Store;
use peer_engine::time::Timestamp;
use tempfile::TempDir;

const MESH: MeshId = MeshId([3; 16]);
const ENTRIES_MAX: &str = "PEER_BENCH_ENTRIES";

/// Powers of ten from 1,000 up to the requested size.
pub fn sizes() -> Vec<u64> {
    let asked = std::env::var(ENTRIES_MAX).ok().and_then(|text| text.parse().ok());
    let max: u64 = asked.unwrap_or(100_000);
    std::iter::successors(Some(1_000), |size| Some(size * 10)).take_while(|size| *size <= max).collect()
}

pub fn genesis() -> Genesis {
    group(MESH, "bench")
}

pub fn group(mesh: MeshId, name: &str) -> Genesis {
    Genesis::public(mesh, name.parse().unwrap())
}

/// Writes a chain of messages of about the length of chat messages.
pub struct Author {
    identity: Identity,
    actor: ActorId,
    group: GroupId,
    last: ChangeHash,
    written: u64,
    max_op: u64,
}

impl Author {
    pub fn new() -> Self {
        Self::of(genesis().id())
    }

    pub fn of(group: GroupId) -> Self {
        let identity = Identity::from_seed(&[7; 32]);
        let actor = ActorId::new(identity.peer(), [9; 8]);
        Self { identity, actor, group, last: group.genesis(), written: 0, max_op: Genesis::MAX_OP }
    }

    pub fn write(&mut self) -> Verified {
        self.written += 1;
        let content = Content {
            at: Timestamp::from_millis(1_700_000_000_000 + self.written as i64 * 977).unwrap(),
            kind: None,
            body: Body::Text(body(self.written)),
            re: None,
            from: None,
        };
        let header =
            Header { deps: vec![self.last], actor: self.actor, seq: self.written, start_op: self.max_op + 1 };
        let change = Change::sign(self.group, header, content, &self.identity).unwrap();
        self.last = change.hash();
        self.max_op = change.max_op();
        change
    }
}

fn body(number: u64) -> String {
    const WORDS: [&str; 16] = [
        "the", "package", "does", "not", "install", "try", "again", "with", "another", "kernel", "and",
        "tell", "us", "what", "it", "says",
    ];
    let mut text = "everywhere".to_owned();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4 + number % 11 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(' ');
        match (state >> 60) as usize {
            15 => text.push_str(&format!("word{}", (state >> 40) % 4096)),
            word => text.push_str(WORDS[word]),
        }
    }
    if number.is_multiple_of(100) {
        text.push_str(" hundredth");
    }
    text
}

/// Fills a group with messages in a peer's database; returns the author, who can continue the chain.
pub fn fill(store: &mut SqliteStore, genesis: &Genesis, entries: u64) -> (GroupNo, Author) {
    let group = store.add_group(genesis, true).unwrap();
    let mut author = Author::of(genesis.id());
    for start in (0..entries).step_by(1_000) {
        append(store, group, &mut author, 1_000.min(entries - start));
        store.commit().unwrap();
    }
    (group, author)
}

fn append(store: &mut SqliteStore, group: GroupNo, author: &mut Author, count: u64) {
    for _ in 0..count {
        let Verdict::Admitted(admitted) = admit(&*store, group, author.write()).unwrap() else {
            panic!("not admitted");
        };
        store.append(group, &admitted).unwrap();
    }
}

/// A database in a temporary directory.
pub struct Disk {
    dir: TempDir,
    pub store: SqliteStore,
    pub group: GroupNo,
    author: Author,
}

impl Disk {
    pub fn of(entries: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path(), Identity::from_seed(&[8; 32]).peer());
        let (group, author) = fill(&mut store, &genesis(), entries);
        Self { dir, store, group, author }
    }

    /// Writes `count` more messages, without a commit.
    pub fn append(&mut self, count: u64) {
        append(&mut self.store, self.group, &mut self.author, count);
    }

    pub fn hash(&self, no: u64) -> ChangeHash {
        self.store.node(self.group, EntryNo(no)).unwrap().unwrap().hash
    }

    pub fn reader(&self) -> Reader {
        self.store.reader(MESH).unwrap()
    }

    pub fn reopen(&self) -> SqliteStore {
        open(self.dir.path(), Identity::from_seed(&[8; 32]).peer())
    }
}

/// The database in a peer's data directory.
pub fn open(dir: &Path, peer: PeerId) -> SqliteStore {
    SqliteStore::open(&dir.join("peer.db"), peer).unwrap()
}
