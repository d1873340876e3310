//! Full-text search over the bodies of messages. What a user types is only ever words to look for: none of
//! it reaches the query language of FTS5.

use rusqlite::{Connection, params};

use super::log;
use crate::group::{EntryNo, GroupNo};
use crate::limits::SEARCH_WORDS_MAX;
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

/// The newest `limit` in display order, newest first. Looks at each entry that holds the words.
pub(super) fn search(
    conn: &Connection,
    query: &str,
    group: Option<GroupNo>,
    limit: usize,
) -> Result<Vec<(GroupNo, EntryNo)>, StoreError> {
    let first = group.unwrap_or(GroupNo(0));
    let last = group.unwrap_or(GroupNo(log::GROUP_NO_MAX));
    let (from, to) = (log::row_id(first, EntryNo::GENESIS), log::row_id(last, EntryNo(u64::MAX)));
    let mut statement = conn.prepare_cached(
        "SELECT log.id FROM words CROSS JOIN log ON log.id = words.rowid
         WHERE words MATCH ?1 AND words.rowid BETWEEN ?2 AND ?3
         ORDER BY log.eff DESC, log.hash DESC LIMIT ?4",
    )?;
    let found = statement.query_map(params![query, from, to, limit as i64], |row| {
        let id = row.get(0)?;
        Ok((log::group_of(id), log::no_of(id)))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
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
