//! The full-text index, and the messages that are not in it yet.
//!
//! Indexing one message writes nearly as many pages as the rest of storing it, and indexing hundreds at once
//! hardly more. So the last messages wait until there are enough of them, or until a commit is large anyway;
//! after a crash the feed tells which they were. Searches find them with a second index in memory.

use std::collections::{BTreeMap, HashSet};

use peer_engine::change::{Body, Content};
use peer_engine::group::GroupNo;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::held::Held;
use super::{log, query};
use crate::store::StoreError;

/// Maximum number of waiting entries, and bytes of their messages: few enough to index again for a search in
/// about a millisecond.
const WAITING_MAX: usize = 256;
const WAITING_BYTES_MAX: usize = 32 * 1024;
/// Number of waiting entries that are indexed while the writer is idle, so that no commit has to.
const WORTH_INDEXING: usize = WAITING_MAX / 4;
/// Maximum number of entries, and bytes of their messages, that wait within one transaction.
const HELD_MAX: usize = 4096;
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pages of the index merged in one step: a message that arrives meanwhile waits for about a millisecond.
const MERGED_PAGES: i64 = 16;
/// The key under which the database keeps how much of the feed is indexed: a place in the feed, as 8 bytes,
/// little-endian.
const MARK: &str = "words";

const TABLE: &str = "
CREATE VIRTUAL TABLE words USING fts5 (
    body, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
";

const MERGE_LATER: &str = "INSERT INTO words (words, rank) VALUES ('automerge', 0)";

/// Creates the index.
pub(super) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLE)?;
    conn.execute_batch(MERGE_LATER)
}

/// Has parts of the index merged in [idle moments](Unindexed::tidy), and not by every sixty-fourth commit,
/// unless there are very many parts.
pub(super) fn merge_later(conn: &Connection) -> rusqlite::Result<()> {
    let set = "SELECT count(*) FROM words_config WHERE k = 'automerge' AND v = 0";
    if conn.query_row(set, [], |row| row.get::<_, i64>(0))? == 0 {
        conn.execute_batch(MERGE_LATER)?;
    }
    Ok(())
}

/// Creates an index in memory, like that of the stored messages.
fn open_index() -> rusqlite::Result<Connection> {
    let conn = Connection::open_in_memory()?;
    create(&conn)?;
    Ok(conn)
}

/// The text that searches match: of messages only, not of other kinds or of sealed entries.
pub(super) fn words_of(content: &Content) -> Option<&str> {
    match (&content.kind, &content.body) {
        (None, Body::Text(text)) => Some(text),
        _ => None,
    }
}

/// The messages that the writer has not indexed yet.
#[derive(Debug, Default)]
pub(super) struct Unindexed {
    texts: Vec<(i64, String)>,
    bytes: usize,
    entries: usize,
    /// All parts of the index that can be merged have been.
    merged: bool,
}

impl Unindexed {
    /// Reads what an earlier run has left to index.
    pub fn load(conn: &Connection, groups: &BTreeMap<GroupNo, Held>) -> Result<Self, StoreError> {
        let mut unindexed = Self::default();
        let mark = mark(conn)?;
        let from = match mark {
            Some(mark) => mark,
            None => feed_end(conn)? - WAITING_MAX as i64,
        };
        let mut rows = Vec::new();
        after(conn, from, |_, row, _| {
            rows.push(row);
            Ok(())
        })?;
        for row in rows {
            let read = |held: &Held| log::read(conn, held.key(), log::no_of(row));
            let stored = match groups.get(&log::group_of(row)).map(read).transpose() {
                // Without words until it is repaired.
                Err(StoreError::Row { .. }) => None,
                stored => stored?.flatten(),
            };
            let mut text = stored.as_ref().and_then(|stored| words_of(&stored.change.content));
            if let (None, Some(waiting)) = (mark, text)
                && is_indexed(conn, row, waiting)?
            {
                text = None;
            }
            unindexed.add(row, text);
        }
        if mark.is_none() {
            // The next commit creates another.
            unindexed.entries = WAITING_MAX;
        }
        Ok(unindexed)
    }

    /// Adds an entry that was just written.
    pub fn push(&mut self, conn: &Connection, row: i64, content: &Content) -> rusqlite::Result<()> {
        self.add(row, words_of(content));
        let full = self.entries >= HELD_MAX || self.bytes >= HELD_BYTES_MAX;
        if full { self.index(conn) } else { Ok(()) }
    }

    fn add(&mut self, row: i64, text: Option<&str>) {
        self.entries += 1;
        if let Some(text) = text {
            self.bytes += text.len();
            self.texts.push((row, text.to_owned()));
        }
    }

    /// Removes an entry's words from the index, or from the messages that wait.
    pub fn forget(&mut self, conn: &Connection, row: i64, content: &Content) -> rusqlite::Result<()> {
        let Some(text) = words_of(content) else { return Ok(()) };
        match self.texts.iter().rposition(|(waiting, _)| *waiting == row) {
            Some(place) => drop(self.texts.swap_remove(place)),
            // The index does not store the text.
            None => drop(
                conn.prepare_cached("INSERT INTO words (words, rowid, body) VALUES ('delete', ?1, ?2)")?
                    .execute(params![row, text])?,
            ),
        }
        Ok(())
    }

    /// Call this at the end of every transaction.
    pub fn index_if_due(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let due = self.entries >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX;
        if due { self.index(conn) } else { Ok(()) }
    }

    /// Indexes everything that waits, up to the end of the feed.
    pub fn index(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        // A row number that is not above the last one starts a new part of the index.
        self.texts.sort_unstable_by_key(|(row, _)| *row);
        insert(conn, self.texts.iter().map(|(row, text)| (*row, text.as_str())))?;
        conn.prepare_cached("INSERT OR REPLACE INTO value (key, value) VALUES (?1, ?2)")?
            .execute(params![MARK, feed_end(conn)?.to_le_bytes()])?;
        *self = Self::default();
        Ok(())
    }

    /// Whether no maintenance is due.
    pub fn is_tidy(&self) -> bool {
        self.merged && self.entries < WORTH_INDEXING
    }

    /// Indexes the waiting messages if there are enough; otherwise merges a few pages of the index, where a
    /// level has four parts. Returns whether there was anything to do. Source: FTS5's manual, "the 'merge'
    /// command".
    pub fn tidy(&mut self, conn: &Connection) -> rusqlite::Result<bool> {
        if self.entries >= WORTH_INDEXING {
            self.index(conn)?;
            return Ok(true);
        }
        let before = conn.total_changes();
        let mut merge = conn.prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?;
        merge.execute([MERGED_PAGES])?;
        // The command itself counts as one change.
        self.merged = conn.total_changes() - before <= 1;
        Ok(!self.merged)
    }
}

/// `None` if it is damaged: no commit leaves more messages waiting than the maximum.
fn mark(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut statement = conn.prepare_cached("SELECT value FROM value WHERE key = ?1")?;
    let mark: Option<Vec<u8>> = statement.query_row([MARK], |row| row.get(0)).optional()?;
    let mark = mark.and_then(|mark| mark.try_into().ok()).map(i64::from_le_bytes);
    let end = feed_end(conn)?;
    Ok(mark.filter(|mark| (end - WAITING_MAX as i64..=end).contains(mark)))
}

fn feed_end(conn: &Connection) -> rusqlite::Result<i64> {
    let end = conn.prepare_cached("SELECT max(seq) FROM feed")?.query_row([], |row| row.get(0));
    end.map(Option::unwrap_or_default)
}

fn insert<'a>(conn: &Connection, texts: impl Iterator<Item = (i64, &'a str)>) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached("INSERT INTO words (rowid, body) VALUES (?1, ?2)")?;
    for (row, text) in texts {
        insert.execute(params![row, text])?;
    }
    Ok(())
}

/// Calls `each` for every row of the feed after `place`, with its place, its row and, if it is a message, its
/// text.
fn after(
    conn: &Connection,
    place: i64,
    mut each: impl FnMut(i64, i64, Option<&str>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "SELECT feed.seq, feed.log, log.kind, log.body FROM feed LEFT JOIN log ON log.id = feed.log
         WHERE feed.seq > ?1 ORDER BY feed.seq",
    )?;
    let mut rows = statement.query([place])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get(1)?, text_of(row.get_ref(2)?, row.get_ref(3)?))?;
    }
    Ok(())
}

/// The result of [`words_of`] for a row with this kind and body. A damaged row has no text.
pub(super) fn text_of<'a>(kind: ValueRef<'_>, body: ValueRef<'a>) -> Option<&'a str> {
    match (kind, body) {
        (ValueRef::Null, ValueRef::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// The waiting messages that one connection has read, in an index of its own.
#[derive(Debug)]
pub(super) struct Tail {
    words: Connection,
    mark: Option<i64>,
    end: i64,
}

impl Tail {
    pub fn new() -> rusqlite::Result<Self> {
        Ok(Self { words: open_index()?, mark: None, end: i64::MAX })
    }

    /// Adds the messages that `conn` sees waiting.
    pub fn follow(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let now = mark(conn)?;
        if now != self.mark {
            self.words.execute_batch("INSERT INTO words (words) VALUES ('delete-all')")?;
            (self.mark, self.end) = (now, now.unwrap_or(i64::MAX));
        }
        let (transaction, mut end) = (self.words.unchecked_transaction()?, self.end);
        after(conn, end, |place, row, text| {
            end = place;
            insert(&transaction, text.map(|text| (row, text)).into_iter())
        })?;
        transaction.commit()?;
        self.end = end;
        Ok(())
    }

    /// Returns which of these texts match.
    pub fn matching(&self, texts: &[(i64, String)], query: &str) -> rusqlite::Result<HashSet<i64>> {
        // Rolled back at the end. Negative row numbers keep them apart from the waiting messages.
        let transaction = self.words.unchecked_transaction()?;
        let numbers = (1..=texts.len() as i64).rev().map(|number| -number);
        insert(&transaction, numbers.zip(texts.iter().map(|(_, text)| text.as_str())))?;
        let mut matching =
            transaction.prepare_cached("SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < 0")?;
        let row = |number: i64| texts.get(texts.len() - number.unsigned_abs() as usize).map(|(row, _)| *row);
        let found = matching.query_map([query], |found| Ok(row(found.get(0)?)))?;
        found.filter_map(Result::transpose).collect()
    }
}

/// Which matches to return if there are too many.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    First,
    Last,
}

/// The first or the last `limit` matching rows from `first` to `last`, in that order, both indexed and
/// waiting.
pub(super) fn matches(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    (first, last): (i64, i64),
    wanted: Wanted,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let sql = match wanted {
        Wanted::First => {
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid LIMIT ?4"
        }
        Wanted::Last => {
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC LIMIT ?4"
        }
    };
    let mut rows: Vec<i64> = Vec::new();
    for index in [conn, &tail.words] {
        let mut statement = index.prepare_cached(sql)?;
        let found = statement.query_map(params![query, first, last, limit as i64], |row| row.get(0))?;
        for row in found {
            rows.push(row?);
        }
    }
    rows.sort_unstable();
    rows.dedup();
    if let Wanted::Last = wanted {
        rows.reverse();
    }
    rows.truncate(limit);
    Ok(rows)
}

/// Indexes the message in this row, unless the index has it.
pub(super) fn index_unless_there(conn: &Connection, row: i64, text: &str) -> rusqlite::Result<()> {
    if is_indexed(conn, row, text)? { Ok(()) } else { insert(conn, std::iter::once((row, text))) }
}

/// Whether the index on disk finds this row by its first words, or the row has no words.
fn is_indexed(conn: &Connection, row: i64, text: &str) -> rusqlite::Result<bool> {
    let Some(query) = query::whole_words(text) else { return Ok(true) };
    let mut there = conn.prepare_cached("SELECT 1 FROM words WHERE words MATCH ?1 AND rowid = ?2")?;
    there.exists(params![query, row])
}
