//! The store on disk: one SQLite file, one connection that writes.
//!
//! A commit returns when all transactions are on disk. Readers have connections of their own; they neither
//! wait for the writer nor block it. Opening reads the list of groups and the messages that wait to be
//! indexed, never the history.

mod append;
mod by_hash;
mod carve;
mod checkpoint;
mod feed;
mod folded;
mod held;
mod index;
mod log;
mod query;
mod reader;
mod rebuild;
mod recent;
mod salvage;
mod schema;
mod search;
mod sent;
mod shelf;
mod stranded;
#[cfg(test)]
mod tests;
mod words;
mod write_ahead_log;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use self::by_hash::ByHash;

pub use self::carve::Bytes;
use self::held::{GROUPS, Held, group_name, group_row, held_groups};
use self::log::GroupRef;
pub use self::reader::Reader;
use self::recent::Recent;
pub use self::salvage::Salvaged;
use self::stranded::Stranded;
use self::words::Unindexed;
use self::write_ahead_log::WriteAheadLog;
use super::{Snapshot, StoreError};
use peer_engine::change::{Genesis, Verified};
use peer_engine::group::{Admitted, ChangeGraph, EntryNo, GroupNo, Node, effective_time};
use peer_engine::id::{ActorId, ChangeHash, MeshId, PeerId};
use peer_engine::store::{Fork, GroupRow, KnownPeer, Sent, Store};

/// The writer. If it is dropped, or the process dies, everything since the last commit is lost.
#[derive(Debug)]
pub struct SqliteStore {
    wal: WriteAheadLog,
    conn: Connection,
    path: PathBuf,
    own: PeerId,
    groups: BTreeMap<GroupNo, Held>,
    recent: Recent,
    stranded: Stranded,
    /// Messages that are not in the full-text index yet.
    words: Unindexed,
    by_hash: ByHash,
    /// A transaction is open.
    writing: bool,
    /// `groups` could not be reloaded after a rollback.
    stale: bool,
}

impl SqliteStore {
    /// Opens the database of the peer `own`; creates it if there is none.
    pub fn open(path: &Path, own: PeerId) -> Result<Self, StoreError> {
        Self::open_settled(path, own, |_| Ok(()))
    }

    /// Opens a database that was not closed, given its write-ahead log. Before anything is written, the log
    /// is moved into the database as far as the disk allows. The log is damaged if it has transactions behind
    /// its readable part.
    pub fn open_unclosed(path: &Path, own: PeerId, log: &mut dyn Bytes) -> Result<Self, StoreError> {
        Self::open_settled(path, own, |conn| write_ahead_log::settle(conn, log))
    }

    fn open_settled(
        path: &Path,
        own: PeerId,
        settle: impl FnOnce(&Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut conn = schema::open_writer(path, settle)?;
        let wal = WriteAheadLog::watch(&mut conn, path)?;
        let groups = held_groups(&conn)?;
        let stranded = Stranded::load(&conn, groups.values().map(Held::key))?;
        let words = Unindexed::load(&conn, &groups)?;
        let (path, recent) = (path.to_owned(), Recent::default());
        let by_hash = ByHash::default();
        Ok(Self {
            wal,
            conn,
            path,
            own,
            groups,
            recent,
            stranded,
            words,
            by_hash,
            writing: false,
            stale: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes a sound database: moves its write-ahead log into it, unless a reader is open. A store that is
    /// only dropped leaves the log as it is, since it may hold what can be read nowhere else.
    pub fn close(mut self) {
        // On a failing disk nothing more can be promised now.
        let _ = self.commit();
        self.wal.close();
        // If that fails, the log stays, and is moved when the database is opened.
        let _ = schema::keep_log_at_close(&self.conn, false);
    }

    /// Opens another connection, which only reads. It sees what is committed.
    pub fn reader(&self, mesh: MeshId) -> Result<Reader, StoreError> {
        Reader::open(&self.path, mesh)
    }

    /// Computes everything derived from the log again, in one transaction. Commits.
    pub fn rebuild(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        self.write(|store| {
            for held in store.groups.values_mut() {
                held.changed = true;
            }
            rebuild::rebuild(&store.conn, store.groups.values_mut().map(|held| &mut held.row))?;
            store.words = Unindexed::default();
            store.by_hash = ByHash::default();
            Ok(())
        })?;
        self.commit()?;
        self.recent = Recent::default();
        self.groups = held_groups(&self.conn)?;
        Ok(())
    }

    /// Stores `snapshot` in place of the group's last one.
    pub fn put_snapshot(&mut self, group: GroupNo, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write(|store| Ok(shelf::put_snapshot(&store.conn, group, snapshot)?))
    }

    /// Every write goes through here: it opens the transaction, and an error ends it.
    fn write<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = self.begin().and_then(|()| f(self));
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if self.writing {
            // Some errors, even of reads, make SQLite end the transaction by itself.
            return if self.conn.is_autocommit() { Err(StoreError::RolledBack) } else { Ok(()) };
        }
        if self.stale {
            self.read_again()?;
            self.stale = false;
        }
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.writing = true;
        Ok(())
    }

    fn roll_back(&mut self) {
        self.words = Unindexed::default();
        self.by_hash = ByHash::default();
        self.recent = Recent::default();
        if self.writing && !self.conn.is_autocommit() {
            // Closing the connection would also roll back; the result does not matter.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        self.writing = false;
        self.stale = self.read_again().is_err();
    }

    fn read_again(&mut self) -> Result<(), StoreError> {
        self.groups = held_groups(&self.conn)?;
        self.stranded = Stranded::load(&self.conn, self.groups.values().map(Held::key))?;
        self.words = Unindexed::load(&self.conn, &self.groups)?;
        Ok(())
    }

    /// Writes what was put off until the commit, and ends the transaction.
    fn end(&mut self) -> Result<(), StoreError> {
        self.words.index_if_due(&self.conn)?;
        self.by_hash.end(&self.conn)?;
        for actor in self.recent.take_changed() {
            index::put_actor(&self.conn, actor)?;
        }
        let mut update = self.conn.prepare_cached(
            "UPDATE grp SET joined = ?2, caught_up = ?3, entries = ?4, heads = ?5 WHERE no = ?1",
        )?;
        for Held { row, .. } in self.groups.values().filter(|held| held.changed) {
            let heads = log::encode_heads(&row.heads);
            update.execute(params![row.no.0, row.joined, row.caught_up, row.entries as i64, heads])?;
        }
        drop(update);
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    /// Adds a group whose row was just written.
    fn hold_group(&mut self, group: GroupNo) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("{GROUPS} WHERE no = ?1"))?;
        let row = statement.query_row([group.0], |row| Ok(group_row(row)))??;
        self.groups.insert(group, Held { row, changed: true, newest_committed: None, newest: None });
        Ok(())
    }

    fn held(&mut self, group: GroupNo) -> Result<&mut Held, StoreError> {
        self.groups.get_mut(&group).ok_or(StoreError::NoGroup(group))
    }

    fn key(&self, group: GroupNo) -> Option<GroupRef> {
        self.groups.get(&group).map(Held::key)
    }
}

impl ChangeGraph for SqliteStore {
    type Error = StoreError;

    fn find(&self, group: GroupNo, hash: &ChangeHash) -> Result<Option<EntryNo>, StoreError> {
        if let Some(no) = self.recent.find(group, hash) {
            return Ok(Some(no));
        }
        let Some(key) = self.key(group) else { return Ok(None) };
        Ok(by_hash::find(&self.conn, key, hash)?.filter(|no| !log::is_stranded(*no)))
    }

    fn node(&self, group: GroupNo, no: EntryNo) -> Result<Option<Node>, StoreError> {
        if let Some(node) = self.recent.node(group, no) {
            return Ok(Some(node.clone()));
        }
        self.key(group).map_or(Ok(None), |key| log::node(&self.conn, key, no))
    }

    fn nodes_below(&self, group: GroupNo, below: EntryNo, limit: usize) -> Result<Vec<Node>, StoreError> {
        self.key(group).map_or(Ok(Vec::new()), |key| log::nodes_below(&self.conn, key, below, limit))
    }

    fn last_of(&self, group: GroupNo, actor: &ActorId) -> Result<(u64, EntryNo), StoreError> {
        let found = match self.recent.actor(group, actor) {
            Some(actor) => Some(actor),
            None => index::actor(&self.conn, group, actor)?,
        };
        Ok(found.map_or((0, EntryNo::GENESIS), |actor| (actor.last_seq, actor.last_no)))
    }
}

impl Store for SqliteStore {
    fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        if self.stale {
            return Err(StoreError::RolledBack);
        }
        Ok(self.groups.values().map(|held| held.row.clone()).collect())
    }

    fn add_group(&mut self, genesis: &Genesis, joined: bool) -> Result<GroupNo, StoreError> {
        let id = genesis.id();
        self.write(|store| {
            if let Some(held) = store.groups.values_mut().find(|held| held.row.id == id) {
                held.changed |= held.row.joined != joined;
                held.row.joined = joined;
                return Ok(held.row.no);
            }
            let no = store.groups.keys().next_back().map_or(1, |last| last.0 + 1);
            if no > log::GROUP_NO_MAX {
                return Err(StoreError::TooManyGroups);
            }
            let heads = vec![EntryNo::GENESIS];
            let mut insert = store.conn.prepare_cached(
                "INSERT INTO grp (no, id, name, genesis, joined, caught_up, entries, heads)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)",
            )?;
            let (name, bytes) = (genesis.name.as_str(), genesis.bytes());
            insert.execute(params![no, &id.0[..], name, bytes, joined, log::encode_heads(&heads)])?;
            drop(insert);
            let (no, name) = (GroupNo(no), genesis.name.clone());
            let row = GroupRow { no, id, name, joined, caught_up: false, heads, entries: 0 };
            let held = Held { row, changed: false, newest_committed: None, newest: None };
            store.groups.insert(no, held);
            Ok(no)
        })
    }

    fn set_joined(&mut self, group: GroupNo, joined: bool) -> Result<(), StoreError> {
        self.write(|store| {
            let held = store.held(group)?;
            held.row.joined = joined;
            held.changed = true;
            Ok(())
        })
    }

    fn set_caught_up(&mut self, group: GroupNo) -> Result<(), StoreError> {
        self.write(|store| {
            let held = store.held(group)?;
            held.row.caught_up = true;
            held.changed = true;
            Ok(())
        })
    }

    fn append(&mut self, group: GroupNo, change: &Admitted) -> Result<EntryNo, StoreError> {
        self.write(|store| store.append_to_log(group, change))
    }

    fn change(&self, group: GroupNo, no: EntryNo) -> Result<Vec<u8>, StoreError> {
        let key = self.key(group).ok_or(StoreError::NoGroup(group))?;
        match log::read(&self.conn, key, no)? {
            Some(stored) => Ok(stored.bytes),
            None => Err(StoreError::Row { group, no, reason: "there is none" }),
        }
    }

    fn newest(&self, group: GroupNo, limit: usize) -> Result<Vec<EntryNo>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT no FROM entry WHERE grp = ?1 AND no <= ?2 ORDER BY eff DESC, hash DESC LIMIT ?3",
        )?;
        let number = |row: &rusqlite::Row<'_>| Ok(EntryNo(row.get::<_, i64>(0)? as u64));
        let numbers = statement.query_map(params![group.0, log::LAST.0 as i64, limit as i64], number)?;
        let mut numbers: Vec<EntryNo> = numbers.collect::<Result<_, _>>()?;
        numbers.reverse();
        Ok(numbers)
    }

    fn read_together<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let in_transaction = !self.conn.is_autocommit();
        let _ends_when_dropped = if in_transaction { None } else { Some(self.conn.unchecked_transaction()?) };
        read()
    }

    fn is_one_row(error: &StoreError) -> bool {
        matches!(error, StoreError::Row { .. })
    }

    fn hash_by_order(&self, group: GroupNo, no: EntryNo) -> Result<Option<ChangeHash>, StoreError> {
        // The reader that found the damage may have read another database.
        if self.groups.get(&group).is_none_or(|held| no.0 > held.row.entries) {
            return Ok(None);
        }
        let key = self.key(group).ok_or(StoreError::NoGroup(group))?;
        match index::order_key(&self.conn, group, no)? {
            Some((_, hash)) if log::hash(&self.conn, key, no).is_ok_and(|in_row| in_row == hash) => {
                Ok(Some(hash))
            }
            // Only a salvage of the whole database can tell which of them to request.
            _ => Err(nowhere(no)),
        }
    }

    fn repair(&mut self, group: GroupNo, no: EntryNo, change: &Verified) -> Result<(), StoreError> {
        let key = self.key(group).ok_or(StoreError::NoGroup(group))?;
        self.write(|store| {
            store.by_hash.write(&store.conn)?;
            store.recent.forget_entries();
            let mut deps = Vec::with_capacity(change.header().deps.len());
            for hash in &change.header().deps {
                let below = by_hash::find(&store.conn, key, hash)?.filter(|dep| *dep < no);
                let node = below.map(|dep| log::node(&store.conn, key, dep)).transpose()?.flatten();
                deps.push(node.ok_or_else(|| nowhere(no))?);
            }
            let eff = effective_time(change.content().at.millis(), &deps);
            if index::order_key(&store.conn, group, no)? != Some((eff, change.hash())) {
                return Err(nowhere(no));
            }
            let deps: Vec<EntryNo> = deps.iter().map(|dep| dep.no).collect();
            let actor_id = &change.header().actor;
            let actor = match index::actor(&store.conn, group, actor_id)? {
                Some(actor) => actor,
                None => index::add_actor(&store.conn, group, actor_id)?,
            };
            let late = log::is_late(&store.conn, key, no)?;
            let position = log::Position { no, actor: actor.row, deps: &deps, eff, late };
            log::remove(&store.conn, group, no)?;
            log::write(&store.conn, key, change, &position)?;
            store.by_hash.insert(&store.conn, log::row_id(group, no), &change.hash())?;
            // Clients that follow the feed did not get it while it was damaged.
            feed::append(&store.conn, group, no)?;
            store.words.index(&store.conn)?;
            // It may have been damaged when it should have been indexed.
            if let Some(text) = words::words_of(change.content()) {
                words::index_unless_there(&store.conn, log::row_id(group, no), text)?;
            }
            Ok(())
        })
    }

    fn released_by(&mut self, group: GroupNo, stored: &ChangeHash) -> Result<Vec<Verified>, StoreError> {
        if self.stranded.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.key(group).ok_or(StoreError::NoGroup(group))?;
        self.stranded.released_by(&self.conn, key, stored)
    }

    fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        index::forks(&self.conn)
    }

    fn shared_heads(&self, peer: &PeerId, group: GroupNo) -> Result<Vec<ChangeHash>, StoreError> {
        shelf::shared_heads(&self.conn, peer, group)
    }

    fn set_shared_heads(
        &mut self,
        peer: &PeerId,
        group: GroupNo,
        heads: &[ChangeHash],
    ) -> Result<(), StoreError> {
        self.write(|store| Ok(shelf::set_shared_heads(&store.conn, peer, group, heads)?))
    }

    fn peers(&self) -> Result<Vec<KnownPeer>, StoreError> {
        shelf::peers(&self.conn)
    }

    fn put_peer(&mut self, peer: &KnownPeer) -> Result<(), StoreError> {
        self.write(|store| Ok(shelf::put_peer(&store.conn, peer)?))
    }

    fn remove_peer(&mut self, key: &PeerId) -> Result<(), StoreError> {
        self.write(|store| Ok(shelf::remove_peer(&store.conn, key)?))
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(shelf::value(&self.conn, key)?)
    }

    fn set_value(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(|store| Ok(shelf::set_value(&store.conn, key, value)?))
    }

    fn set_read_mark(&mut self, group: GroupNo, arrival: EntryNo) -> Result<(), StoreError> {
        self.write(|store| {
            let arrival = arrival.0.min(store.held(group)?.row.entries);
            Ok(shelf::set_read_mark(&store.conn, group, EntryNo(arrival))?)
        })
    }

    fn sent(&self, key: &str) -> Result<Option<Sent>, StoreError> {
        Ok(sent::sent(&self.conn, key)?)
    }

    fn put_sent(&mut self, key: &str, sent: &Sent) -> Result<(), StoreError> {
        self.write(|store| Ok(sent::put_sent(&store.conn, key, sent)?))
    }

    fn publish(&mut self) -> Result<bool, StoreError> {
        if self.writing {
            self.write(Self::end)?;
            self.writing = false;
            for held in self.groups.values_mut() {
                held.changed = false;
                held.newest_committed = held.newest;
            }
        }
        Ok(self.wal.is_unflushed())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.publish()?;
        self.wal.flush().map_err(|error| StoreError::Unflushed { reason: error.to_string() })
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        if self.words.is_tidy() && self.by_hash.is_tidy() {
            return Ok(false);
        }
        let merged =
            self.write(|store| Ok(store.by_hash.tidy(&store.conn)? || store.words.tidy(&store.conn)?));
        match merged.and_then(|more| self.publish().map(|_| more)) {
            // It can wait: if writing does not work, the next write reports why.
            Err(error) if !error.is_damage() => Ok(false),
            merged => merged,
        }
    }
}

/// More than one row is wrong: log and display order disagree.
fn nowhere(no: EntryNo) -> StoreError {
    StoreError::Damaged { reason: format!("entry {} does not fit the display order", no.0) }
}
