//! Full-text search over the bodies of messages. What a user types is only ever words to look for: none of
//! it reaches the query language of FTS5.

use rusqlite::{Connection, OptionalExtension};

use super::index::{self, OrderKey};
use super::log;
use super::words::{self, Tail, Wanted};
use crate::group::{EntryNo, GroupNo};
use crate::id::ChangeHash;
use crate::limits::{SEARCH_LOOKED_AT_MAX, SEARCH_WORDS_MAX};
use crate::store::StoreError;

/// The words of `text` as a query for all of them, the last one as a beginning; `None` when there are none.
pub(super) fn query(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || c == '"')
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(SEARCH_WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ") + " *") }
}

/// The words of `name` next to each other; `None` when there are none.
pub(super) fn phrase(name: &str) -> Option<String> {
    let text: String = name.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).collect();
    text.chars().any(char::is_alphanumeric).then(|| format!("\"{text}\""))
}

/// The newest `limit` in display order, newest first. Of each group it looks at the matches that arrived last, at most
/// `SEARCH_LOOKED_AT_MAX` of them, so that a word of every message costs no more than a rarer one.
pub(super) fn search(
    conn: &Connection,
    tail: &Tail,
    query: &str,
    group: Option<GroupNo>,
    limit: usize,
) -> Result<Vec<(GroupNo, EntryNo)>, StoreError> {
    let first = group.unwrap_or(GroupNo(0));
    let last = group.unwrap_or(GroupNo(log::GROUP_NO_MAX));
    let mut found = matches(conn, tail, query, first, last)?;
    if group.is_none() && found.len() == SEARCH_LOOKED_AT_MAX {
        // These are of the groups with the largest numbers only.
        found = in_turn(conn, tail, query, limit)?;
    }
    Ok(newest_first(found, limit).into_iter().map(|(_, id)| (log::group_of(id), log::no_of(id))).collect())
}

/// Matches with their places in the order of display.
type Found = Vec<(OrderKey, i64)>;

/// Group by group, beginning with the one that holds the newest entry of all, until the others hold nothing newer
/// than what was found.
fn in_turn(conn: &Connection, tail: &Tail, query: &str, limit: usize) -> Result<Found, StoreError> {
    let mut statement = conn.prepare_cached("SELECT no FROM grp")?;
    let numbers = statement.query_map([], |row| Ok(GroupNo(row.get(0)?)))?;
    let mut groups = Vec::new();
    for no in numbers {
        let no = no?;
        groups.extend(index::newest(conn, no)?.map(|newest| (newest, no)));
    }
    groups.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Found::new();
    for (newest, no) in groups {
        if found.len() >= limit && found.last().is_none_or(|(key, _)| *key > newest) {
            break;
        }
        found.extend(matches(conn, tail, query, no, no)?);
        found = newest_first(found, limit);
    }
    Ok(found)
}

fn newest_first(mut found: Found, limit: usize) -> Found {
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    found
}

/// Those that arrived last in these groups.
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
        // A damaged row is nothing to fail for here: it is noticed when it is read whole.
        let key = order.query_row([id], |row| {
            Ok((row.get(0).unwrap_or_default(), ChangeHash(row.get(1).unwrap_or_default())))
        });
        found.extend(key.optional()?.map(|key| (key, id)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_quoted_words_and_a_beginning() {
        assert_eq!(query("hello wor").as_deref(), Some("\"hello\" \"wor\" *"));
        assert_eq!(query("a\"b OR c*").as_deref(), Some("\"a\" \"b\" \"OR\" \"c*\" *"));
        assert_eq!(query("x\0y").as_deref(), Some("\"x\" \"y\" *"));
        assert_eq!(phrase("Ann \"X\" Lee").as_deref(), Some("\"Ann  X  Lee\""));
        assert_eq!(phrase("🦀\""), None);
        for nothing in ["", " \t", "\"", "* - ^", "\u{301}"] {
            assert_eq!(query(nothing), None, "{nothing:?}");
        }
    }
}
