//! Stranded entries: those copied from a damaged database while one of their ancestors is lost.
//!
//! They match their hashes and signatures, so they are shown and found by searches, at the place that they
//! had. They are not part of the log, which has no gaps: heads, walks and counts leave them out. So other
//! peers send the missing entries as if this peer had never had them. Once all ancestors of a stranded entry
//! are back, it passes the gate again like any change that arrives. The rows of stranded entries have numbers
//! above all of the log, and hold the full hashes of their dependencies.

use std::collections::{BTreeMap, HashMap};

use peer_engine::change::{Unverified, Verified};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::ChangeHash;
use peer_engine::kinds::Opened;
use rusqlite::Connection;

use super::by_hash::{self, ByHash};
use super::log::{self, GroupRef};
use super::words::Unindexed;
use super::{folded, index};
use crate::store::StoreError;

/// The stranded entries by the hashes that they wait for. Takes memory in proportion to the damage, and none
/// without damage.
#[derive(Debug, Default)]
pub(super) struct Stranded(BTreeMap<GroupNo, Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    last: Option<EntryNo>,
    by_dep: HashMap<ChangeHash, Vec<EntryNo>>,
}

impl Waiting {
    fn add(
        &mut self,
        conn: &Connection,
        group: GroupRef,
        no: EntryNo,
        deps: &[ChangeHash],
    ) -> Result<(), StoreError> {
        self.count += 1;
        self.last = self.last.max(Some(no));
        for dep in deps {
            if by_hash::find(conn, group, dep)?.is_none_or(log::is_stranded) {
                self.by_dep.entry(*dep).or_default().push(no);
            }
        }
        Ok(())
    }
}

impl Stranded {
    pub fn load(conn: &Connection, groups: impl Iterator<Item = GroupRef>) -> Result<Self, StoreError> {
        let mut stranded = Self::default();
        let mut statement = conn.prepare_cached("SELECT id, deps FROM log WHERE id > ?1 AND id <= ?2")?;
        for group in groups {
            let mut rows = statement.query(rows_of(group.no))?;
            while let Some(row) = rows.next()? {
                let (no, deps) = (log::no_of(row.get(0)?), row.get::<_, Vec<u8>>(1)?);
                stranded.0.entry(group.no).or_default().add(conn, group, no, &log::hashes(&deps))?;
            }
        }
        Ok(stranded)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn any_in(&self, group: GroupNo) -> bool {
        self.0.contains_key(&group)
    }

    /// Stores `change` as stranded, shown at `eff`. Returns its row, under which the caller indexes its
    /// words.
    pub fn add(
        &mut self,
        conn: &Connection,
        by_hash: &mut ByHash,
        group: GroupRef,
        change: &Verified,
        eff: i64,
        late: bool,
    ) -> Result<i64, StoreError> {
        let waiting = self.0.entry(group.no).or_default();
        let no = EntryNo(waiting.last.unwrap_or(log::LAST).0 + 1);
        let actor_id = &change.header().actor;
        let actor = match index::actor(conn, group.no, actor_id)? {
            Some(actor) => actor,
            None => index::add_actor(conn, group.no, actor_id)?,
        };
        log::write(conn, group, change, &log::Position { no, actor: actor.row, deps: &[], eff, late })?;
        by_hash.insert(conn, log::row_id(group.no, no), &change.hash())?;
        waiting.add(conn, group, no, &change.header().deps)?;
        show(conn, group, no, eff, change)?;
        Ok(log::row_id(group.no, no))
    }

    /// The stranded entries that wait for `dep`, and perhaps for others too.
    pub fn released_by(
        &mut self,
        conn: &Connection,
        group: GroupRef,
        dep: &ChangeHash,
    ) -> Result<Vec<Verified>, StoreError> {
        let Some(waiting) = self.0.get_mut(&group.no) else { return Ok(Vec::new()) };
        let mut released = Vec::new();
        for no in waiting.by_dep.remove(dep).unwrap_or_default() {
            released.extend(read(conn, group, no)?);
        }
        Ok(released)
    }

    /// Removes `change` from the stranded entries before it becomes part of the log. Returns its row, whose
    /// words the caller removes from the index, and whether it was late.
    pub fn take(
        &mut self,
        conn: &Connection,
        by_hash: &mut ByHash,
        group: GroupRef,
        change: &Verified,
    ) -> Result<Option<(i64, bool)>, StoreError> {
        let hash = change.hash();
        let Some(no) = by_hash::find(conn, group, &hash)?.filter(|no| log::is_stranded(*no)) else {
            return Ok(None);
        };
        let (id, late) = (log::row_id(group.no, no), log::is_late(conn, group, no)?);
        if let Some(eff) = log::eff(conn, group.no, no)? {
            index::remove_entry(conn, group.no, (eff, hash))?;
            if let Some(entry) = Opened::public(hash, eff, change.author(), change.content()) {
                folded::forget(conn, group.no, &entry)?;
            }
        }
        log::remove(conn, group.no, no)?;
        by_hash.remove(conn, id, &hash)?;
        if let Some(waiting) = self.0.get_mut(&group.no) {
            waiting.count -= 1;
            if waiting.count == 0 {
                self.0.remove(&group.no);
            }
        }
        Ok(Some((id, late)))
    }
}

/// Derives again everything that comes from the stranded entries of this group.
pub(super) fn derive(conn: &Connection, group: GroupRef, words: &mut Unindexed) -> Result<(), StoreError> {
    let mut statement = conn.prepare("SELECT id, eff FROM log WHERE id > ?1 AND id <= ?2")?;
    let rows = statement.query_map(rows_of(group.no), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, eff) in rows.collect::<Result<Vec<(i64, i64)>, _>>()? {
        let Some(change) = read(conn, group, log::no_of(id))? else { continue };
        show(conn, group, log::no_of(id), eff, &change)?;
        words.push(conn, id, change.content())?;
    }
    Ok(())
}

fn show(
    conn: &Connection,
    group: GroupRef,
    no: EntryNo,
    eff: i64,
    change: &Verified,
) -> Result<(), StoreError> {
    index::insert_entry(conn, group.no, no, (eff, change.hash()))?;
    if let Some(entry) = Opened::public(change.hash(), eff, change.author(), change.content()) {
        folded::fold(conn, group.no, &entry)?;
    }
    Ok(())
}

/// `None` if the stranded row is damaged itself: then the change comes back from other peers like the lost
/// ones.
fn read(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<Option<Verified>, StoreError> {
    match log::read(conn, group, no) {
        Ok(stored) => Ok(stored.and_then(|stored| {
            let change = Unverified::decode(&stored.bytes).ok()?;
            change.verify(group.id).ok()
        })),
        Err(StoreError::Row { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn rows_of(group: GroupNo) -> [i64; 2] {
    [log::row_id(group, log::LAST), log::row_id(group, EntryNo(u64::MAX))]
}
