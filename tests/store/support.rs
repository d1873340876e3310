//! Authors who write signed changes into a store.

use peer::store::{Attention, Reader, SqliteStore};
use peer_engine::change::{Body, Change, Content, Genesis, Header};
use peer_engine::group::{Admitted, ChangeGraph, EntryNo, GroupNo, Verdict, admit};
use peer_engine::id::{ActorId, ChangeHash, GroupName, MeshId, PeerId};
use peer_engine::identity::Identity;
use peer_engine::store::Store;
use peer_engine::time::Timestamp;
use tempfile::TempDir;

pub const MESH: MeshId = MeshId([7; 16]);

pub fn genesis(name: &str) -> Genesis {
    Genesis::public(MESH, name.parse().unwrap())
}

pub fn directory() -> Genesis {
    Genesis::public(MESH, GroupName::directory())
}

/// The peer that owns the store.
pub fn own() -> PeerId {
    Author::new(0).key()
}

pub struct Author {
    identity: Identity,
    actor: ActorId,
}

impl Author {
    pub fn new(seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let actor = ActorId::new(identity.peer(), [seed; 8]);
        Self { identity, actor }
    }

    /// The same author, writing under another actor.
    pub fn again(seed: u8, stretch: u64) -> Self {
        let author = Self::new(seed);
        let actor = ActorId::new(author.key(), stretch.to_be_bytes());
        Self { actor, ..author }
    }

    pub fn key(&self) -> PeerId {
        self.identity.peer()
    }

    pub fn actor(&self) -> ActorId {
        self.actor
    }

    /// Signs `content` with dependencies `deps` and the sequence number and counter that the rules demand,
    /// and admits it.
    pub fn write_on<G: ChangeGraph>(
        &self,
        graph: &G,
        group: GroupNo,
        deps: &[EntryNo],
        content: Content,
    ) -> Admitted {
        let nodes: Vec<_> = deps.iter().map(|&no| graph.node(group, no).unwrap().unwrap()).collect();
        let seqs = nodes.iter().filter(|node| node.actor == Some(self.actor)).map(|node| node.seq);
        let mut hashes: Vec<ChangeHash> = nodes.iter().map(|node| node.hash).collect();
        hashes.sort();
        let header = Header {
            deps: hashes,
            actor: self.actor,
            seq: 1 + seqs.max().unwrap_or(0),
            start_op: 1 + nodes.iter().map(|node| node.max_op).max().unwrap(),
        };
        let id = peer_engine::id::GroupId(graph.node(group, EntryNo::GENESIS).unwrap().unwrap().hash.0);
        let verified = Change::sign(id, header, content, &self.identity).unwrap();
        match admit(graph, group, verified).unwrap() {
            Verdict::Admitted(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    /// Writes an entry that depends on all heads of the group and on this author's own last entry.
    pub fn write<S: Store>(&self, store: &mut S, group: GroupNo, content: Content) -> ChangeHash {
        let groups = store.groups().unwrap();
        let row = groups.iter().find(|row| row.no == group).unwrap();
        let mut deps = row.heads.clone();
        let nodes = store.nodes_below(group, EntryNo(u64::MAX), row.entries as usize).unwrap();
        let own = nodes.iter().find(|node| node.actor == Some(self.actor)).map(|node| node.no);
        deps.extend(own.filter(|own| !row.heads.contains(own)));
        let admitted = self.write_on(store, group, &deps, content);
        store.append(group, &admitted).unwrap();
        admitted.verified().hash()
    }

    pub fn say<S: Store>(&self, store: &mut S, group: GroupNo, at: i64, text: &str) -> ChangeHash {
        self.write(store, group, message(at, text))
    }
}

pub fn message(at: i64, text: &str) -> Content {
    Content {
        at: Timestamp::from_millis(at).unwrap(),
        kind: None,
        body: Body::Text(text.to_owned()),
        re: None,
        from: None,
    }
}

/// A body so long that its commit puts all waiting messages into the full-text index; it contains no word.
pub fn filler() -> String {
    "- ".repeat(16 * 1024)
}

pub fn of_kind(at: i64, kind: &str, text: &str) -> Content {
    Content { kind: Some(kind.to_owned()), ..message(at, text) }
}

/// Turns a new database into one of this format, 2 to 4, as far as our tables go.
pub fn older(format: u32) -> String {
    let mut sql = "DROP TABLE mark; DROP TABLE by_hash; DROP TABLE by_hash_recent;
        CREATE INDEX log_hash ON log (substr(hash, 1, 8));
        CREATE INDEX log_other ON log (id) WHERE kind IS NOT NULL;"
        .to_owned();
    if format < 4 {
        sql.push_str("DELETE FROM value WHERE key = 'words';");
    }
    if format < 3 {
        sql.push_str("DROP TABLE feed; DROP TABLE read_mark; DROP TABLE sent; DROP INDEX log_late;");
    }
    sql + &format!("PRAGMA user_version = {format};")
}

/// A database in a directory of its own.
pub struct Disk {
    pub dir: TempDir,
}

impl Disk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("peer.db")
    }

    pub fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), own()).unwrap()
    }

    /// What a person has not read in a group that is stored here.
    pub fn attention(&self, group: GroupNo, own: &PeerId) -> Attention {
        let reader = self.reader();
        let mut groups = reader.groups(None).unwrap();
        groups.retain(|found| found.no == Some(group));
        reader.attention(&groups, own).unwrap().remove(0)
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.path(), MESH).unwrap()
    }

    /// A second connection, for what no store does.
    pub fn tamper(&self, sql: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}
