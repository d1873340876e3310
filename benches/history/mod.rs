//! Histories to measure on: one author's messages in one group, in a real database.

// Each benchmark uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use peer::change::{Body, Change, Content, Genesis, Header, Verified};
use peer::group::{ChangeGraph, EntryNo, GroupNo, Verdict, admit};
use peer::id::{ActorId, ChangeHash, MeshId};
use peer::identity::Identity;
use peer::store::{Reader, SqliteStore, Store};
use peer::time::Timestamp;
use tempfile::TempDir;

const MESH: MeshId = MeshId([3; 16]);
const ENTRIES_MAX: &str = "PEER_BENCH_ENTRIES";

/// Powers of ten from 1,000 up to what was asked for.
pub fn sizes() -> Vec<u64> {
    let asked = std::env::var(ENTRIES_MAX).ok().and_then(|text| text.parse().ok());
    let max: u64 = asked.unwrap_or(100_000);
    std::iter::successors(Some(1_000), |size| Some(size * 10)).take_while(|size| *size <= max).collect()
}

pub fn genesis() -> Genesis {
    Genesis::public(MESH, "bench".parse().unwrap())
}

/// Writes a chain of messages, about as long as those of a chat.
pub struct Author {
    identity: Identity,
    actor: ActorId,
    last: ChangeHash,
    written: u64,
    max_op: u64,
}

impl Author {
    pub fn new() -> Self {
        let identity = Identity::from_seed(&[7; 32]);
        let actor = ActorId::new(identity.peer(), [9; 8]);
        Self { identity, actor, last: genesis().id().genesis(), written: 0, max_op: Genesis::MAX_OP }
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
        let change = Change::sign(genesis().id(), header, content, &self.identity).unwrap();
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

/// A database in a directory of its own.
pub struct Disk {
    dir: TempDir,
    pub store: SqliteStore,
    pub group: GroupNo,
    author: Author,
}

impl Disk {
    pub fn of(entries: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&path(dir.path()));
        let group = store.add_group(&genesis(), true).unwrap();
        let mut disk = Self { dir, store, group, author: Author::new() };
        for start in (0..entries).step_by(1_000) {
            disk.append(1_000.min(entries - start));
            disk.store.commit().unwrap();
        }
        disk
    }

    /// Writes so many more messages, and does not commit.
    pub fn append(&mut self, count: u64) {
        for _ in 0..count {
            let written = self.author.write();
            let Verdict::Admitted(admitted) = admit(&self.store, self.group, written).unwrap() else {
                panic!("not admitted");
            };
            self.store.append(self.group, &admitted).unwrap();
        }
    }

    pub fn hash(&self, no: u64) -> ChangeHash {
        self.store.node(self.group, EntryNo(no)).unwrap().unwrap().hash
    }

    pub fn reader(&self) -> Reader {
        self.store.reader(MESH).unwrap()
    }

    pub fn reopen(&self) -> SqliteStore {
        open(&path(self.dir.path()))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("peer.db")
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Identity::from_seed(&[8; 32]).peer()).unwrap()
}
