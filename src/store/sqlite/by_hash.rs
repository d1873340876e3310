//! Finds the row of an entry by its hash, with an index in two levels.
//!
//! Hashes are random, so each new one falls on another page, and a transaction of a thousand would rewrite
//! most of a large index. So new hashes go to a small index first. When that is full, a range of neighbouring
//! hashes moves to the large index, one range after the other in turn: each page there takes several hashes
//! at once, and no transaction moves many.
//!
//! The hashes of a transaction are collected, sorted and written at its end. Until then
//! [`Recent`](super::recent::Recent) finds them, so it must not forget one before it is written here.
//!
//! Source: the rolling merge between two components in O'Neil, Cheng, Gawlick and O'Neil, "The log-structured merge-tree",
//! 1996.

use peer_engine::group::EntryNo;
use peer_engine::id::ChangeHash;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::log::{self, GroupRef};
use super::recent::NODES_MAX;
use super::shelf;
use crate::store::StoreError;

/// Rows of the small index. With more, each transaction would write more pages of it; with fewer, it would
/// move shorter ranges to the large one.
const RECENT_MAX: usize = 16 * 1024;
/// Rows moved or converted in one step: a message that arrives meanwhile waits for a few milliseconds.
const STRETCH: usize = 1024;
/// Bytes of a hash that are indexed; the whole hash is compared in the row.
const BEGINNING: usize = 8;

/// The key under which the database keeps the progress of converting an older index: the last prefix
/// converted.
const MARK: &str = "by_hash";

/// The index holds eight bytes of each hash; the whole hash is compared in the row. The first of the two
/// levels is the smaller one.
pub(super) const TABLES: &str = "
CREATE TABLE by_hash_recent (
    beginning BLOB NOT NULL,
    log INTEGER NOT NULL,
    PRIMARY KEY (beginning, log)
) STRICT, WITHOUT ROWID;

CREATE TABLE by_hash (
    beginning BLOB NOT NULL,
    log INTEGER NOT NULL,
    PRIMARY KEY (beginning, log)
) STRICT, WITHOUT ROWID;
";

/// The writer's state of the index.
#[derive(Debug, Default)]
pub(super) struct ByHash {
    unwritten: Vec<([u8; BEGINNING], i64)>,
    /// Rows of the small index, once they were counted.
    recent: Option<usize>,
    /// Where the next range to move begins.
    next: [u8; BEGINNING],
    /// No rows of an older index are left to convert.
    whole: bool,
}

impl ByHash {
    /// Adds a row that was just written, and that `Recent` finds until it is written here.
    pub fn push(&mut self, conn: &Connection, row: i64, hash: &ChangeHash) -> rusqlite::Result<()> {
        self.unwritten.push((beginning(hash), row));
        if self.unwritten.len() >= NODES_MAX { self.write(conn) } else { Ok(()) }
    }

    /// Adds a row that `Recent` does not hold, or that is looked up here at once.
    pub fn insert(&mut self, conn: &Connection, row: i64, hash: &ChangeHash) -> rusqlite::Result<()> {
        self.unwritten.push((beginning(hash), row));
        self.write(conn)
    }

    /// Call this before looking up rows here that [`Recent`](super::recent::Recent) may hold, and before
    /// emptying that.
    pub fn write(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut insert =
            conn.prepare_cached("INSERT OR IGNORE INTO by_hash_recent (beginning, log) VALUES (?1, ?2)")?;
        self.unwritten.sort_unstable();
        let mut inserted = 0;
        for (beginning, row) in self.unwritten.drain(..) {
            inserted += insert.execute(params![beginning, row])?;
        }
        self.recent = self.recent.map(|recent| recent + inserted);
        Ok(())
    }

    pub fn remove(&mut self, conn: &Connection, row: i64, hash: &ChangeHash) -> rusqlite::Result<()> {
        for table in ["by_hash_recent", "by_hash"] {
            let sql = format!("DELETE FROM {table} WHERE beginning = ?1 AND log = ?2");
            conn.prepare_cached(&sql)?.execute(params![beginning(hash), row])?;
        }
        self.recent = None;
        Ok(())
    }

    /// Call this at the end of every transaction.
    pub fn end(&mut self, conn: &Connection) -> Result<(), StoreError> {
        self.write(conn)?;
        while self.recent(conn)? >= RECENT_MAX {
            self.merge(conn)?;
        }
        Ok(())
    }

    /// Whether no maintenance is due.
    pub fn is_tidy(&self) -> bool {
        self.whole && self.has_space()
    }

    /// Whether the small index has space for the next transaction.
    fn has_space(&self) -> bool {
        self.recent.is_none_or(|recent| recent < RECENT_MAX - STRETCH)
    }

    /// One step of maintenance while the writer is idle, so that no commit has to do it. Returns whether
    /// there was anything to do.
    pub fn tidy(&mut self, conn: &Connection) -> Result<bool, StoreError> {
        if !self.whole {
            self.whole = !take_over(conn)?;
            if !self.whole {
                return Ok(true);
            }
        }
        let due = !self.has_space();
        if due {
            self.merge(conn)?;
        }
        Ok(due)
    }

    fn recent(&mut self, conn: &Connection) -> rusqlite::Result<usize> {
        if let Some(recent) = self.recent {
            return Ok(recent);
        }
        let count = conn.query_row("SELECT count(*) FROM by_hash_recent", [], |row| row.get::<_, i64>(0))?;
        Ok(*self.recent.insert(count as usize))
    }

    fn merge(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let mut last = conn.prepare_cached(
            "SELECT beginning FROM by_hash_recent WHERE beginning >= ?1 ORDER BY beginning LIMIT 1 OFFSET ?2",
        )?;
        let last: Option<[u8; BEGINNING]> =
            last.query_row(params![self.next, STRETCH as i64 - 1], |row| row.get(0)).optional()?;
        let has_rows = last.is_some() || self.next == [0; BEGINNING];
        let (first, last) = (self.next, last.unwrap_or([0xff; BEGINNING]));
        conn.prepare_cached(
            "INSERT OR IGNORE INTO by_hash (beginning, log)
             SELECT beginning, log FROM by_hash_recent WHERE beginning BETWEEN ?1 AND ?2 ORDER BY beginning, log",
        )?
        .execute(params![first, last])?;
        let mut delete =
            conn.prepare_cached("DELETE FROM by_hash_recent WHERE beginning BETWEEN ?1 AND ?2")?;
        let moved = delete.execute(params![first, last])?;
        if has_rows && moved == 0 {
            return Err(StoreError::Damaged { reason: "the index of hashes has lost rows".to_owned() });
        }
        self.recent = self.recent.map(|recent| recent.saturating_sub(moved));
        self.next = u64::from_be_bytes(last).wrapping_add(1).to_be_bytes();
        Ok(())
    }
}

fn beginning(hash: &ChangeHash) -> [u8; BEGINNING] {
    std::array::from_fn(|at| hash.0[at])
}

pub(super) const FIND: &str = "
    SELECT by_hash_recent.log, hash FROM by_hash_recent LEFT JOIN log ON id = log WHERE beginning = ?1
    UNION ALL
    SELECT by_hash.log, hash FROM by_hash LEFT JOIN log ON id = log WHERE beginning = ?1";

const FIND_BY_OLDER: &str = "SELECT id, hash FROM log WHERE substr(hash, 1, 8) = ?1";

pub(super) fn find(
    conn: &Connection,
    group: GroupRef,
    hash: &ChangeHash,
) -> Result<Option<EntryNo>, StoreError> {
    if *hash == group.id.genesis() {
        return Ok(Some(EntryNo::GENESIS));
    }
    if let Some(no) = find_by(FIND, conn, group, hash)? {
        return Ok(Some(no));
    }
    // The index of the older format finds the rows that are not converted yet.
    let taking_over = mark(conn)?.is_some();
    if taking_over { find_by(FIND_BY_OLDER, conn, group, hash) } else { Ok(None) }
}

fn find_by(
    sql: &str,
    conn: &Connection,
    group: GroupRef,
    hash: &ChangeHash,
) -> Result<Option<EntryNo>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([beginning(hash)])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        match row.get_ref(1)? {
            ValueRef::Null => {
                return Err(StoreError::Damaged { reason: "a row of the log is missing".to_owned() });
            }
            found if found == ValueRef::Blob(hash.as_bytes()) && log::group_of(id) == group.no => {
                return Ok(Some(log::no_of(id)));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Builds the whole index again from the log.
pub(super) fn fill(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "DELETE FROM by_hash_recent;
         DELETE FROM by_hash;
         INSERT INTO by_hash (beginning, log) SELECT substr(hash, 1, 8), id FROM log ORDER BY 1, 2;",
    )?;
    end_taking_over(conn)
}

/// For a database of an older format, which had an index on the log in place of these tables. That index
/// finds the rows that are not converted yet.
pub(super) fn take_over_later(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    if has_older(conn)? { shelf::set_value(conn, MARK, &[]) } else { fill(conn) }
}

/// Converts some rows, keeping those with the same prefix together. Returns whether there may be more. The
/// last call drops the older index, which takes some tenths of a second for a million rows.
fn take_over(conn: &Connection) -> rusqlite::Result<bool> {
    let Some(from) = mark(conn)? else { return Ok(false) };
    if !has_older(conn)? {
        fill(conn)?;
        return Ok(false);
    }
    let last: Option<Vec<u8>> = conn
        .prepare_cached(
            "SELECT substr(hash, 1, 8) FROM log INDEXED BY log_hash WHERE substr(hash, 1, 8) > ?1
             ORDER BY 1 LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![from, STRETCH as i64 - 1], |row| row.get(0))
        .optional()?;
    let to = last.as_deref().unwrap_or(&[0xff; BEGINNING]);
    conn.prepare_cached(
        "INSERT OR IGNORE INTO by_hash (beginning, log)
         SELECT substr(hash, 1, 8), id FROM log INDEXED BY log_hash
         WHERE substr(hash, 1, 8) > ?1 AND substr(hash, 1, 8) <= ?2 ORDER BY 1",
    )?
    .execute(params![from, to])?;
    match &last {
        Some(last) => shelf::set_value(conn, MARK, last)?,
        None => end_taking_over(conn)?,
    }
    Ok(last.is_some())
}

fn end_taking_over(conn: &Connection) -> rusqlite::Result<()> {
    shelf::remove_value(conn, MARK)?;
    conn.execute_batch("DROP INDEX IF EXISTS log_hash")
}

fn mark(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    shelf::value(conn, MARK)
}

fn has_older(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'log_hash'")?.exists([])
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn index() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE value (key TEXT PRIMARY KEY, value BLOB NOT NULL)").unwrap();
        conn.execute_batch(TABLES).unwrap();
        conn
    }

    fn hash(row: i64) -> ChangeHash {
        ChangeHash(Sha256::digest(row.to_le_bytes()).into())
    }

    /// The rows of this level, in its order.
    fn rows(conn: &Connection, table: &str) -> Vec<([u8; BEGINNING], i64)> {
        let mut rows = conn.prepare(&format!("SELECT beginning, log FROM {table}")).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn each_row_stands_in_one_level_and_the_first_stays_small() {
        const ROWS: i64 = 60_000;
        let (conn, mut by_hash) = (index(), ByHash::default());
        for row in 1..=ROWS {
            by_hash.push(&conn, row, &hash(row)).unwrap();
            if row % 700 == 0 || row == ROWS {
                by_hash.end(&conn).unwrap();
                assert!(by_hash.recent(&conn).unwrap() < RECENT_MAX);
                if row % 9_100 == 0 {
                    // As after the database is opened again.
                    by_hash = ByHash::default();
                }
            }
        }
        let [recent, moved] = ["by_hash_recent", "by_hash"].map(|table| rows(&conn, table));
        assert_eq!(by_hash.recent(&conn).unwrap(), recent.len());
        assert!(recent.len() > RECENT_MAX / 2, "moved no earlier than it has to be");
        let mut both = [recent, moved].concat();
        both.sort_unstable();
        let mut expected: Vec<_> = (1..=ROWS).map(|row| (beginning(&hash(row)), row)).collect();
        expected.sort_unstable();
        assert!(both == expected);
    }

    #[test]
    fn a_stretch_takes_all_that_begin_alike() {
        let (conn, mut by_hash) = (index(), ByHash::default());
        let rows_of = |beginning: u8| i64::from(beginning) * 10_000..i64::from(beginning) * 10_000 + 6_000;
        for beginning in 0..3 {
            for row in rows_of(beginning) {
                by_hash.push(&conn, row, &ChangeHash([beginning; 32])).unwrap();
            }
        }
        by_hash.end(&conn).unwrap();
        assert_eq!(rows(&conn, "by_hash").len(), 6_000);
        assert_eq!(by_hash.recent(&conn).unwrap(), 12_000);
    }

    #[test]
    fn in_quiet_moments_room_is_made_for_the_next_transaction() {
        let (conn, mut by_hash) = (index(), ByHash::default());
        for row in 1..RECENT_MAX as i64 {
            by_hash.push(&conn, row, &hash(row)).unwrap();
        }
        by_hash.end(&conn).unwrap();
        assert!(rows(&conn, "by_hash").is_empty());
        while by_hash.tidy(&conn).unwrap() {}
        assert!(by_hash.is_tidy());
        assert!(rows(&conn, "by_hash_recent").len() < RECENT_MAX - STRETCH);
        assert!(!rows(&conn, "by_hash").is_empty());
    }

    /// As if another table's pages had replaced its own.
    #[test]
    fn rows_that_cannot_be_moved_are_damage() {
        let (conn, mut by_hash) = (index(), ByHash::default());
        conn.execute_batch("DROP TABLE by_hash; DROP TABLE by_hash_recent").unwrap();
        conn.execute_batch(&TABLES.replace("STRICT,", "")).unwrap();
        let mut insert = conn.prepare("INSERT INTO by_hash_recent VALUES (?1, 1)").unwrap();
        for number in 0..RECENT_MAX as i64 {
            insert.execute([number]).unwrap();
        }
        by_hash.whole = true;
        for error in [by_hash.end(&conn).unwrap_err(), by_hash.tidy(&conn).unwrap_err()] {
            assert!(error.is_damage(), "{error}");
        }
    }

    #[test]
    fn what_is_removed_is_in_neither_level() {
        let (conn, mut by_hash) = (index(), ByHash::default());
        let last = RECENT_MAX as i64;
        for row in 1..=last {
            by_hash.push(&conn, row, &hash(row)).unwrap();
        }
        by_hash.end(&conn).unwrap();
        for row in 1..=last {
            by_hash.remove(&conn, row, &hash(row)).unwrap();
        }
        assert_eq!(["by_hash_recent", "by_hash"].map(|table| rows(&conn, table).len()), [0, 0]);
        assert_eq!(by_hash.recent(&conn).unwrap(), 0);
    }
}
