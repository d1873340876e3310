//! The tables, and opening the file. Never reads the history: opening costs the same for any size.
//!
//! # How to change the schema
//!
//! 1. Before the change, write a database with this version for the fixtures
//!    (`fixtures/databases/README.md`).
//! 2. Raise [`FORMAT`] by one, and add to [`STEPS`] the conversion from the format before to the new one.
//! 3. `tests/store/upgrade.rs` then opens the new fixture too, and kills the upgrade after each page written.
//!
//! All steps run in one transaction, during which the peer does not answer: a group of a million messages
//! opens in about a second. Derived tables that take longer are only requested by the step, and built in idle
//! moments ([`tidy`](peer_engine::store::Store::tidy)); until then readers and writer work without them.
//! [`by_hash::take_over_later`] is an example.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::words::Unindexed;
use super::{by_hash, folded, words};
use crate::store::StoreError;

/// "Peer" in ASCII, stored as SQLite's application id.
const APPLICATION: i64 = 0x5065_6572;
const FORMAT: i64 = 6;
/// The oldest format that is upgraded when it is opened.
const FORMAT_OLDEST: i64 = 2;
/// Maximum format: a file with a higher one is damaged.
const FORMAT_MAX: i64 = 1000;
pub(super) const PAGE_BYTES: usize = 4096;
const BUSY: Duration = Duration::from_secs(5);
/// Number of prepared statements cached on one connection: enough for all of them.
const STATEMENTS: usize = 96;

/// The source of everything is `log`: from `hash` to `body` each row is exactly one change; `seq`, `max_op`
/// and `eff` follow from the dependencies, and `late` was recorded on arrival. The body comes last, so that a
/// long one is not read with the rest. `entry`, `register`, `mark`, `fork`, `words`, `by_hash`, the heads and
/// counts of `grp` and the last entries of `actor` are derived from the log and can be rebuilt.
const TABLES: &str = "
CREATE TABLE grp (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    genesis BLOB NOT NULL,
    joined INTEGER NOT NULL,
    caught_up INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    heads BLOB NOT NULL
) STRICT;

CREATE TABLE actor (
    id INTEGER PRIMARY KEY,
    grp INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    last_no INTEGER NOT NULL,
    UNIQUE (grp, bytes)
) STRICT;

-- id: the group's number times 2^40, plus the entry's arrival number. deps: how many numbers below its own
-- each dependency is, in the order of their hashes. In the upper half of a group's numbers: what is stranded.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    late INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    max_op INTEGER NOT NULL,
    eff INTEGER NOT NULL,
    hash BLOB NOT NULL,
    actor INTEGER NOT NULL,
    deps BLOB NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT,
    re BLOB,
    sender TEXT,
    signature BLOB NOT NULL,
    body ANY NOT NULL
) STRICT;

CREATE TABLE entry (
    grp INTEGER NOT NULL,
    eff INTEGER NOT NULL,
    hash BLOB NOT NULL,
    no INTEGER NOT NULL,
    PRIMARY KEY (grp, eff, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE register (
    grp INTEGER NOT NULL,
    slot TEXT NOT NULL,
    key BLOB NOT NULL,
    value TEXT NOT NULL,
    eff INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (grp, slot, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE fork (
    grp INTEGER NOT NULL,
    actor BLOB NOT NULL,
    seq INTEGER NOT NULL,
    first BLOB NOT NULL,
    second BLOB NOT NULL,
    PRIMARY KEY (grp, actor)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
    grp INTEGER PRIMARY KEY,
    entries INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE peer (
    key BLOB PRIMARY KEY,
    addresses TEXT NOT NULL,
    last_linked_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shared_heads (
    peer BLOB NOT NULL,
    grp INTEGER NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (peer, grp)
) STRICT, WITHOUT ROWID;

CREATE TABLE value (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

";

/// State of this peer that is in no log: the order of arrival, read marks, keys of sent messages; and an
/// index of late entries.
const BESIDE: &str = "
CREATE TABLE feed (
    seq INTEGER PRIMARY KEY,
    log INTEGER NOT NULL
) STRICT;

CREATE TABLE read_mark (
    grp INTEGER PRIMARY KEY,
    arrival INTEGER NOT NULL
) STRICT;

CREATE TABLE sent (
    no INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE INDEX log_late ON log (id) WHERE late = 1;
";

const OURS: &str = "SELECT count(*) FROM sqlite_schema WHERE name IN
    ('actor', 'entry', 'fork', 'grp', 'log', 'peer', 'register', 'shared_heads', 'snapshot', 'value', 'words')";
const OURS_COUNT: i64 = 11;

/// The tables and columns that the statements need. Checked at opening, so that a damaged schema does not
/// first show as an error of some statement later.
const COLUMNS: [(&str, &str); 17] = [
    ("grp", "no, id, name, genesis, joined, caught_up, entries, heads"),
    ("actor", "id, grp, bytes, last_seq, last_no"),
    ("log", "id, late, seq, max_op, eff, hash, actor, deps, at, kind, re, sender, signature, body"),
    ("entry", "grp, eff, hash, no"),
    ("register", "grp, slot, key, value, eff, hash"),
    ("mark", "grp, target, slot, author, tag, value, eff, hash"),
    ("fork", "grp, actor, seq, first, second"),
    ("snapshot", "grp, entries, bytes"),
    ("peer", "key, addresses, last_linked_ms"),
    ("shared_heads", "peer, grp, heads"),
    ("value", "key, value"),
    ("words", "rowid, body"),
    ("feed", "seq, log"),
    ("read_mark", "grp, arrival"),
    ("sent", "no, key, digest, hash"),
    ("by_hash_recent", "beginning, log"),
    ("by_hash", "beginning, log"),
];

/// The one connection that writes. Creates the file if there is none; otherwise nothing is written before
/// `settle` has run.
pub(super) fn open_writer(
    path: &Path,
    settle: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = open(path, flags)?;
    keep_log_at_close(&conn, true)?;
    if conn.is_readonly("main")? {
        return Err(StoreError::ReadOnly { reason: format!("{} is read-only", path.display()) });
    }
    if is_new(&conn, path)? {
        create(&conn).map_err(|error| at_opening(path, error))?;
    }
    settle(&conn)?;
    upgrade(&conn).map_err(|error| at_opening(path, error))?;
    for (table, columns) in COLUMNS {
        let probe = conn.prepare(&format!("SELECT {columns} FROM {table}"));
        probe.map_err(|error| of_schema(path, error))?;
    }
    // SQLite reads the tokenizer's settings only when it first tokenizes.
    conn.prepare("SELECT 1 FROM words WHERE words MATCH 'peer' LIMIT 1")
        .and_then(|mut probe| probe.exists([]))
        .map_err(|error| of_schema(path, error))?;
    conn.execute_batch(
        "PRAGMA journal_size_limit = 8388608;
         PRAGMA synchronous = NORMAL;
         PRAGMA fullfsync = ON;
         PRAGMA cache_size = -8192;",
    )?;
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| at_opening(path, error))?;
    if mode != "wal" {
        let reason = "its file system cannot be shared between readers and a writer".to_owned();
        return Err(StoreError::Unopenable { path: path.into(), reason });
    }
    // A setting of an earlier version; if the disk is full, commits go on merging until the next start.
    let _ = words::merge_later(&conn);
    Ok(conn)
}

/// Whether the write-ahead log stays when the last connection is closed.
pub(super) fn keep_log_at_close(conn: &Connection, keep: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
}

/// Opens a connection that checkpoints another connection's log.
pub(super) fn open_checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    keep_log_at_close(&conn, true)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA checkpoint_fullfsync = ON;")?;
    Ok(conn)
}

/// Opens a read-only connection. [`open_writer`] must have created the file.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if is_new(&conn, path)? {
        return Err(StoreError::Unopenable { path: path.into(), reason: "it is empty".to_owned() });
    }
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")?;
    Ok(conn)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, flags).map_err(|error| at_opening(path, error))?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // One plan per statement whatever its parameters; otherwise SQLite would plan it again each time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;",
    )
    .map_err(|error| at_opening(path, error))?;
    Ok(conn)
}

/// Whether the file is still empty; an error if it belongs to another program.
fn is_new(conn: &Connection, path: &Path) -> Result<bool, StoreError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || {
        let objects = number("SELECT count(*) FROM sqlite_schema")?;
        let ours = number(OURS)?;
        Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, objects, ours == OURS_COUNT))
    };
    let damaged = || StoreError::Damaged { reason: format!("the header of {} is wrong", path.display()) };
    match read().map_err(|error| at_opening(path, error))? {
        (0, 0, 0, _) => Ok(true),
        (APPLICATION, FORMAT_OLDEST..=FORMAT, _, true) => Ok(false),
        (APPLICATION, found, ..) if !(1..=FORMAT_MAX).contains(&found) => Err(damaged()),
        (APPLICATION, found, ..) if found > FORMAT => {
            Err(StoreError::Newer { path: path.into(), found, known: FORMAT })
        }
        (APPLICATION, FORMAT_OLDEST..=FORMAT, ..) | (_, FORMAT_OLDEST..=FORMAT, _, true) => Err(damaged()),
        (APPLICATION, found, ..) => Err(StoreError::Older { path: path.into(), found, known: FORMAT }),
        _ => Err(StoreError::Foreign { path: path.into() }),
    }
}

/// Creates the tables in one transaction, before WAL mode is on: the rollback journal also makes the file's
/// name durable.
fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
    ))?;
    conn.execute_batch(TABLES)?;
    words::create(conn)?;
    conn.execute_batch(BESIDE)?;
    conn.execute_batch(by_hash::TABLES)?;
    conn.execute_batch(folded::TABLES)?;
    Unindexed::default().index(conn)?;
    conn.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))
}

/// A temporary database that is deleted with its connection. A large one is kept on disk.
pub(super) fn open_scratch() -> rusqlite::Result<Connection> {
    let conn = Connection::open("")?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;")?;
    conn.execute_batch(TABLES)?;
    words::create(&conn)?;
    // All writes are in one transaction that is never committed.
    conn.execute_batch("BEGIN;")?;
    Ok(conn)
}

/// For a new database that is unusable until it is complete: it need not survive a crash, so it needs no log
/// and no extra disk space. [`check_without_log`] then verifies that there is no log.
pub(super) fn write_without_log(conn: &Connection) -> Result<(), StoreError> {
    let mode: String = conn.query_row("PRAGMA journal_mode = MEMORY", [], |row| row.get(0))?;
    if mode != "memory" {
        return Err(StoreError::Busy);
    }
    Ok(conn.execute_batch("PRAGMA synchronous = OFF;")?)
}

/// If the disk fails while WAL mode is switched off, SQLite stays in WAL mode without saying so: everything
/// written since would be in a log that is never read.
pub(super) fn check_without_log(conn: &Connection) -> Result<(), StoreError> {
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "memory" {
        return Err(StoreError::Disk { reason: "the new database could not be written".to_owned() });
    }
    Ok(())
}

type Step = fn(&Connection) -> rusqlite::Result<()>;

/// The steps that upgrade a database to each format from the one before.
const STEPS: [(i64, Step); 4] = [
    // Clients of the feed start again. Scans the log once for late entries: 0.4 s for a million entries.
    (3, |conn| conn.execute_batch(BESIDE)),
    // Messages may wait to be indexed. All existing ones are indexed.
    (4, |conn| Unindexed::default().index(conn)),
    (5, by_hash::take_over_later),
    (6, with_marks),
];

/// Entries of older formats set no marks on others. Drops the index of entries that are not messages.
fn with_marks(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(folded::TABLES)?;
    conn.execute_batch("DROP INDEX IF EXISTS log_other")
}

/// Runs all steps or none.
fn upgrade(conn: &Connection) -> rusqlite::Result<()> {
    let format: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == FORMAT {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    for (_, step) in STEPS.iter().filter(|(made, _)| *made > format) {
        step(conn)?;
    }
    conn.execute_batch(&format!("PRAGMA user_version = {FORMAT};"))?;
    transaction.commit()
}

fn at_opening(path: &Path, error: rusqlite::Error) -> StoreError {
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
            StoreError::Unopenable { path: path.into(), reason }
        }
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Damaged { reason: format!("{} is not a database", path.display()) }
        }
        _ => error.into(),
    }
}

/// The schema that we create has the tables and columns that our statements need.
fn of_schema(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::Unknown) => StoreError::Damaged { reason: error.to_string() },
        _ => at_opening(path, error),
    }
}
