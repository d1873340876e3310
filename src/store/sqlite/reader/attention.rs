//! What a person has not read, and which of it mentions that person.
//!
//! **A mention** is a message of somebody else that a search for this person's display name finds, or that
//! replies to one of this person's own entries. The search wants the name's words next to each other, whole,
//! ignoring case: `@ann` and `Ann,` mention ann, `annual` does not. Counts and marks use this same rule and
//! cost what they show: each examines at most [`UNREAD_VISITS_MAX`] entries above the read mark, however many
//! are below it.

use std::borrow::Cow;
use std::collections::HashSet;

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, PeerId};
use peer_engine::time::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::Reader;
use crate::limits::{UNREAD_MAX, UNREAD_VISITS_MAX};
use crate::store::sqlite::by_hash;
use crate::store::sqlite::log::{self, GroupRef};
use crate::store::sqlite::words::{self, Tail, Wanted};
use crate::store::sqlite::{index, query, shelf};
use crate::store::{Attention, Entry, GroupSummary, StoreError};

/// Maximum number of mentions by name that are searched for in all groups at once: most may have been read
/// already.
const NAMED_MAX: usize = 4096;

/// What is unread in a group.
struct Stretch {
    no: GroupNo,
    id: GroupId,
    read: EntryNo,
    last: EntryNo,
}

impl Stretch {
    fn is_unread(&self) -> bool {
        self.last > self.read
    }

    /// The range of unread rows: above the first, up to and including the second.
    fn rows(&self) -> (i64, i64) {
        (log::row_id(self.no, self.read), log::row_id(self.no, self.last))
    }
}

impl Reader {
    /// What the person with key `own` has not read in each of these groups. In groups that the person has not
    /// joined there is nothing.
    pub fn attention(&self, groups: &[GroupSummary], own: &PeerId) -> Result<Vec<Attention>, StoreError> {
        self.in_one_state(|| {
            let name = self.phrase_of(own)?;
            let mut stretches = Vec::with_capacity(groups.len());
            for group in groups {
                let stretch = |no| {
                    let read = shelf::read_mark(&self.conn, no)?;
                    Ok::<_, StoreError>(Stretch { no, id: group.id, read, last: EntryNo(group.entries) })
                };
                stretches.push(group.no.filter(|_| group.joined).map(stretch).transpose()?);
            }
            self.with_words(|tail| {
                let named = self.named_anywhere(tail, name.as_deref(), stretches.iter().flatten())?;
                let attention = |stretch: &Option<Stretch>| match stretch {
                    Some(stretch) => self.attention_of(tail, stretch, own, name.as_deref(), named.as_ref()),
                    None => Ok(Attention::default()),
                };
                stretches.iter().map(attention).collect()
            })
        })
    }

    /// The mentions by name in everything unread, found with one query; `None` where querying each group may
    /// be less work.
    fn named_anywhere<'a>(
        &self,
        tail: &Tail,
        name: Option<&str>,
        stretches: impl Iterator<Item = &'a Stretch>,
    ) -> Result<Option<HashSet<i64>>, StoreError> {
        let unread: Vec<_> = stretches.filter(|stretch| stretch.is_unread()).map(Stretch::rows).collect();
        let (Some(from), Some(to)) =
            (unread.iter().map(|rows| rows.0).min(), unread.iter().map(|rows| rows.1).max())
        else {
            return Ok(None);
        };
        if unread.len() == 1 {
            return Ok(None);
        }
        let named = self.naming(tail, name, from, to, NAMED_MAX)?;
        Ok(Some(named).filter(|named| named.len() < NAMED_MAX))
    }

    fn attention_of(
        &self,
        tail: &Tail,
        stretch: &Stretch,
        own: &PeerId,
        name: Option<&str>,
        named: Option<&HashSet<i64>>,
    ) -> Result<Attention, StoreError> {
        let group = GroupRef { no: stretch.no, id: stretch.id };
        let newest = index::newest(&self.conn, group.no)?.map(|(eff, _)| Timestamp::clamped(eff));
        let mut attention = Attention { read: stretch.read, newest, ..Attention::default() };
        if !stretch.is_unread() {
            return Ok(attention);
        }
        let (from, to) = stretch.rows();
        let actors = self.actors_of(group.no, own)?;
        let named = match named {
            Some(named) => Cow::Borrowed(named),
            None => Cow::Owned(self.naming(tail, name, from, to, UNREAD_VISITS_MAX)?),
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT id, actor, re, kind IS NULL FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
        )?;
        let mut rows = statement.query(params![from, to, UNREAD_VISITS_MAX as i64])?;
        let mut visited = 0;
        while let Some(row) = rows.next()? {
            visited += 1;
            if !row.get::<_, bool>(3)? || actors.contains(&row.get(1)?) {
                continue;
            }
            attention.unread += 1;
            let re = row.get::<_, Option<[u8; 32]>>(2)?.map(ChangeHash);
            if named.contains(&row.get(0)?) || self.is_of(group, re, &actors)? {
                attention.mentions += 1;
            }
            if attention.unread == UNREAD_MAX {
                break;
            }
        }
        if visited == UNREAD_VISITS_MAX {
            attention.unread = UNREAD_MAX;
        }
        Ok(attention)
    }

    /// Which of these entries of one group are mentions.
    pub fn mentions(
        &self,
        group: GroupNo,
        own: &PeerId,
        entries: &[Entry],
    ) -> Result<HashSet<EntryNo>, StoreError> {
        let key = self.source(group)?.group;
        let actors = self.actors_of(group, own)?;
        let name = self.phrase_of(own)?;
        self.with_words(|tail| {
            let mut found = HashSet::new();
            for entry in entries.iter().filter(|entry| entry.kind.is_none() && entry.author != *own) {
                let id = log::row_id(group, entry.no);
                if self.is_of(key, entry.re, &actors)?
                    || self.naming(tail, name.as_deref(), id - 1, id, 1)?.contains(&id)
                {
                    found.insert(entry.no);
                }
            }
            Ok(found)
        })
    }

    /// The query for a person's name.
    fn phrase_of(&self, own: &PeerId) -> Result<Option<String>, StoreError> {
        Ok(self.display_name(own)?.as_deref().and_then(query::phrase))
    }

    /// The rows above `from`, up to `to`, that contain the person's name.
    fn naming(
        &self,
        tail: &Tail,
        name: Option<&str>,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<HashSet<i64>, StoreError> {
        let Some(name) = name else { return Ok(HashSet::new()) };
        let rows = (from.saturating_add(1), to);
        Ok(words::matches(&self.conn, tail, name, rows, Wanted::First, limit)?.into_iter().collect())
    }

    fn is_of(
        &self,
        group: GroupRef,
        re: Option<ChangeHash>,
        actors: &HashSet<i64>,
    ) -> Result<bool, StoreError> {
        let Some(hash) = re else { return Ok(false) };
        let Some(no) = by_hash::find(&self.conn, group, &hash)? else { return Ok(false) };
        let mut statement = self.conn.prepare_cached("SELECT actor FROM log WHERE id = ?1")?;
        let actor = statement.query_row([log::row_id(group.no, no)], |row| row.get(0)).optional()?;
        Ok(actor.is_some_and(|actor| actors.contains(&actor)))
    }

    /// The numbers of the actors that this author wrote under.
    fn actors_of(&self, group: GroupNo, author: &PeerId) -> Result<HashSet<i64>, StoreError> {
        let (first, last) = ([&author.0[..], &[0; 8]].concat(), [&author.0[..], &[0xff; 8]].concat());
        let mut statement =
            self.conn.prepare_cached("SELECT id FROM actor WHERE grp = ?1 AND bytes BETWEEN ?2 AND ?3")?;
        let found = statement.query_map(params![group.0, first, last], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}
