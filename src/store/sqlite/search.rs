//! Full-text search over the bodies of messages.

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupName};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::index;
use super::log::{self, OrderKey};
use super::words::{self, Tail, Wanted};
use crate::limits::SEARCH_LOOKED_AT_MAX;
use crate::store::StoreError;

/// In a group with this many entries, the newest are read before the index is queried: before its first
/// result FTS5 collects all messages with a word of that prefix, which takes 40 ms for half a million.
const LARGE: i64 = 100_000;
/// Limits for reading the newest entries, in entries and bytes of messages: a few milliseconds. Words that
/// this does not find often enough are rare, so querying the index for them is cheap.
const READ_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 256 * 1024;
const READ_TOGETHER: usize = 128;

/// The newest `limit` matches in display order, newest first. In each group the index is queried for at most
/// `SEARCH_LOOKED_AT_MAX` matches that arrived last, so that a word of every message costs no more than a
/// rarer one.
pub(super) fn search(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    group: Option<GroupNo>,
    limit: usize,
) -> Result<Vec<(GroupNo, EntryNo)>, StoreError> {
    let read = if is_large(conn)? { among_newest(conn, tail, query, group, limit)? } else { None };
    let found = match read {
        Some(found) => found,
        None => indexed(conn, tail, query, group, limit)?,
    };
    Ok(newest_first(found, limit).into_iter().map(|(_, id)| (log::group_of(id), log::no_of(id))).collect())
}

/// Matches with their places in the display order.
type Found = Vec<(OrderKey, i64)>;

/// Searches all groups: the index collects the messages of all of them.
fn is_large(conn: &Connection) -> rusqlite::Result<bool> {
    let mut total = conn.prepare_cached("SELECT total(entries) >= ?1 FROM grp")?;
    total.query_row([LARGE], |row| row.get(0))
}

/// The groups, starting with the one that holds the newest entry of all.
fn by_newest(conn: &Connection) -> Result<Vec<(OrderKey, GroupNo)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT no FROM grp WHERE name <> ?1")?;
    let numbers = statement.query_map([GroupName::directory().as_str()], |row| Ok(GroupNo(row.get(0)?)))?;
    let mut groups = Vec::new();
    for no in numbers {
        let no = no?;
        groups.extend(index::newest(conn, no)?.map(|newest| (newest, no)));
    }
    groups.sort_unstable_by(|a, b| b.cmp(a));
    Ok(groups)
}

/// Whether `limit` matches were found, and all that was not examined yet is older.
fn is_full(found: &Found, limit: usize, newest: &OrderKey) -> bool {
    found.len() >= limit && found.last().is_none_or(|(key, _)| key > newest)
}

/// Searches with the index.
fn indexed(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    group: Option<GroupNo>,
    limit: usize,
) -> Result<Found, StoreError> {
    let first = group.unwrap_or(GroupNo(0));
    let last = group.unwrap_or(GroupNo(log::GROUP_NO_MAX));
    let found = matches(conn, tail, query, first, last)?;
    if group.is_some() || found.len() < SEARCH_LOOKED_AT_MAX {
        return Ok(found);
    }
    // The limit may have left only matches of the groups with the largest numbers.
    let mut found = Found::new();
    for (newest, no) in by_newest(conn)? {
        if is_full(&found, limit, &newest) {
            break;
        }
        found.extend(matches(conn, tail, query, no, no)?);
        found = newest_first(found, limit);
    }
    Ok(found)
}

/// Searches by reading the newest entries; `None` if that is not enough to determine the newest matches.
pub(super) fn among_newest(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    group: Option<GroupNo>,
    limit: usize,
) -> Result<Option<Found>, StoreError> {
    let groups = match group {
        Some(no) => index::newest(conn, no)?.map(|newest| (newest, no)).into_iter().collect(),
        None => by_newest(conn)?,
    };
    let (mut found, mut left) = (Found::new(), Left { entries: READ_MAX, bytes: READ_BYTES_MAX });
    for (newest, no) in groups {
        if is_full(&found, limit, &newest) {
            break;
        }
        let (mut matched, mut below) = (0, None);
        while matched < limit {
            let Some(page) = read_page(conn, no, below, &mut left)? else { return Ok(None) };
            let Some((last, _)) = page.keys.last() else { break };
            below = Some(*last);
            let matching = tail.matching(&page.texts, query)?;
            matched += matching.len();
            found.extend(page.keys.into_iter().filter(|(_, id)| matching.contains(id)));
        }
        found = newest_first(found, limit);
    }
    Ok(Some(found))
}

/// How much may still be read.
struct Left {
    entries: usize,
    bytes: usize,
}

struct PageOfTexts {
    keys: Found,
    /// Those of the rows that are messages.
    texts: Vec<(i64, String)>,
}

/// The newest entries of a group, or those just below a place in it; `None` when nothing more may be read.
fn read_page(
    conn: &Connection,
    group: GroupNo,
    below: Option<OrderKey>,
    left: &mut Left,
) -> Result<Option<PageOfTexts>, StoreError> {
    if left.entries == 0 || left.bytes == 0 {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(
        "SELECT entry.eff, entry.hash, entry.no, log.kind, log.body
         FROM entry LEFT JOIN log ON log.id = (entry.grp << 40) + entry.no
         WHERE entry.grp = ?1 AND (entry.eff, entry.hash) < (?2, ?3)
         ORDER BY entry.eff DESC, entry.hash DESC LIMIT ?4",
    )?;
    let (eff, hash) = below.unwrap_or((i64::MAX, ChangeHash([0xff; 32])));
    let limit = READ_TOGETHER.min(left.entries);
    let mut rows = statement.query(params![group.0, eff, &hash.0[..], limit as i64])?;
    let mut page = PageOfTexts { keys: Found::new(), texts: Vec::new() };
    while let Some(row) = rows.next()? {
        let id = log::row_id(group, EntryNo(row.get::<_, i64>(2)? as u64));
        left.entries -= 1;
        page.keys.push(((row.get(0)?, ChangeHash(row.get(1)?)), id));
        let body = row.get_ref(4)?;
        if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = body {
            left.bytes = left.bytes.saturating_sub(bytes.len());
        }
        page.texts.extend(words::text_of(row.get_ref(3)?, body).map(|text| (id, text.to_owned())));
        if left.bytes == 0 {
            break;
        }
    }
    Ok(Some(page))
}

fn newest_first(mut found: Found, limit: usize) -> Found {
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    found
}

/// The matches that arrived last in these groups.
fn matches(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    first: GroupNo,
    last: GroupNo,
) -> Result<Found, StoreError> {
    let rows = (log::row_id(first, EntryNo::GENESIS), log::row_id(last, EntryNo(u64::MAX)));
    let rows = words::matches(conn, tail, query, rows, Wanted::Last, SEARCH_LOOKED_AT_MAX)?;
    let mut order = conn.prepare_cached("SELECT eff, hash FROM log WHERE id = ?1")?;
    let mut found = Found::with_capacity(rows.len());
    for id in rows {
        // A damaged row does not fail the search: it is noticed when the whole row is read.
        let key = order.query_row([id], |row| {
            Ok((row.get(0).unwrap_or_default(), ChangeHash(row.get(1).unwrap_or_default())))
        });
        found.extend(key.optional()?.map(|key| (key, id)));
    }
    Ok(found)
}
