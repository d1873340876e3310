//! A sound database made of a damaged one: every change that can still be read and matches its hash and its
//! signature. Each goes through the gate again, in the order in which it arrived, so that the new log has no gaps and
//! all that is derived is derived anew. What cannot follow, because something beneath it is lost, is kept and shown as
//! [stranded](super::stranded); other peers send what is lost as to anybody who never had it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::carve::{Bytes, Pages, Record};
use super::log::{self, GroupRef};
use super::{SqliteStore, group_name, index, schema};
use crate::change::{Genesis, Unverified, Verified};
use crate::group::{EntryNo, GroupNo, Slot, Verdict, admit};
use crate::id::{ActorId, ChangeHash, GroupName, MeshId, PeerId};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// What was had of a damaged database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries carried over.
    pub entries: u64,
    /// Those of them that are only shown until what is beneath them has come back.
    pub stranded: u64,
}

/// Entries that are looked at to tell which group they are of.
const PROBES: i64 = 200;

impl SqliteStore {
    /// Makes a new database at `path` of the pages in `file` and of its write-ahead log, which are only read. The
    /// new one is whole when this returns and all in its file, which is not flushed; it is of no use after an error.
    pub fn salvage<'a>(
        file: &'a mut dyn Bytes,
        wal: Option<&'a mut dyn Bytes>,
        path: &Path,
        own: PeerId,
        mesh: MeshId,
    ) -> Result<Salvaged, StoreError> {
        let mut store = Self::open(path, own)?;
        schema::write_without_log(&store.conn)?;
        store.begin()?;
        let found = schema::open_scratch()?;
        let (others, doubtful) = (BTreeMap::new(), BTreeMap::new());
        let mut salvage = Salvage { store, found, others, doubtful, done: Salvaged::default() };
        salvage.collect(file, wal)?;
        salvage.recall_own_actor()?;
        salvage.check_small_things()?;
        salvage.groups(mesh)?;
        let Salvage { mut store, done, .. } = salvage;
        // No place in the old order of arrival is one in the new.
        store.conn.execute_batch(
            "DELETE FROM feed;
             DELETE FROM read_mark WHERE grp NOT IN (SELECT no FROM grp);
             DELETE FROM sent WHERE NOT EXISTS (SELECT 1 FROM log
                 WHERE substr(log.hash, 1, 8) = substr(sent.hash, 1, 8) AND log.hash = sent.hash);",
        )?;
        store.commit()?;
        Ok(done)
    }

    /// Takes in what was read of a damaged database. It was late when it arrived, or not; and it was shown at `shown`.
    fn take_again(
        &mut self,
        group: GroupRef,
        change: Verified,
        late: bool,
        shown: i64,
        done: &mut Salvaged,
    ) -> Result<(), StoreError> {
        let mut judged = vec![(change, late)];
        while let Some((change, late)) = judged.pop() {
            let hash = change.hash();
            match admit(self, group.no, change)? {
                Verdict::Admitted(admitted) => {
                    let was_stranded =
                        self.stranded.any_in(group.no) && log::find(&self.conn, group, &hash)?.is_some();
                    let no = self.append(group.no, &admitted)?;
                    if was_stranded {
                        done.stranded -= 1;
                    } else {
                        done.entries += 1;
                        log::set_late(&self.conn, group.no, no, late)?;
                    }
                    judged
                        .extend(self.released_by(group.no, &hash)?.into_iter().map(|change| (change, late)));
                }
                Verdict::Waiting(change, _) if log::find(&self.conn, group, &hash)?.is_none() => {
                    self.strand(group, &change, late, shown)?;
                    done.entries += 1;
                    done.stranded += 1;
                }
                // There already, or not what any peer has ever taken.
                _ => {}
            }
        }
        Ok(())
    }

    fn strand(
        &mut self,
        group: GroupRef,
        change: &Verified,
        late: bool,
        shown: i64,
    ) -> Result<(), StoreError> {
        let mut eff = shown.max(change.content().at.millis());
        for dep in &change.header().deps {
            if let Some(no) = log::find(&self.conn, group, dep)?.filter(|no| *no != EntryNo::GENESIS) {
                eff = log::eff(&self.conn, group.no, no)?.map_or(eff, |below| eff.max(below + 1));
            }
        }
        let row = self.stranded.add(&self.conn, group, change, eff, late)?;
        self.words.extend(index::words_of(change.content()).map(|text| (row, text.to_owned())));
        if self.words.len() >= super::WORDS_HELD_MAX {
            index::insert_words(&self.conn, &mut self.words)?;
        }
        let held = self.held(group.no)?;
        held.newest = held.newest.max(Some((eff, change.hash())));
        Ok(())
    }
}

/// All columns of the log's table; `?1` to `?14`.
const LOG_VALUES: &str = "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

struct Salvage {
    store: SqliteStore,
    /// The records of the log, of actors and of groups, as they were found.
    found: Connection,
    /// What an index says of an actor where its row says something else, or nothing.
    others: BTreeMap<i64, Vec<u8>>,
    /// Rows that are not whole, of which row and order give different hashes; and the one that does not stand in the row
    /// now.
    doubtful: BTreeMap<i64, ChangeHash>,
    done: Salvaged,
}

impl Salvage {
    /// Puts the records back into their tables, told apart by their shape. The newest version of each counts; of the
    /// log, older ones are kept too, in case it turns out not to be whole.
    fn collect<'b>(
        &mut self,
        file: &'b mut dyn Bytes,
        wal: Option<&'b mut dyn Bytes>,
    ) -> Result<(), StoreError> {
        // `was`: the order of display, which knows each entry's hash apart from the log.
        self.found.execute_batch(
            "DROP TABLE actor;
             CREATE TABLE actor (id INTEGER PRIMARY KEY, grp INTEGER, bytes BLOB, last_seq INTEGER, last_no INTEGER) STRICT;
             CREATE TABLE was (grp INTEGER, eff INTEGER, hash BLOB, no INTEGER, PRIMARY KEY (grp, no)) STRICT;
             CREATE TABLE older (id, late, seq, max_op, eff, hash, actor, deps, at, kind, re, sender, signature, body);
             CREATE INDEX older_id ON older (id);",
        )?;
        let mut targets = Vec::new();
        let (found, store) = (&self.found, &self.store.conn);
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
            let sql = format!("INSERT OR IGNORE INTO {table} VALUES ({values})");
            targets.push((conn, has_rowid, columns, sql));
        }
        let log_columns = LOG_VALUES.split(',').count();
        let mut actors = Vec::new();
        let broken = |error: std::io::Error| StoreError::Disk { reason: error.to_string() };
        let mut pages = Pages::open(file, wal, schema::PAGE_BYTES).map_err(broken)?;
        pages.records(|Record { rowid, mut values }| {
            if let (None, [Value::Integer(_), Value::Blob(bytes), Value::Integer(id)]) = (rowid, &*values)
                && bytes.len() == ActorId::BYTES
            {
                actors.push((*id, bytes.clone()));
                return Ok::<_, Failure>(());
            }
            // The key of a table with row ids stands beside its record.
            if let (Some(rowid), Some(first)) = (rowid, values.first_mut()) {
                *first = Value::Integer(rowid);
            }
            if rowid.is_some() && values.len() == log_columns {
                return Ok(put_in_log(found, &values)?);
            }
            for (conn, has_rowid, columns, sql) in &targets {
                if *has_rowid == rowid.is_some() && *columns == values.len() {
                    put(conn, sql, &values)?;
                }
            }
            Ok(())
        })?;
        for (id, bytes) in actors {
            let known: Option<Vec<u8>> = found
                .prepare_cached("SELECT bytes FROM actor WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            if known.as_ref() != Some(&bytes) {
                self.others.insert(id, bytes);
            }
        }
        Ok(())
    }

    /// An actor of whom neither row nor index is left may be the one that this peer wrote with last, which is kept apart.
    fn recall_own_actor(&mut self) -> Result<(), StoreError> {
        let mut statement =
            self.store.conn.prepare("SELECT substr(key, 8), value FROM value WHERE key LIKE 'writer/%'")?;
        let writers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (group, value) in writers.collect::<Result<Vec<(String, Vec<u8>)>, _>>()? {
            let Some(actor) = value.get(32..32 + ActorId::BYTES) else { continue };
            let mut unknown = self.found.prepare_cached(
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

    /// What no hash covers is kept only where it is of the right shape.
    fn check_small_things(&self) -> Result<(), StoreError> {
        self.found.execute_batch(
            "DELETE FROM actor WHERE length(bytes) <> 40;
             DELETE FROM was WHERE length(hash) <> 32 OR no <= 0;",
        )?;
        let conn = &self.store.conn;
        conn.execute_batch(
            "DELETE FROM peer WHERE length(key) <> 32;
             -- The next writer is a new actor: what an old one last wrote may be lost.
             DELETE FROM value WHERE key LIKE 'writer/%' OR key = 'owner';",
        )?;
        for peer in super::shelf::peers(conn)? {
            if !peer.addresses.iter().all(|address| crate::wire::address::check(address).is_ok()) {
                super::shelf::remove_peer(conn, &peer.key)?;
            }
        }
        Ok(())
    }

    /// The directory first, since it names the others.
    fn groups(&mut self, mesh: MeshId) -> Result<(), StoreError> {
        let directory = Genesis::public(mesh, GroupName::directory());
        let mut known = self.held(mesh)?;
        let mut unknown: BTreeSet<GroupNo> = self.numbers()?;
        unknown.retain(|no| !known.contains_key(no));
        if !known.values().any(|genesis| *genesis == directory) {
            self.recognise(&mut unknown, &mut known, &directory)?;
        }
        let first = known.iter().find(|(_, genesis)| **genesis == directory).map(|(no, _)| *no);
        if let Some(no) = first {
            self.carry_over(no, &directory)?;
        }
        for name in self.names()? {
            let genesis = Genesis::public(mesh, name);
            if !known.values().any(|other| *other == genesis) {
                self.recognise(&mut unknown, &mut known, &genesis)?;
            }
        }
        for (no, genesis) in known.iter().filter(|(no, _)| Some(**no) != first) {
            self.carry_over(*no, genesis)?;
        }
        Ok(())
    }

    /// The groups whose rows say what their ids say.
    fn held(&self, mesh: MeshId) -> Result<BTreeMap<GroupNo, Genesis>, StoreError> {
        let mut statement = self.found.prepare("SELECT no, id, name FROM grp ORDER BY no")?;
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

    /// Groups of which there are entries.
    fn numbers(&self) -> Result<BTreeSet<GroupNo>, StoreError> {
        let mut numbers = BTreeSet::new();
        let mut next = self.found.prepare("SELECT id FROM log WHERE id >= ?1 ORDER BY id LIMIT 1")?;
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

    fn names(&self) -> Result<Vec<GroupName>, StoreError> {
        let mut statement = self.store.conn.prepare("SELECT DISTINCT key FROM register WHERE slot = ?1")?;
        let keys = statement.query_map([Slot::Group.as_str()], |row| row.get::<_, Vec<u8>>(0))?;
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        Ok(keys.iter().filter_map(|key| std::str::from_utf8(key).ok()?.parse().ok()).collect())
    }

    /// A group whose own row is lost is known by what its authors signed it for.
    fn recognise(
        &mut self,
        unknown: &mut BTreeSet<GroupNo>,
        known: &mut BTreeMap<GroupNo, Genesis>,
        genesis: &Genesis,
    ) -> Result<(), StoreError> {
        for no in unknown.clone() {
            let group = GroupRef { no, id: genesis.id() };
            for entry in self.candidates(no, EntryNo::GENESIS, PROBES)? {
                let Some((change, ..)) = self.rebuilt(group, entry)? else { continue };
                // What can be rebuilt is signed for one group.
                if change.verify(group.id).is_ok() {
                    unknown.remove(&no);
                    known.insert(no, genesis.clone());
                    return Ok(());
                }
                break;
            }
        }
        Ok(())
    }

    /// Numbers beyond `after` of which anything is known.
    fn candidates(&self, group: GroupNo, after: EntryNo, limit: i64) -> Result<Vec<EntryNo>, StoreError> {
        let mut statement = self
            .found
            .prepare_cached("SELECT id FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3")?;
        let (from, to) = (log::row_id(group, after), log::row_id(group, EntryNo(u64::MAX)));
        let numbers = statement.query_map([from, to, limit], |row| Ok(log::no_of(row.get(0)?)))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Goes through the group in the order of arrival.
    fn carry_over(&mut self, no: GroupNo, genesis: &Genesis) -> Result<(), StoreError> {
        let group = GroupRef { no, id: genesis.id() };
        self.add_group(no, genesis)?;
        self.fill_from_order(no)?;
        let mark = super::shelf::read_mark(&self.store.conn, no)?;
        let (mut after, mut last, mut read, mut end) =
            (EntryNo::GENESIS, EntryNo::GENESIS, EntryNo::GENESIS, false);
        while !end {
            let batch = self.candidates(no, after, 1000)?;
            end = batch.is_empty();
            for entry in batch {
                after = entry;
                if !log::is_stranded(entry) {
                    last = entry;
                }
                let Some((change, late, eff)) = self.read_by_any_hash(group, entry)? else { continue };
                let shown = self.shown_at(no, entry, eff, &change)?;
                self.store.take_again(group, change, late, shown, &mut self.done)?;
                if entry <= mark {
                    read = EntryNo(self.store.held(no)?.row.entries);
                }
            }
        }
        if mark > EntryNo::GENESIS {
            // What is stranded counts as read when it is back, if all was.
            let all = mark >= last || !self.store.stranded.any_in(no);
            let read = if all { read.0 } else { read.0.saturating_sub(1) };
            super::shelf::set_read_mark(&self.store.conn, no, EntryNo(read))?;
        }
        Ok(())
    }

    /// Under the number that it had, since other things go by that.
    fn add_group(&mut self, no: GroupNo, genesis: &Genesis) -> Result<(), StoreError> {
        let states: Option<(bool, bool)> = self
            .found
            .query_row(
                "SELECT joined, caught_up FROM grp WHERE no = ?1 AND id = ?2",
                params![no.0, &genesis.id().0[..]],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (joined, caught_up) = states.unwrap_or((true, true));
        self.store.conn.execute(
            "INSERT INTO grp (no, id, name, genesis, joined, caught_up, entries, heads)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
            params![
                no.0,
                &genesis.id().0[..],
                genesis.name.as_str(),
                genesis.bytes(),
                joined,
                caught_up,
                log::encode_heads(&[EntryNo::GENESIS])
            ],
        )?;
        self.store.hold_group(no)
    }

    /// Where a row is gone, its hash may still stand in the order: what names it can be rebuilt.
    fn fill_from_order(&self, group: GroupNo) -> Result<(), StoreError> {
        self.found.execute(
            "INSERT OR IGNORE INTO log
             (id, late, seq, max_op, eff, hash, actor, deps, at, signature, body)
             SELECT (grp << 40) | no, 0, 0, 0, 0, hash, 0, x'', 0, zeroblob(64), ''
             FROM was WHERE grp = ?1 AND no < (1 << 40)",
            [group.0],
        )?;
        Ok(())
    }

    /// The change in this row, whether it was late, and the row's word for its effective time; if it is whole by the
    /// row's own word for its hash, by that of the order, or in an older version. What is not whole keeps the likelier
    /// hash, for those that name it.
    fn read_by_any_hash(&mut self, group: GroupRef, no: EntryNo) -> Result<Option<Found>, StoreError> {
        if let Some(found) = self.read(group, no)? {
            return Ok(Some(found));
        }
        let id = log::row_id(group.no, no);
        let in_row = log::hash(&self.found, group, no).ok();
        if let Some(found) = self.read_by_doubtful(group, no)? {
            return Ok(Some(found));
        }
        let actor: Option<i64> =
            self.found.query_row("SELECT actor FROM log WHERE id = ?1", [id], |row| row.get(0)).optional()?;
        let by_order = self.in_order(group.no, no)?.map(|(_, hash)| hash);
        if let Some(hash) = by_order {
            self.set_hash(id, &hash)?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
        }
        if let Some(actor) = actor {
            // Either row or index is right about the actor.
            self.swap_actor(group.no, actor)?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
            self.swap_actor(group.no, actor)?;
        }
        let found = self.read_older(group, no, by_order)?;
        if let (None, Some(by_order), Some(in_row)) = (&found, by_order, in_row)
            && by_order != in_row
        {
            self.doubtful.insert(id, in_row);
        }
        Ok(found)
    }

    /// It may name a row of which two hashes are known.
    fn read_by_doubtful(&mut self, group: GroupRef, no: EntryNo) -> Result<Option<Found>, StoreError> {
        if self.doubtful.is_empty() {
            return Ok(None);
        }
        for dep in log::deps(&self.found, group, no)? {
            let id = log::row_id(group.no, dep);
            let Some(other) = self.doubtful.get(&id).copied() else { continue };
            let current = log::hash(&self.found, group, dep)?;
            self.set_hash(id, &other)?;
            if let Some(found) = self.read(group, no)? {
                self.doubtful.remove(&id);
                return Ok(Some(found));
            }
            self.set_hash(id, &current)?;
        }
        Ok(None)
    }

    fn swap_actor(&mut self, group: GroupNo, actor: i64) -> Result<(), StoreError> {
        let Some(other) = self.others.remove(&actor) else { return Ok(()) };
        let mut statement = self.found.prepare_cached("SELECT bytes FROM actor WHERE id = ?1")?;
        let held: Option<Vec<u8>> = statement.query_row([actor], |row| row.get(0)).optional()?;
        self.others.insert(actor, held.unwrap_or_default());
        self.found
            .prepare_cached(
                "INSERT OR REPLACE INTO actor (id, grp, bytes, last_seq, last_no) VALUES (?1, ?2, ?3, 0, 0)",
            )?
            .execute(params![actor, group.0, other])?;
        Ok(())
    }

    fn read_older(
        &mut self,
        group: GroupRef,
        no: EntryNo,
        by_order: Option<ChangeHash>,
    ) -> Result<Option<Found>, StoreError> {
        let id = log::row_id(group.no, no);
        let mut statement =
            self.found.prepare_cached("SELECT rowid FROM older WHERE id = ?1 ORDER BY rowid")?;
        let versions = statement.query_map([id], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let newest = log::hash(&self.found, group, no).ok();
        for version in versions {
            let replace = "INSERT OR REPLACE INTO log SELECT * FROM older WHERE rowid = ?1";
            put(&self.found, replace, &[Value::Integer(version)])?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
        }
        if let Some(hash) = by_order.or(newest) {
            self.set_hash(id, &hash)?;
        }
        Ok(None)
    }

    fn read(&self, group: GroupRef, no: EntryNo) -> Result<Option<Found>, StoreError> {
        let rebuilt = self.rebuilt(group, no)?;
        Ok(rebuilt.and_then(|(change, late, eff)| Some((change.verify(group.id).ok()?, late, eff))))
    }

    /// Matches its hash.
    fn rebuilt(&self, group: GroupRef, no: EntryNo) -> Result<Option<(Unverified, bool, i64)>, StoreError> {
        match log::read(&self.found, group, no) {
            Ok(stored) => Ok(stored
                .and_then(|stored| Some((Unverified::decode(&stored.bytes).ok()?, stored.late, stored.eff)))),
            Err(StoreError::Row { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its effective time as far as it can be told without what is beneath it: what its row says, or the order. Where
    /// they differ, the earlier that can be.
    fn shown_at(
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

    fn in_order(&self, group: GroupNo, no: EntryNo) -> Result<Option<index::OrderKey>, StoreError> {
        let mut statement =
            self.found.prepare_cached("SELECT eff, hash FROM was WHERE grp = ?1 AND no = ?2")?;
        let key = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, ChangeHash(row.get(1)?)));
        Ok(statement.query_row(params![group.0, no.0 as i64], key).optional()?)
    }

    fn set_hash(&self, id: i64, hash: &ChangeHash) -> Result<(), StoreError> {
        let mut update = self.found.prepare_cached("UPDATE log SET hash = ?2 WHERE id = ?1")?;
        update.execute(params![id, &hash.0[..]])?;
        Ok(())
    }
}

/// A change, whether it was late, and its effective time as it stood in its row.
type Found = (Verified, bool, i64);

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

/// A record that does not fit the table's types is none of its own.
fn put(conn: &Connection, sql: &str, values: &[Value]) -> Result<(), StoreError> {
    match conn.prepare_cached(sql)?.execute(params_from_iter(values)) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::TypeMismatch => {
            Ok(())
        }
        done => Ok(done.map(drop)?),
    }
}

/// Either side of the copy.
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
