//! The full-text index, and the messages that are not in it yet.
//!
//! To index one message writes nearly as many pages as all else that it takes, and hundreds at once hardly more. So what
//! arrived last waits until there is enough of it, or until a lot is committed anyway; the feed says after a crash what
//! it was. Whoever looks for words finds it by an index of the same kind in memory.

use std::collections::{BTreeMap, HashSet};

use peer_engine::change::{Body, Content};
use peer_engine::group::GroupNo;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::held::Held;
use super::{log, query};
use crate::store::StoreError;

/// Entries that wait, and the bytes of their messages: few enough to index them anew for a search, in about a millisecond.
const WAITING_MAX: usize = 256;
const WAITING_BYTES_MAX: usize = 32 * 1024;
/// Entries that are indexed where there is nothing else to do, so that no commit has to.
const WORTH_INDEXING: usize = WAITING_MAX / 4;
/// The same within one transaction.
const HELD_MAX: usize = 4096;
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pages of the index that are merged in one go: a message that comes meanwhile waits for about a millisecond.
const MERGED_PAGES: i64 = 16;
/// Where the database keeps how much of the feed is indexed: a place in it, as 8 bytes, the lowest first.
const MARK: &str = "words";

const TABLE: &str = "
CREATE VIRTUAL TABLE words USING fts5 (
    body, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
";

const MERGE_LATER: &str = "INSERT INTO words (words, rank) VALUES ('automerge', 0)";

/// Makes the index.
pub(super) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLE)?;
    conn.execute_batch(MERGE_LATER)
}

/// Has parts of the index merged when [there is time](Unindexed::tidy), and not by the commit that happens to be the
/// sixty-fourth, unless there are very many.
pub(super) fn merge_later(conn: &Connection) -> rusqlite::Result<()> {
    let set = "SELECT count(*) FROM words_config WHERE k = 'automerge' AND v = 0";
    if conn.query_row(set, [], |row| row.get::<_, i64>(0))? == 0 {
        conn.execute_batch(MERGE_LATER)?;
    }
    Ok(())
}

/// An index in memory, like that of the messages.
fn open_index() -> rusqlite::Result<Connection> {
    let conn = Connection::open_in_memory()?;
    create(&conn)?;
    Ok(conn)
}

/// The text by which an entry is found: that of messages, never that of kinds or of what is sealed.
pub(super) fn words_of(content: &Content) -> Option<&str> {
    match (&content.kind, &content.body) {
        (None, Body::Text(text)) => Some(text),
        _ => None,
    }
}

/// What the writer has not indexed yet.
#[derive(Debug, Default)]
pub(super) struct Unindexed {
    texts: Vec<(i64, String)>,
    bytes: usize,
    entries: usize,
    /// Every part of the index that can be merged with others has been.
    merged: bool,
}

impl Unindexed {
    /// What an earlier run has left.
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
                // It has no words until it is repaired.
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
            // The next commit makes another.
            unindexed.entries = WAITING_MAX;
        }
        Ok(unindexed)
    }

    /// An entry that was just written.
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

    /// Undoes what an entry has written to the index, or was to write.
    pub fn forget(&mut self, conn: &Connection, row: i64, content: &Content) -> rusqlite::Result<()> {
        let Some(text) = words_of(content) else { return Ok(()) };
        match self.texts.iter().rposition(|(waiting, _)| *waiting == row) {
            Some(place) => drop(self.texts.swap_remove(place)),
            // The index does not keep the text.
            None => drop(
                conn.prepare_cached("INSERT INTO words (words, rowid, body) VALUES ('delete', ?1, ?2)")?
                    .execute(params![row, text])?,
            ),
        }
        Ok(())
    }

    /// To be called at the end of every transaction.
    pub fn index_if_due(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let due = self.entries >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX;
        if due { self.index(conn) } else { Ok(()) }
    }

    /// All of it, up to the end of the feed.
    pub fn index(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        // A row number that is not above the last one begins a new part of the index.
        self.texts.sort_unstable_by_key(|(row, _)| *row);
        insert(conn, self.texts.iter().map(|(row, text)| (*row, text.as_str())))?;
        conn.prepare_cached("INSERT OR REPLACE INTO value (key, value) VALUES (?1, ?2)")?
            .execute(params![MARK, feed_end(conn)?.to_le_bytes()])?;
        *self = Self::default();
        Ok(())
    }

    /// Whether there is nothing to do where nothing else is.
    pub fn is_tidy(&self) -> bool {
        self.merged && self.entries < WORTH_INDEXING
    }

    /// Indexes what waits, if it is enough; else merges a few pages of the index, where a level has four parts. Says
    /// whether there was anything to do. Source: FTS5's manual, "the 'merge' command".
    pub fn tidy(&mut self, conn: &Connection) -> rusqlite::Result<bool> {
        if self.entries >= WORTH_INDEXING {
            self.index(conn)?;
            return Ok(true);
        }
        let before = conn.total_changes();
        let mut merge = conn.prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?;
        merge.execute([MERGED_PAGES])?;
        // One change is that of the command itself.
        self.merged = conn.total_changes() - before <= 1;
        Ok(!self.merged)
    }
}

/// `None` where it is damaged: no commit leaves more behind than may wait.
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

/// Calls `each` with the place, the row and the text, if it is a message, of what the feed has after `place`.
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

/// What [`words_of`] says of a row with this kind and body. What a damaged row says is not shown.
pub(super) fn text_of<'a>(kind: ValueRef<'_>, body: ValueRef<'a>) -> Option<&'a str> {
    match (kind, body) {
        (ValueRef::Null, ValueRef::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// What one connection has read of the messages that wait, in an index of its own.
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

    /// Takes in what `conn` sees waiting.
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

    /// Which of these texts match.
    pub fn matching(&self, texts: &[(i64, String)], query: &str) -> rusqlite::Result<HashSet<i64>> {
        // Dropped, so that they are gone again. Below zero they are apart from what waits.
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

/// Which matches are wanted where there are more.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    First,
    Last,
}

/// The first or the last `limit` rows from `first` to `last` that match, in that order: indexed ones, and those that wait.
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

/// Has the message in this row be found by its words.
pub(super) fn index_unless_there(conn: &Connection, row: i64, text: &str) -> rusqlite::Result<()> {
    if is_indexed(conn, row, text)? { Ok(()) } else { insert(conn, std::iter::once((row, text))) }
}

/// Whether the index on disk finds this row by its first words, or it has none.
fn is_indexed(conn: &Connection, row: i64, text: &str) -> rusqlite::Result<bool> {
    let Some(query) = query::whole_words(text) else { return Ok(true) };
    let mut there = conn.prepare_cached("SELECT 1 FROM words WHERE words MATCH ?1 AND rowid = ?2")?;
    there.exists(params![query, row])
}
