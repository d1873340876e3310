//! What user interfaces read: history by pages, entries in order of arrival, changes for an export. Each call
//! sees one state of the database: the last commit before it began.

mod ahead;
mod attention;
mod feed;
mod groups;
mod users;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use peer_engine::change::{Change, Genesis};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::kinds::name::NAME;
use peer_engine::store::Fork;
use peer_engine::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::by_hash;
use super::log::{self, GroupRef, Stored};
use super::words::Tail;
use super::{folded, group_name, index, query, schema, search, shelf, stranded};
use crate::limits::PAGE_MAX;
use crate::store::{Entry, Hit, Page, PageOf, Snapshot, StoreError};

/// A read-only connection. It may move between threads; open one for each concurrent read.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    path: PathBuf,
    mesh: MeshId,
    directory: GroupId,
    /// Damaged entries that reads have found.
    damage: RefCell<Vec<(GroupNo, EntryNo)>>,
    /// `None` until the first search.
    tail: RefCell<Option<Tail>>,
}

/// A group, as needed to read its entries.
struct Source {
    group: GroupRef,
    name: GroupName,
}

impl Reader {
    /// Opens the database of a peer of `mesh`; a store must have created it.
    pub fn open(path: &Path, mesh: MeshId) -> Result<Self, StoreError> {
        let conn = schema::open_reader(path)?;
        let directory = Genesis::public(mesh, GroupName::directory()).id();
        Ok(Self {
            conn,
            path: path.to_owned(),
            mesh,
            directory,
            damage: RefCell::default(),
            tail: RefCell::default(),
        })
    }

    /// The entries of a page, oldest first.
    pub fn history(&self, group: GroupNo, page: Page, limit: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(self.history_page(group, page, limit)?.entries)
    }

    /// A page of history.
    pub fn history_page(
        &self,
        group: GroupNo,
        page: Page,
        limit: usize,
    ) -> Result<PageOf<Entry>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let numbers = self.numbers(source.group, page, limit)?;
            let entries = self.entries(&source, &numbers.entries, &mut HashMap::new())?;
            let in_order = entries.is_sorted_by(|a, b| (a.eff, a.id) < (b.eff, b.id));
            if !in_order || !self.ends_where_it_says(group, &numbers)? {
                let reason = format!("the order of {} is not that of its log", source.name);
                return Err(StoreError::Damaged { reason });
            }
            let PageOf { more_before, more_after, .. } = numbers;
            Ok(PageOf { entries, more_before, more_after })
        })
    }

    /// A page without more entries beyond it ends at the end of the display order, so it is read from that
    /// side.
    fn ends_where_it_says(&self, group: GroupNo, page: &PageOf<EntryNo>) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) else { return Ok(true) };
        let end = |sql| {
            let mut statement = self.conn.prepare_cached(sql)?;
            statement.query_row([group.0], |row| Ok(EntryNo(row.get::<_, i64>(0)? as u64))).optional()
        };
        Ok((page.more_before || end(OLDEST)? == Some(*first))
            && (page.more_after || end(NEWEST)? == Some(*last)))
    }

    /// One entry; `None` when it is damaged.
    pub fn entry_of(&self, group: GroupNo, id: ChangeHash) -> Result<Option<Entry>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let no = by_hash::find(&self.conn, source.group, &id)?.filter(|no| *no != EntryNo::GENESIS);
            let no = no.ok_or(StoreError::NoEntry(id))?;
            Ok(self.entries(&source, &[no], &mut HashMap::new())?.pop())
        })
    }

    /// The late entries that arrived after the entry of this number, in order of arrival.
    pub fn late_after(&self, group: GroupNo, after: EntryNo, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let numbers = self.arrived(LATE_AFTER, group, after, limit)?;
            self.entries(&source, &numbers, &mut HashMap::new())
        })
    }

    /// The number of entries that are shown without being part of the log. Counts them one by one.
    pub fn stranded(&self, group: GroupNo) -> Result<u64, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT count(*) FROM log WHERE id > ?1 AND id <= ?2")?;
        let count: i64 = statement.query_row(stranded::rows_of(group), |row| row.get(0))?;
        Ok(count as u64)
    }

    /// Entries whose author's clock was ahead of `time` when they were written; of very many, the first in
    /// display order.
    pub fn stamped_after(&self, group: GroupNo, time: Timestamp) -> Result<Vec<Entry>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let mut statement = self.conn.prepare_cached(
                "SELECT no FROM entry WHERE grp = ?1 AND eff > ?2 ORDER BY eff, hash LIMIT 50",
            )?;
            let number = |row: &rusqlite::Row<'_>| Ok(EntryNo(row.get::<_, i64>(0)? as u64));
            let numbers = statement.query_map(params![group.0, time.millis()], number)?;
            let numbers: Vec<EntryNo> = numbers.collect::<Result<_, _>>()?;
            let mut entries = self.entries(&source, &numbers, &mut HashMap::new())?;
            // An entry that is displayed this late only because it depends on such an entry is not at fault.
            entries.retain(|entry| entry.at > time);
            Ok(entries)
        })
    }

    /// Changes after the entry of this number, in order of arrival, which is a causal order.
    pub fn changes_after(
        &self,
        group: GroupNo,
        after: EntryNo,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let numbers = self.arrived(ARRIVED_AFTER, group, after, limit)?;
            numbers.iter().map(|&no| Ok(self.stored(&source, no)?.change)).collect()
        })
    }

    /// All changes of the group in order of arrival, read in batches. Ends after an error.
    pub fn changes(&self, group: GroupNo) -> impl Iterator<Item = Result<Change, StoreError>> + '_ {
        let (mut read, mut ended) = (EntryNo::GENESIS, false);
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let batch = self.changes_after(group, read, PAGE_MAX);
            ended = !matches!(&batch, Ok(batch) if batch.len() == PAGE_MAX);
            read.0 += PAGE_MAX as u64;
            Some(batch.map_or_else(|error| vec![Err(error)], |batch| batch.into_iter().map(Ok).collect()))
        })
        .flatten()
    }

    /// The bytes of the group's first change.
    pub fn genesis(&self, group: GroupNo) -> Result<Vec<u8>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT genesis FROM grp WHERE no = ?1")?;
        statement.query_row([group.0], |row| row.get(0)).optional()?.ok_or(StoreError::NoGroup(group))
    }

    /// Messages that contain all words of `text`, the last one as a prefix; newest first, with `context`
    /// entries before and after each. In one group, or in all. `text` is read as words only, never as query
    /// syntax.
    pub fn search(
        &self,
        text: &str,
        group: Option<GroupNo>,
        limit: usize,
        context: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let Some(query) = query::words(text) else { return Ok(Vec::new()) };
        self.in_one_state(|| {
            let mut names = HashMap::new();
            let mut hits = Vec::new();
            let found = self.with_words(|tail| search::search(&self.conn, tail, &query, group, limit))?;
            for (group, no) in found {
                let source = self.source(group)?;
                let Some(entry) = self.entries(&source, &[no], &mut names)?.pop() else { continue };
                let before = self.page(source.group, Page::Before(entry.id), context)?;
                let after = self.page(source.group, Page::After(entry.id), context)?;
                hits.push(Hit {
                    entry,
                    before: self.entries(&source, &before, &mut names)?,
                    after: self.entries(&source, &after, &mut names)?,
                });
            }
            Ok(hits)
        })
    }

    /// Authors who were caught equivocating, with the proof.
    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        index::forks(&self.conn)
    }

    /// The group as it was last saved as an Automerge document.
    pub fn snapshot(&self, group: GroupNo) -> Result<Option<Snapshot>, StoreError> {
        Ok(shelf::snapshot(&self.conn, group)?)
    }

    /// Takes the list of damaged entries that were left out of answers since the last call.
    pub fn take_damage(&self) -> Vec<(GroupNo, EntryNo)> {
        self.damage.take()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that the database takes on disk, including its write-ahead log.
    pub fn size(&self) -> u64 {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        bytes(&self.path) + bytes(Path::new(&log))
    }

    /// Runs `f` in one read transaction, so that commits during it are not seen.
    fn in_one_state<T>(&self, f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _ends_when_dropped = self.conn.unchecked_transaction()?;
        f()
    }

    /// Runs `f` with the messages that wait to be indexed in the same state.
    fn with_words<T>(&self, f: impl FnOnce(&Tail) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut tail = self.tail.borrow_mut();
        let tail = match &mut *tail {
            Some(tail) => tail,
            none => none.insert(Tail::new()?),
        };
        tail.follow(&self.conn)?;
        f(tail)
    }

    fn source(&self, group: GroupNo) -> Result<Source, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id, name FROM grp WHERE no = ?1")?;
        let mut rows = statement.query([group.0])?;
        let row = rows.next()?.ok_or(StoreError::NoGroup(group))?;
        Ok(Source {
            group: GroupRef { no: group, id: GroupId(row.get(0)?) },
            name: group_name(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
        })
    }

    /// The numbers of the entries of a page, and one more on each side where there may be more entries.
    fn numbers(&self, group: GroupRef, page: Page, limit: usize) -> Result<PageOf<EntryNo>, StoreError> {
        let (mut before, mut after) = match page {
            Page::Newest | Page::Before(_) => (self.page(group, page, limit.saturating_add(1))?, Vec::new()),
            Page::After(_) => (Vec::new(), self.page(group, page, limit.saturating_add(1))?),
            Page::Around(id) => {
                let above = self.page(group, Page::Before(id), limit / 2 + 1)?;
                let here = by_hash::find(&self.conn, group, &id)?.filter(|no| *no != EntryNo::GENESIS);
                let rest = limit - limit / 2;
                let below = self.page(group, Page::After(id), rest + usize::from(here.is_none()))?;
                (above, here.into_iter().chain(below).collect())
            }
        };
        let (before_max, after_max) = match page {
            Page::Around(_) => (limit / 2, limit - limit / 2),
            _ => (limit, limit),
        };
        let more_before =
            before.len() > before_max || matches!(page, Page::After(id) if id != group.id.genesis());
        let more_after = after.len() > after_max || matches!(page, Page::Before(_));
        before.drain(..before.len().saturating_sub(before_max));
        after.truncate(after_max);
        Ok(PageOf { entries: [before, after].concat(), more_before, more_after })
    }

    /// The numbers of the entries of a page, oldest first.
    fn page(&self, group: GroupRef, page: Page, limit: usize) -> Result<Vec<EntryNo>, StoreError> {
        let (sql, from) = match page {
            Page::Newest => (PAGE_NEWEST, None),
            Page::Before(id) => (PAGE_BEFORE, Some(self.order_key(group, id)?)),
            Page::After(id) | Page::Around(id) => (PAGE_AFTER, Some(self.order_key(group, id)?)),
        };
        let mut statement = self.conn.prepare_cached(sql)?;
        let limit = limit as i64;
        let number = |row: &rusqlite::Row<'_>| Ok(EntryNo(row.get::<_, i64>(0)? as u64));
        let rows = match &from {
            None => statement.query_map(params![group.no.0, limit], number)?,
            Some((eff, hash)) => {
                statement.query_map(params![group.no.0, limit, eff, hash.as_bytes()], number)?
            }
        };
        let mut numbers = rows.collect::<Result<Vec<_>, _>>()?;
        if matches!(page, Page::Newest | Page::Before(_)) {
            numbers.reverse();
        }
        Ok(numbers)
    }

    fn order_key(&self, group: GroupRef, id: ChangeHash) -> Result<log::OrderKey, StoreError> {
        let no = by_hash::find(&self.conn, group, &id)?.ok_or(StoreError::NoEntry(id))?;
        let eff = match no {
            EntryNo::GENESIS => 0,
            no => log::eff(&self.conn, group.no, no)?.ok_or(StoreError::NoEntry(id))?,
        };
        Ok((eff, id))
    }

    fn arrived(
        &self,
        sql: &str,
        group: GroupNo,
        after: EntryNo,
        limit: usize,
    ) -> Result<Vec<EntryNo>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let (from, to) = (log::row_id(group, after), log::row_id(group, log::LAST));
        let numbers =
            statement.query_map(params![from, to, limit as i64], |row| Ok(log::no_of(row.get(0)?)))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    fn entries(
        &self,
        source: &Source,
        numbers: &[EntryNo],
        names: &mut HashMap<PeerId, Option<String>>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::with_capacity(numbers.len());
        for &no in numbers {
            match self.stored(source, no) {
                Ok(stored) => entries.push(self.entry(source, stored, names)?),
                // A damaged entry is not shown, and does not keep the others from being shown. The repair
                // reports it, once.
                Err(error @ StoreError::Row { group, no, .. }) => {
                    tracing::debug!("{error}");
                    self.damage.borrow_mut().push((group, no));
                }
                Err(error) => return Err(error),
            }
        }
        let mut marks = folded::marks(&self.conn, source.group.no, entries.iter().map(|entry| entry.id))?;
        if !marks.is_empty() {
            for entry in &mut entries {
                entry.marks = marks.remove(&entry.id).unwrap_or_default();
            }
        }
        Ok(entries)
    }

    fn stored(&self, source: &Source, no: EntryNo) -> Result<Stored, StoreError> {
        let gone = StoreError::Row { group: source.group.no, no, reason: "its row is missing" };
        let stored = log::read(&self.conn, source.group, no)?.ok_or(gone)?;
        if stored.eff != stored.eff_follows {
            let reason = format!("entry {} of {} is not where it belongs", no.0, source.name);
            return Err(StoreError::Damaged { reason });
        }
        Ok(stored)
    }

    fn entry(
        &self,
        source: &Source,
        stored: Stored,
        names: &mut HashMap<PeerId, Option<String>>,
    ) -> Result<Entry, StoreError> {
        let Change { header, content, .. } = stored.change;
        let author = header.actor.author();
        let name = match names.get(&author) {
            Some(name) => name.clone(),
            None => {
                let name = self.display_name(&author)?;
                names.insert(author, name.clone());
                name
            }
        };
        Ok(Entry {
            no: stored.no,
            id: stored.hash,
            group: source.name.clone(),
            group_id: source.group.id,
            at: content.at,
            eff: stored.eff,
            author,
            name,
            from: content.from,
            kind: content.kind,
            body: content.body,
            re: content.re,
            late: stored.late,
            marks: Vec::new(),
            arrival: if log::is_stranded(stored.no) { 0 } else { stored.no.0 },
        })
    }

    /// The name that this peer last gave itself in the directory.
    pub fn display_name(&self, key: &PeerId) -> Result<Option<String>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT value FROM register
             WHERE grp = (SELECT no FROM grp WHERE id = ?1) AND slot = ?2 AND key = ?3",
        )?;
        let name = statement.query_row(params![&self.directory.0[..], NAME, &key.0[..]], |row| row.get(0));
        Ok(name.optional()?)
    }
}

const OLDEST: &str = "SELECT no FROM entry WHERE grp = ?1 ORDER BY eff, hash LIMIT 1";
const NEWEST: &str = "SELECT no FROM entry WHERE grp = ?1 ORDER BY eff DESC, hash DESC LIMIT 1";
pub(super) const PAGE_NEWEST: &str =
    "SELECT no FROM entry WHERE grp = ?1 ORDER BY eff DESC, hash DESC LIMIT ?2";
pub(super) const PAGE_BEFORE: &str = "SELECT no FROM entry WHERE grp = ?1 AND (eff, hash) < (?3, ?4)
     ORDER BY eff DESC, hash DESC LIMIT ?2";
pub(super) const PAGE_AFTER: &str =
    "SELECT no FROM entry WHERE grp = ?1 AND (eff, hash) > (?3, ?4) ORDER BY eff, hash LIMIT ?2";
const ARRIVED_AFTER: &str = "SELECT id FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
pub(super) const LATE_AFTER: &str =
    "SELECT id FROM log WHERE late = 1 AND id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
