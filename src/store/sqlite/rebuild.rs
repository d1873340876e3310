//! Computes again everything that is derived from the log. What was recorded on arrival (late marks, numbers)
//! is kept, since the log does not contain it.

use peer_engine::group::{EntryNo, Node, effective_time, next_counters};
use peer_engine::store::GroupRow;
use rusqlite::{Connection, params};

use super::log::{self, GroupRef, Stored};
use super::words::Unindexed;
use super::{by_hash, index, stranded};
use crate::store::StoreError;

/// Runs in the caller's transaction. Fails at the first entry that does not match its hash.
pub(super) fn rebuild<'a>(
    conn: &Connection,
    groups: impl Iterator<Item = &'a mut GroupRow>,
) -> Result<(), StoreError> {
    index::clear(conn)?;
    by_hash::fill(conn)?;
    let mut words = Unindexed::default();
    for row in groups {
        let group = GroupRef { no: row.no, id: row.id };
        row.entries = 0;
        row.heads = vec![EntryNo::GENESIS];
        while let Some((entry, deps)) = restore(conn, group, EntryNo(row.entries + 1))? {
            place(conn, group, &entry)?;
            row.entries = entry.no.0;
            row.heads.retain(|head| !deps.contains(head));
            row.heads.push(entry.no);
            words.push(conn, log::row_id(group.no, entry.no), &entry.change.content)?;
        }
        let next = EntryNo(row.entries + 1);
        if log::last(conn, group.no)? >= next {
            return Err(StoreError::Row { group: group.no, no: next, reason: "its row is missing" });
        }
        stranded::derive(conn, group, &mut words)?;
    }
    words.index(conn)?;
    Ok(())
}

/// Rewrites the fields of a row that depend on its dependencies, which are restored already; then reads the
/// whole row.
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
    log::node(conn, group, no)?.ok_or(StoreError::Row { group: group.no, no, reason: "its row is missing" })
}

/// Updates everything derived from an entry of the log, except the full-text index.
fn place(conn: &Connection, group: GroupRef, entry: &Stored) -> Result<(), StoreError> {
    if index::insert_entry(conn, group.no, entry.no, (entry.eff, entry.hash))?.is_some() {
        return Err(StoreError::Row { group: group.no, no: entry.no, reason: "it is stored twice" });
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
