//! The records found in a damaged database, put back into tables, from which a salvage chooses.

use std::collections::{BTreeMap, BTreeSet};

use peer_engine::change::{Genesis, Verified};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ActorId, ChangeHash, MeshId};
use peer_engine::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::super::carve::{Bytes, Pages, Record};
use super::super::log;
use super::super::{group_name, schema};
use crate::store::StoreError;

const LOG_COLUMNS: usize = 14;
/// All columns of the log's table, as `?1` to `?14`.
const LOG_VALUES: &str = "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Records as they were found: of the log, actors and groups.
pub(super) struct Found {
    pub(super) tables: Connection,
    /// The id of an actor by its index, where its row has another or is lost.
    pub(super) others: BTreeMap<i64, Vec<u8>>,
    /// Damaged rows of the log for which row and display order give different hashes; the value is the hash
    /// that the row does not hold now.
    pub(super) doubtful: BTreeMap<i64, ChangeHash>,
}

impl Found {
    pub fn open() -> Result<Self, StoreError> {
        Ok(Self { tables: schema::open_scratch()?, others: BTreeMap::new(), doubtful: BTreeMap::new() })
    }

    /// Puts the records back into their tables, which it recognizes by their shape. The newest version of a
    /// record is used; older versions of log rows are kept too, in case the newest is damaged.
    pub fn collect<'b>(
        &mut self,
        store: &Connection,
        file: &'b mut dyn Bytes,
        wal: Option<&'b mut dyn Bytes>,
    ) -> Result<(), StoreError> {
        // `was` is the display order, which holds each entry's hash independently of the log.
        self.tables.execute_batch(
            "DROP TABLE actor;
             CREATE TABLE actor (id INTEGER PRIMARY KEY, grp INTEGER, bytes BLOB, last_seq INTEGER, last_no INTEGER) STRICT;
             CREATE TABLE was (grp INTEGER, eff INTEGER, hash BLOB, no INTEGER, PRIMARY KEY (grp, no)) STRICT;
             CREATE TABLE older (id, late, seq, max_op, eff, hash, actor, deps, at, kind, re, sender, signature, body);
             CREATE INDEX older_id ON older (id);",
        )?;
        let targets = Targets::of(&self.tables, store)?;
        let mut actors = Vec::new();
        let broken = |error: std::io::Error| StoreError::Disk { reason: error.to_string() };
        let mut pages = Pages::open(file, wal, schema::PAGE_BYTES).map_err(broken)?;
        pages.records(|record| Ok::<_, Failure>(targets.put(record, &mut actors)?))?;
        // Records that no hash covers are kept only if they have the right shape.
        self.tables.execute_batch(
            "DELETE FROM actor WHERE length(bytes) <> 40;
             DELETE FROM was WHERE length(hash) <> 32 OR no <= 0;",
        )?;
        for (id, bytes) in actors {
            let known: Option<Vec<u8>> = self
                .tables
                .prepare_cached("SELECT bytes FROM actor WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            if known.as_ref() != Some(&bytes) {
                self.others.insert(id, bytes);
            }
        }
        Ok(())
    }

    /// If both row and index of an actor are lost, it may be the actor that this peer last wrote with, which
    /// is stored separately too.
    pub fn recall_own_actor(&mut self, store: &Connection) -> Result<(), StoreError> {
        let mut statement =
            store.prepare("SELECT substr(key, 8), value FROM value WHERE key LIKE 'writer/%'")?;
        let writers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (group, value) in writers.collect::<Result<Vec<(String, Vec<u8>)>, _>>()? {
            let Some(actor) = value.get(32..32 + ActorId::BYTES) else { continue };
            let mut unknown = self.tables.prepare_cached(
                "SELECT DISTINCT actor FROM log WHERE id > ?1 AND id <= ?2 AND actor NOT IN (SELECT id FROM actor)",
            )?;
            let Ok(group) = group.parse().map(GroupNo) else { continue };
            let rows = [EntryNo::GENESIS, EntryNo(u64::MAX)].map(|no| log::row_id(group, no));
            for id in unknown.query_map(rows, |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()? {
                self.others.entry(id).or_insert_with(|| actor.to_vec());
            }
        }
        Ok(())
    }

    /// The groups whose rows match their ids.
    pub fn held(&self, mesh: MeshId) -> Result<BTreeMap<GroupNo, Genesis>, StoreError> {
        let mut statement = self.tables.prepare("SELECT no, id, name FROM grp ORDER BY no")?;
        let mut rows = statement.query([])?;
        let mut held = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (no, id, name): (i64, Vec<u8>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (Ok(no), Ok(name)) = (u32::try_from(no), group_name(&name)) else { continue };
            let genesis = Genesis::public(mesh, name);
            if id == genesis.id().0 && (1..=log::GROUP_NO_MAX).contains(&no) {
                held.insert(GroupNo(no), genesis);
            }
        }
        Ok(held)
    }

    /// The groups that have entries.
    pub fn numbers(&self) -> Result<BTreeSet<GroupNo>, StoreError> {
        let mut numbers = BTreeSet::new();
        let mut next = self.tables.prepare("SELECT id FROM log WHERE id >= ?1 ORDER BY id LIMIT 1")?;
        let mut from = 0;
        while let Some(id) = next.query_row([from], |row| row.get::<_, i64>(0)).optional()? {
            let no = log::group_of(id);
            numbers.insert(no);
            if no.0 >= log::GROUP_NO_MAX {
                break;
            }
            from = log::row_id(GroupNo(no.0 + 1), EntryNo::GENESIS);
        }
        Ok(numbers)
    }

    /// The numbers above `after` for which any record was found.
    pub fn candidates(&self, group: GroupNo, after: EntryNo, limit: i64) -> Result<Vec<EntryNo>, StoreError> {
        let mut statement = self
            .tables
            .prepare_cached("SELECT id FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3")?;
        let (from, to) = (log::row_id(group, after), log::row_id(group, EntryNo(u64::MAX)));
        let numbers = statement.query_map([from, to, limit], |row| Ok(log::no_of(row.get(0)?)))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Where a row is lost, the display order may still hold its hash, with which entries that depend on it
    /// can be rebuilt.
    pub fn fill_from_order(&self, group: GroupNo) -> Result<(), StoreError> {
        self.tables.execute(
            "INSERT OR IGNORE INTO log
             (id, late, seq, max_op, eff, hash, actor, deps, at, signature, body)
             SELECT (grp << 40) | no, 0, 0, 0, 0, hash, 0, x'', 0, zeroblob(64), ''
             FROM was WHERE grp = ?1 AND no < (1 << 40)",
            [group.0],
        )?;
        Ok(())
    }

    pub(super) fn in_order(&self, group: GroupNo, no: EntryNo) -> Result<Option<log::OrderKey>, StoreError> {
        let mut statement =
            self.tables.prepare_cached("SELECT eff, hash FROM was WHERE grp = ?1 AND no = ?2")?;
        let key = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, ChangeHash(row.get(1)?)));
        Ok(statement.query_row(params![group.0, no.0 as i64], key).optional()?)
    }

    pub(super) fn set_hash(&self, id: i64, hash: &ChangeHash) -> Result<(), StoreError> {
        let mut update = self.tables.prepare_cached("UPDATE log SET hash = ?2 WHERE id = ?1")?;
        update.execute(params![id, &hash.0[..]])?;
        Ok(())
    }

    /// The effective time of an entry, as far as it is known without its dependencies: from its row or from
    /// the display order. If they differ, the earlier possible one.
    pub fn shown_at(
        &self,
        group: GroupNo,
        no: EntryNo,
        in_row: i64,
        change: &Verified,
    ) -> Result<i64, StoreError> {
        let in_order = self.in_order(group, no)?.filter(|(_, hash)| *hash == change.hash());
        let at = change.content().at.millis();
        let can_be = |eff: &i64| *eff >= at && Timestamp::from_millis(*eff).is_some();
        let said = [Some(in_row), in_order.map(|(eff, _)| eff)].into_iter().flatten();
        Ok(said.filter(can_be).min().unwrap_or(at))
    }
}

/// The tables that records are put back into: those that a salvage examines, and those that are copied as
/// they are.
struct Targets<'a> {
    found: &'a Connection,
    others: Vec<Target<'a>>,
}

struct Target<'a> {
    conn: &'a Connection,
    has_rowid: bool,
    columns: usize,
    insert: String,
}

impl<'a> Targets<'a> {
    fn of(found: &'a Connection, store: &'a Connection) -> Result<Self, StoreError> {
        let mut others = Vec::new();
        for (conn, table, has_rowid) in [
            (found, "actor", true),
            (found, "grp", true),
            (found, "was", false),
            (store, "read_mark", true),
            (store, "sent", true),
            (store, "peer", false),
            (store, "value", false),
        ] {
            let columns: usize =
                conn.query_row("SELECT count(*) FROM pragma_table_info(?1)", [table], |row| {
                    Ok(row.get::<_, i64>(0)? as usize)
                })?;
            let values = vec!["?"; columns].join(", ");
            let insert = format!("INSERT OR IGNORE INTO {table} VALUES ({values})");
            others.push(Target { conn, has_rowid, columns, insert });
        }
        Ok(Self { found, others })
    }

    /// Inserts a record into every table whose shape it has. The id that an index gives for an actor goes to
    /// `actors`.
    fn put(&self, record: Record, actors: &mut Vec<(i64, Vec<u8>)>) -> Result<(), StoreError> {
        let Record { rowid, mut values } = record;
        if let (None, [Value::Integer(_), Value::Blob(bytes), Value::Integer(id)]) = (rowid, &*values)
            && bytes.len() == ActorId::BYTES
        {
            actors.push((*id, bytes.clone()));
            return Ok(());
        }
        // In a table with row ids, the key is stored beside the record.
        if let (Some(rowid), Some(first)) = (rowid, values.first_mut()) {
            *first = Value::Integer(rowid);
        }
        // A row of the feed, which is not copied, looks like a read mark, except for the group number in it.
        if let (Some(_), [_, Value::Integer(row)]) = (rowid, &*values)
            && log::group_of(*row) != GroupNo(0)
        {
            return Ok(());
        }
        if rowid.is_some() && values.len() == LOG_COLUMNS {
            return put_in_log(self.found, &values);
        }
        for Target { conn, has_rowid, columns, insert } in &self.others {
            if *has_rowid == rowid.is_some() && *columns == values.len() {
                put(conn, insert, &values)?;
            }
        }
        Ok(())
    }
}

fn put_in_log(conn: &Connection, values: &[Value]) -> Result<(), StoreError> {
    put(conn, &format!("INSERT OR IGNORE INTO log VALUES {LOG_VALUES}"), values)?;
    let same = "SELECT 1 FROM log WHERE id = ?1 AND seq = ?3 AND max_op = ?4 AND eff = ?5 AND hash = ?6
        AND actor = ?7 AND deps = ?8 AND at = ?9 AND kind IS ?10 AND re IS ?11 AND sender IS ?12
        AND signature = ?13 AND body = ?14 AND ?2 IS NOT NULL";
    if !conn.prepare_cached(same)?.exists(params_from_iter(values))? {
        put(conn, &format!("INSERT INTO older VALUES {LOG_VALUES}"), values)?;
    }
    Ok(())
}

/// Ignores a record that does not fit the table's types: it belongs to another table.
pub(super) fn put(conn: &Connection, sql: &str, values: &[Value]) -> Result<(), StoreError> {
    match conn.prepare_cached(sql)?.execute(params_from_iter(values)) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::TypeMismatch => {
            Ok(())
        }
        done => Ok(done.map(drop)?),
    }
}

/// An error on either side of the copy.
struct Failure(StoreError);

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(StoreError::Disk { reason: error.to_string() })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}
