//! Everything derived, computed again from the log. What is remembered from the arrival (late marks, numbers)
//! is kept: no log can tell it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::index;
use super::log::{self, GroupRef, Stored};
use crate::group::{EntryNo, Node, effective_time, next_counters};
use crate::id::ChangeHash;
use crate::store::{GroupRow, StoreError};

/// Within the caller's transaction. An entry that does not match its hash ends it.
pub(super) fn rebuild<'a>(
    conn: &Connection,
    groups: impl Iterator<Item = &'a mut GroupRow>,
) -> Result<(), StoreError> {
    index::clear(conn)?;
    for row in groups {
        let group = GroupRef { no: row.no, id: row.id };
        row.entries = 0;
        row.heads = vec![EntryNo::GENESIS];
        let mut words = Vec::new();
        while let Some((entry, deps)) = restore(conn, group, EntryNo(row.entries + 1))? {
            place(conn, group, &entry)?;
            row.entries = entry.no.0;
            row.heads.retain(|head| !deps.contains(head));
            row.heads.push(entry.no);
            if let Some(text) = index::words_of(&entry.change.content) {
                words.push((log::row_id(group.no, entry.no), text.to_owned()));
            }
            if words.len() >= super::WORDS_HELD_MAX {
                index::insert_words(conn, &mut words)?;
            }
        }
        index::insert_words(conn, &mut words)?;
        let next = EntryNo(row.entries + 1);
        if !log::nodes_below(conn, group, EntryNo(u64::MAX), 1)?.iter().all(|last| last.no < next) {
            return Err(StoreError::Row { group: group.no, no: next, reason: "it is gone" });
        }
    }
    Ok(())
}

/// Writes again what a row keeps of its dependencies, which are restored already; then reads it whole.
fn restore(
    conn: &Connection,
    group: GroupRef,
    no: EntryNo,
) -> Result<Option<(Stored, Vec<EntryNo>)>, StoreError> {
    let Some(node) = log::node(conn, group, no)? else { return Ok(None) };
    let Some(actor) = node.actor else { return Ok(None) };
    let deps = node.deps.iter().map(|&dep| known(conn, group, dep)).collect::<Result<Vec<_>, _>>()?;
    let (seq, start_op) = next_counters(&deps, actor);
    let mut update = conn.prepare_cached(
        "UPDATE log SET seq = ?2, eff = max(at, ?3),
         max_op = ?4 + 2 + (sender IS NOT NULL) + (kind IS NOT NULL) + (re IS NOT NULL) WHERE id = ?1",
    )?;
    let above = effective_time(0, &deps);
    update.execute(params![log::row_id(group.no, no), seq as i64, above, start_op as i64])?;
    Ok(log::read(conn, group, no)?.map(|entry| (entry, node.deps)))
}

fn known(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<Node, StoreError> {
    log::node(conn, group, no)?.ok_or(StoreError::Row { group: group.no, no, reason: "it is gone" })
}

/// Puts an entry of the log into everything that is derived from it, but for the words.
pub(super) fn place(conn: &Connection, group: GroupRef, entry: &Stored) -> Result<(), StoreError> {
    if index::insert_entry(conn, group.no, entry.no, (entry.eff, entry.hash))?.is_some() {
        return Err(StoreError::Row { group: group.no, no: entry.no, reason: "it is there twice" });
    }
    let header = &entry.change.header;
    let actor = match index::actor(conn, group.no, &header.actor)? {
        Some(actor) => actor,
        None => index::add_actor(conn, group.no, &header.actor)?,
    };
    let written = index::Written {
        no: entry.no,
        hash: entry.hash,
        eff: entry.eff,
        actor_id: &header.actor,
        actor,
        seq: header.seq,
        content: &entry.change.content,
    };
    if let Some(actor) = index::derive(conn, group, &written)? {
        index::put_actor(conn, actor)?;
    }
    Ok(())
}

/// The numbers of a damaged entry's dependencies, given their hashes. One that nobody knows here was lost together
/// with its hash: it is what the entry's row says, else the nearest such below. `None` where that cannot be.
pub(super) fn places_of(
    conn: &Connection,
    group: GroupRef,
    no: EntryNo,
    deps: &[ChangeHash],
) -> Result<Option<Vec<EntryNo>>, StoreError> {
    let in_row = match log::node(conn, group, no) {
        Ok(node) => node.map(|node| node.deps).filter(|in_row| in_row.len() == deps.len()),
        Err(StoreError::Row { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut places = Vec::with_capacity(deps.len());
    for (position, hash) in deps.iter().enumerate() {
        let in_row = in_row.as_ref().map(|in_row| in_row[position]);
        let place = match log::find(conn, group, hash)? {
            Some(place) => Some(place),
            None => name_gap(conn, group, in_row, no, hash)?,
        };
        let Some(place) = place.filter(|place| *place < no) else { return Ok(None) };
        places.push(place);
    }
    Ok(Some(places))
}

/// Entry `no` cannot be put back where it was: its place is nobody's from now on.
pub(super) fn give_up(
    conn: &Connection,
    group: GroupRef,
    no: EntryNo,
    hash: &ChangeHash,
) -> rusqlite::Result<()> {
    conn.execute("UPDATE log SET hash = zeroblob(32) WHERE id = ?1", [log::row_id(group.no, no)])?;
    conn.execute("DELETE FROM entry WHERE grp = ?1 AND hash = ?2", params![group.no.0, &hash.0[..]])?;
    Ok(())
}

fn name_gap(
    conn: &Connection,
    group: GroupRef,
    in_row: Option<EntryNo>,
    below: EntryNo,
    hash: &ChangeHash,
) -> Result<Option<EntryNo>, StoreError> {
    let no = match in_row {
        Some(no) if is_damaged(conn, group, no)? => no,
        _ => {
            let mut gaps = conn.prepare_cached(
                "SELECT id FROM log WHERE substr(hash, 1, 8) = zeroblob(8) AND hash = zeroblob(32)
                 AND id > ?1 AND id < ?2 ORDER BY id DESC LIMIT 1",
            )?;
            let ids = [log::row_id(group.no, EntryNo::GENESIS), log::row_id(group.no, below)];
            match gaps.query_row(ids, |row| row.get(0)).optional()? {
                Some(id) => log::no_of(id),
                None => return Ok(None),
            }
        }
    };
    let Some(node) = log::node(conn, group, no)? else { return Ok(None) };
    conn.execute("DELETE FROM entry WHERE grp = ?1 AND hash = ?2", params![group.no.0, &node.hash.0[..]])?;
    if index::insert_entry(conn, group.no, no, (node.eff, *hash))?.is_some() {
        return Ok(None);
    }
    let mut update = conn.prepare_cached("UPDATE log SET hash = ?2 WHERE id = ?1")?;
    update.execute(params![log::row_id(group.no, no), &hash.0[..]])?;
    Ok(Some(no))
}

fn is_damaged(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<bool, StoreError> {
    match log::read(conn, group, no) {
        Ok(_) => Ok(false),
        Err(StoreError::Row { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Entry `no` was put back: if its place in the order was only guessed, it and all that follow it get theirs.
pub(super) fn settle_order(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<(), StoreError> {
    let mut moved = BTreeSet::from([no]);
    let mut next = no;
    while let Some(node) = log::node(conn, group, next)? {
        if next == no || node.deps.iter().any(|dep| moved.contains(dep)) {
            let deps = node.deps.iter().map(|&dep| known(conn, group, dep)).collect::<Result<Vec<_>, _>>()?;
            let at = conn
                .prepare_cached("SELECT at FROM log WHERE id = ?1")?
                .query_row([log::row_id(group.no, next)], |row| row.get(0))?;
            let eff = effective_time(at, &deps);
            if eff != node.eff {
                index::move_entry(conn, group.no, (node.eff, node.hash), eff)?;
                let mut update = conn.prepare_cached("UPDATE log SET eff = ?2 WHERE id = ?1")?;
                update.execute(params![log::row_id(group.no, next), eff])?;
                moved.insert(next);
            } else if next == no {
                return Ok(());
            }
        }
        next.0 += 1;
    }
    Ok(())
}
