//! A sound database made of a damaged one: every change that can still be read and matches its hash and its
//! signature, under the number that it had. All that is derived is derived again.
//!
//! Where a change cannot be had, a damaged row stands in its place, under its hash where that is known: the others go
//! on as before, and it is fetched by name from a peer that has it, as any damaged row is. What came after
//! the last change that could be had is as if it had never arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::carve::{Bytes, Pages, Record};
use super::log::{self, GroupRef, Stored};
use super::{SqliteStore, group_name, index, rebuild, schema};
use crate::change::{Genesis, Unverified};
use crate::group::{EntryNo, GroupNo, Slot, effective_time};
use crate::id::{ActorId, ChangeHash, GroupName, MeshId, PeerId};
use crate::limits::DEPS_MAX;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What was had of a damaged database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries carried over.
    pub entries: u64,
    /// Those of which only the place is known.
    pub missing: Vec<(GroupNo, EntryNo)>,
}

/// Entries that are looked at to tell which group they are of.
const PROBES: i64 = 200;

impl SqliteStore {
    /// Makes a new database at `path` of the pages in `file` and of its write-ahead log, which are only read. The
    /// new one is whole when this returns, and of no use after an error.
    pub fn salvage<'a>(
        file: &'a mut dyn Bytes,
        wal: Option<&'a mut dyn Bytes>,
        path: &Path,
        own: PeerId,
        mesh: MeshId,
    ) -> Result<(Self, Salvaged), StoreError> {
        let conn = schema::open_writer(path)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut salvage = Salvage { conn: &conn, others: BTreeMap::new(), done: Salvaged::default() };
        salvage.collect(file, wal)?;
        salvage.check_small_things()?;
        salvage.groups(mesh)?;
        let done = salvage.done;
        conn.execute_batch(
            "DELETE FROM read_mark WHERE arrival > (SELECT entries FROM grp WHERE grp.no = read_mark.grp);
             DELETE FROM sent WHERE NOT EXISTS (SELECT 1 FROM log
                 WHERE substr(log.hash, 1, 8) = substr(sent.hash, 1, 8) AND log.hash = sent.hash);
             DROP TABLE temp.was;
             COMMIT",
        )?;
        drop(conn);
        Ok((Self::open(path, own)?, done))
    }
}

struct Salvage<'a> {
    conn: &'a Connection,
    /// What an index says of an actor where its row says something else, or nothing.
    others: BTreeMap<i64, Vec<u8>>,
    done: Salvaged,
}

impl Salvage<'_> {
    /// Puts the records back into their tables, told apart by their shape. The newest version of each counts.
    fn collect<'b>(
        &mut self,
        file: &'b mut dyn Bytes,
        wal: Option<&'b mut dyn Bytes>,
    ) -> Result<(), StoreError> {
        // `was`: the order of display, which knows each entry's hash apart from the log.
        self.conn.execute_batch(
            "CREATE TEMP TABLE was (grp INTEGER, eff INTEGER, hash BLOB, no INTEGER, PRIMARY KEY (grp, no)) STRICT;",
        )?;
        let mut targets = Vec::new();
        let tables = ["log", "actor", "grp", "read_mark", "sent"].map(|table| (table, true));
        let without_row_ids = ["was", "peer", "value"].map(|table| (table, false));
        for (table, has_rowid) in tables.into_iter().chain(without_row_ids) {
            let columns: usize =
                self.conn.query_row("SELECT count(*) FROM pragma_table_info(?1)", [table], |row| {
                    Ok(row.get::<_, i64>(0)? as usize)
                })?;
            let values = vec!["?"; columns].join(", ");
            targets.push((has_rowid, columns, format!("INSERT OR IGNORE INTO {table} VALUES ({values})")));
        }
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
            for (has_rowid, columns, sql) in &targets {
                if *has_rowid == rowid.is_some() && *columns == values.len() {
                    put(self.conn, sql, &values)?;
                }
            }
            Ok(())
        })?;
        for (id, bytes) in actors {
            let known: Option<Vec<u8>> = self
                .conn
                .prepare_cached("SELECT bytes FROM actor WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            if known.as_ref() != Some(&bytes) {
                self.others.insert(id, bytes);
            }
        }
        Ok(())
    }

    /// What no hash covers is kept only where it is of the right shape.
    fn check_small_things(&self) -> Result<(), StoreError> {
        self.conn.execute_batch(
            "DELETE FROM actor WHERE length(bytes) <> 40;
             UPDATE actor SET last_seq = 0, last_no = 0;
             DELETE FROM peer WHERE length(key) <> 32;
             DELETE FROM was WHERE length(hash) <> 32 OR no <= 0;
             -- The next writer is a new actor: what an old one last wrote may be lost.
             DELETE FROM value WHERE key LIKE 'writer/%' OR key = 'owner';",
        )?;
        for peer in super::shelf::peers(self.conn)? {
            if !peer.addresses.iter().all(|address| crate::wire::address::check(address).is_ok()) {
                super::shelf::remove_peer(self.conn, &peer.key)?;
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
            self.mend(no, &directory)?;
        }
        for name in self.names()? {
            let genesis = Genesis::public(mesh, name);
            if !known.values().any(|other| *other == genesis) {
                self.recognise(&mut unknown, &mut known, &genesis)?;
            }
        }
        for (no, genesis) in known.iter().filter(|(no, _)| Some(**no) != first) {
            self.mend(*no, genesis)?;
        }
        for no in unknown {
            self.forget(no, EntryNo(1))?;
            self.conn.execute("DELETE FROM grp WHERE no = ?1", [no.0])?;
        }
        Ok(())
    }

    /// The groups whose rows say what their ids say.
    fn held(&self, mesh: MeshId) -> Result<BTreeMap<GroupNo, Genesis>, StoreError> {
        let mut statement = self.conn.prepare("SELECT no, id, name FROM grp ORDER BY no")?;
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

    fn numbers(&self) -> Result<BTreeSet<GroupNo>, StoreError> {
        let mut numbers = BTreeSet::new();
        let mut next = self.conn.prepare("SELECT id FROM log WHERE id >= ?1 ORDER BY id LIMIT 1")?;
        let mut from = 0;
        while let Some(id) = next.query_row([from], |row| row.get::<_, i64>(0)).optional()? {
            let no = log::group_of(id);
            numbers.insert(no);
            if no.0 >= log::GROUP_NO_MAX {
                break;
            }
            from = log::row_id(GroupNo(no.0 + 1), EntryNo::GENESIS);
        }
        let mut rows = self.conn.prepare("SELECT no FROM grp")?;
        let rows = rows.query_map([], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
        numbers.extend(rows.into_iter().filter_map(|no| u32::try_from(no).ok()).map(GroupNo));
        Ok(numbers)
    }

    fn names(&self) -> Result<Vec<GroupName>, StoreError> {
        let mut statement = self.conn.prepare("SELECT DISTINCT key FROM register WHERE slot = ?1")?;
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
                if self.read(group, entry)?.is_some() {
                    unknown.remove(&no);
                    known.insert(no, genesis.clone());
                    self.conn.execute(
                        "INSERT OR REPLACE INTO grp (no, id, name, genesis, joined, caught_up, entries, heads)
                         VALUES (?1, ?2, ?3, ?4, 1, 1, 0, x'')",
                        params![no.0, &genesis.id().0[..], genesis.name.as_str(), genesis.bytes()],
                    )?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Numbers beyond `after` of which anything is known.
    fn candidates(&self, group: GroupNo, after: EntryNo, limit: i64) -> Result<Vec<EntryNo>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT id FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3")?;
        let (from, to) = (log::row_id(group, after), log::row_id(group, EntryNo(u64::MAX)));
        let numbers = statement.query_map([from, to, limit], |row| Ok(log::no_of(row.get(0)?)))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Goes through the group in the order of arrival. A change that is whole takes its place; those before it
    /// that are not are left as gaps.
    fn mend(&mut self, no: GroupNo, genesis: &Genesis) -> Result<(), StoreError> {
        let group = GroupRef { no, id: genesis.id() };
        self.fill_from_order(no)?;
        let mut state = Replay::new();
        let mut words = Vec::new();
        let (mut after, mut end) = (EntryNo::GENESIS, false);
        while !end {
            let batch = self.candidates(no, after, 1000)?;
            end = batch.is_empty();
            for entry in batch {
                after = entry;
                let Some(stored) = self.read_by_any_hash(group, entry)? else { continue };
                // Two places for one entry: it keeps the first.
                if log::find(self.conn, group, &stored.hash)?.is_some_and(|first| first < entry) {
                    continue;
                }
                while state.next < entry {
                    let gap = state.next;
                    self.leave_gap(group, gap, &mut state)?;
                }
                if let Some(text) = index::words_of(&stored.change.content) {
                    words.push((log::row_id(no, entry), text.to_owned()));
                }
                if words.len() >= super::WORDS_HELD_MAX {
                    index::insert_words(self.conn, &mut words)?;
                }
                self.keep(group, stored, &mut state)?;
            }
        }
        index::insert_words(self.conn, &mut words)?;
        self.forget(no, state.next)?;
        self.conn.execute(
            "UPDATE grp SET genesis = ?2, entries = ?3, heads = ?4 WHERE no = ?1",
            params![no.0, genesis.bytes(), state.next.0 as i64 - 1, log::encode_heads(&state.heads)],
        )?;
        Ok(())
    }

    /// Where a row is gone, its hash may still stand in the order.
    fn fill_from_order(&self, group: GroupNo) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR IGNORE INTO log
             (id, late, seq, max_op, eff, hash, actor, deps, at, signature, body)
             SELECT (grp << 40) | no, 0, 0, 0, 0, hash, 0, x'', 0, zeroblob(64), ''
             FROM temp.was WHERE grp = ?1 AND no < (1 << 40)",
            [group.0],
        )?;
        Ok(())
    }

    /// The change in this row, if it is whole: by the row's own word for its hash, or by that of the order. What
    /// is not whole keeps the likelier one.
    fn read_by_any_hash(&mut self, group: GroupRef, no: EntryNo) -> Result<Option<Stored>, StoreError> {
        if let Some(stored) = self.read(group, no)? {
            return Ok(Some(stored));
        }
        let id = log::row_id(group.no, no);
        if let Some(hash) = self.in_order(group.no, no)?.map(|(_, hash)| hash) {
            self.set_hash(id, &hash)?;
            if let Some(stored) = self.read(group, no)? {
                return Ok(Some(stored));
            }
        }
        let actor: Option<i64> =
            self.conn.query_row("SELECT actor FROM log WHERE id = ?1", [id], |row| row.get(0)).optional()?;
        let Some((actor, other)) = actor.and_then(|id| self.others.remove_entry(&id)) else {
            return Ok(None);
        };
        self.conn.execute(
            "INSERT INTO actor (id, grp, bytes, last_seq, last_no) VALUES (?1, ?2, ?3, 0, 0)
             ON CONFLICT DO UPDATE SET grp = excluded.grp, bytes = excluded.bytes",
            params![actor, group.no.0, other],
        )?;
        self.read(group, no)
    }

    fn read(&self, group: GroupRef, no: EntryNo) -> Result<Option<Stored>, StoreError> {
        let stored = match log::read(self.conn, group, no) {
            Ok(stored) => stored,
            Err(StoreError::Row { .. }) => None,
            Err(error) => return Err(error),
        };
        let signed = |stored: &Stored| {
            let change = Unverified::decode(&stored.bytes).ok()?;
            change.verify(group.id).ok()
        };
        Ok(stored.filter(|stored| signed(stored).is_some()))
    }

    fn keep(&mut self, group: GroupRef, mut stored: Stored, state: &mut Replay) -> Result<(), StoreError> {
        let mut above = Vec::new();
        for hash in &stored.change.header.deps {
            let dep = log::find(self.conn, group, hash)?;
            above.extend(dep.map(|dep| log::node(self.conn, group, dep)).transpose()?.flatten());
        }
        let eff = effective_time(stored.change.content.at.millis(), &above);
        // Above a gap of which not even the time is known, the row's own word is better.
        let is_sure = !above.iter().any(|dep| state.guessed.contains(&dep.no));
        stored.eff = if is_sure { eff } else { stored.eff.max(stored.change.content.at.millis()) };
        self.conn
            .prepare_cached("UPDATE log SET eff = ?2 WHERE id = ?1")?
            .execute(params![log::row_id(group.no, stored.no), stored.eff])?;
        rebuild::place(self.conn, group, &stored)?;
        state.heads.retain(|head| !above.iter().any(|dep| dep.no == *head));
        state.heads.push(stored.no);
        state.eff = state.eff.max(stored.eff);
        state.next = EntryNo(stored.no.0 + 1);
        self.done.entries += 1;
        Ok(())
    }

    /// A row that is of the right shape and matches no hash. It is taken to follow all that was there before it, so
    /// that who walks down past it leaves nothing out.
    fn leave_gap(&mut self, group: GroupRef, no: EntryNo, state: &mut Replay) -> Result<(), StoreError> {
        let id = log::row_id(group.no, no);
        let in_row = self
            .conn
            .query_row("SELECT eff, hash FROM log WHERE id = ?1", [id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        let (eff, hash) = match (self.in_order(group.no, no)?, in_row) {
            (Some((eff, hash)), _) => (eff, Some(hash)),
            (None, Some((eff, hash))) if Timestamp::from_millis(eff).is_some() => {
                (eff, ChangeHash::from_slice(&hash))
            }
            _ => {
                state.guessed.insert(no);
                (state.eff, None)
            }
        };
        let hash = match hash.filter(|hash| hash.0 != [0; 32]) {
            Some(hash) if index::insert_entry(self.conn, group.no, no, (eff, hash))?.is_some() => None,
            hash => hash,
        };
        let stored_hash = hash.map_or([0; 32], |hash| hash.0);
        // A row that only lacks the hash of something beneath it is whole again as soon as that has its name.
        let in_row = match log::node(self.conn, group, no) {
            Ok(node) => node.filter(|node| node.max_op > 0 && !node.deps.is_empty()),
            Err(StoreError::Row { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(node) = in_row {
            let mut update = self.conn.prepare_cached("UPDATE log SET eff = ?2, hash = ?3 WHERE id = ?1")?;
            update.execute(params![id, eff, &stored_hash[..]])?;
            state.heads.retain(|head| !node.deps.contains(head));
            state.heads.push(no);
        } else {
            let deps = &state.heads[state.heads.len().saturating_sub(DEPS_MAX)..];
            let actor = self.any_actor(group.no)?;
            self.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO log
                     (id, late, seq, max_op, eff, hash, actor, deps, at, signature, body)
                     VALUES (?1, 0, 0, 0, ?2, ?3, ?4, ?5, 0, zeroblob(64), '')",
                )?
                .execute(params![id, eff, &stored_hash[..], actor, log::encode_deps(no, deps)])?;
            state.heads = vec![no];
        }
        state.next = EntryNo(no.0 + 1);
        self.done.missing.push((group.no, no));
        Ok(())
    }

    /// Nobody is shown as the author of a gap.
    fn any_actor(&self, group: GroupNo) -> Result<i64, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id FROM actor WHERE grp = ?1 LIMIT 1")?;
        match statement.query_row([group.0], |row| row.get(0)).optional()? {
            Some(actor) => Ok(actor),
            None => Ok(index::add_actor(self.conn, group, &ActorId([0; 40]))?.row),
        }
    }

    fn in_order(&self, group: GroupNo, no: EntryNo) -> Result<Option<index::OrderKey>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT eff, hash FROM temp.was WHERE grp = ?1 AND no = ?2")?;
        let key = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, ChangeHash(row.get(1)?)));
        let key = statement.query_row(params![group.0, no.0 as i64], key).optional()?;
        Ok(key.filter(|(eff, _)| Timestamp::from_millis(*eff).is_some()))
    }

    fn set_hash(&self, id: i64, hash: &ChangeHash) -> Result<(), StoreError> {
        let mut update = self.conn.prepare_cached("UPDATE log SET hash = ?2 WHERE id = ?1")?;
        update.execute(params![id, &hash.0[..]])?;
        Ok(())
    }

    /// Drops all rows from this number on.
    fn forget(&self, group: GroupNo, from: EntryNo) -> Result<(), StoreError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM log WHERE id >= ?1 AND id <= ?2")?;
        delete.execute([log::row_id(group, from), log::row_id(group, EntryNo(u64::MAX))])?;
        Ok(())
    }
}

/// How far a group has been gone through.
struct Replay {
    next: EntryNo,
    heads: Vec<EntryNo>,
    /// The latest effective time so far.
    eff: i64,
    /// Gaps that were given one, for want of a better.
    guessed: BTreeSet<EntryNo>,
}

impl Replay {
    fn new() -> Self {
        Self { next: EntryNo(1), heads: vec![EntryNo::GENESIS], eff: 0, guessed: BTreeSet::new() }
    }
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
