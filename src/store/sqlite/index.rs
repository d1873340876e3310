//! What is derived from the log: the display order, actors, registers and marks, forks, words. All of it can
//! be deleted and rebuilt; none of it is ever sent to a peer.

use peer_engine::change::Content;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ActorId, ChangeHash};
use peer_engine::kinds::Opened;
use peer_engine::store::Fork;
use rusqlite::{Connection, OptionalExtension, params};

use super::folded;
use super::log::{self, GroupRef, OrderKey};
use crate::store::StoreError;

/// An actor's row: what one stretch of writing has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    pub row: i64,
    pub last_seq: u64,
    pub last_no: EntryNo,
}

/// Inserts an entry into the display order. Returns the number of the entry with this hash if there is one
/// already.
pub(super) fn insert_entry(
    conn: &Connection,
    group: GroupNo,
    no: EntryNo,
    (eff, hash): OrderKey,
) -> rusqlite::Result<Option<EntryNo>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO entry (grp, eff, hash, no) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    if insert.execute(params![group.0, eff, &hash.0[..], no.0 as i64])? == 1 {
        return Ok(None);
    }
    let mut existing =
        conn.prepare_cached("SELECT no FROM entry WHERE grp = ?1 AND eff = ?2 AND hash = ?3")?;
    let no: i64 = existing.query_row(params![group.0, eff, &hash.0[..]], |row| row.get(0))?;
    Ok(Some(EntryNo(no as u64)))
}

/// Removes an entry from the display order.
pub(super) fn remove_entry(conn: &Connection, group: GroupNo, (eff, hash): OrderKey) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM entry WHERE grp = ?1 AND eff = ?2 AND hash = ?3")?;
    delete.execute(params![group.0, eff, &hash.0[..]])?;
    Ok(())
}

/// The place of entry `no` in the display order. Searches the whole group.
pub(super) fn order_key(
    conn: &Connection,
    group: GroupNo,
    no: EntryNo,
) -> rusqlite::Result<Option<OrderKey>> {
    let mut statement = conn.prepare_cached("SELECT eff, hash FROM entry WHERE grp = ?1 AND no = ?2")?;
    let key = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, ChangeHash(row.get(1)?)));
    statement.query_row(params![group.0, no.0 as i64], key).optional()
}

/// The key of the group's newest entry.
pub(super) fn newest(conn: &Connection, group: GroupNo) -> rusqlite::Result<Option<OrderKey>> {
    let mut statement = conn
        .prepare_cached("SELECT eff, hash FROM entry WHERE grp = ?1 ORDER BY eff DESC, hash DESC LIMIT 1")?;
    statement.query_row([group.0], |row| Ok((row.get(0)?, ChangeHash(row.get(1)?)))).optional()
}

pub(super) fn actor(conn: &Connection, group: GroupNo, actor: &ActorId) -> rusqlite::Result<Option<Actor>> {
    let mut statement =
        conn.prepare_cached("SELECT id, last_seq, last_no FROM actor WHERE grp = ?1 AND bytes = ?2")?;
    let found = statement.query_row(params![group.0, &actor.0[..]], |row| {
        Ok(Actor {
            row: row.get(0)?,
            last_seq: row.get::<_, i64>(1)? as u64,
            last_no: EntryNo(row.get::<_, i64>(2)? as u64),
        })
    });
    found.optional()
}

pub(super) fn add_actor(conn: &Connection, group: GroupNo, actor: &ActorId) -> rusqlite::Result<Actor> {
    let mut statement =
        conn.prepare_cached("INSERT INTO actor (grp, bytes, last_seq, last_no) VALUES (?1, ?2, 0, 0)")?;
    statement.execute(params![group.0, &actor.0[..]])?;
    Ok(Actor { row: conn.last_insert_rowid(), last_seq: 0, last_no: EntryNo::GENESIS })
}

/// An entry that has just been written to the log.
pub(super) struct Written<'a> {
    pub no: EntryNo,
    pub hash: ChangeHash,
    pub eff: i64,
    pub actor_id: &'a ActorId,
    pub actor: Actor,
    pub seq: u64,
    pub content: &'a Content,
}

/// Writes everything derived from an entry, except its place in the display order, its words and its actor's
/// row. Returns the actor if it has changed; the caller passes it to [`put_actor`] before the commit.
pub(super) fn derive(
    conn: &Connection,
    group: GroupRef,
    entry: &Written<'_>,
) -> Result<Option<Actor>, StoreError> {
    let advanced = entry.seq > entry.actor.last_seq;
    if !advanced {
        keep_fork(conn, group, entry)?;
    }
    if let Some(opened) = Opened::public(entry.hash, entry.eff, entry.actor_id.author(), entry.content) {
        folded::fold(conn, group.no, &opened)?;
    }
    Ok(advanced.then_some(Actor { last_seq: entry.seq, last_no: entry.no, ..entry.actor }))
}

pub(super) fn put_actor(conn: &Connection, actor: Actor) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("UPDATE actor SET last_seq = ?1, last_no = ?2 WHERE id = ?3")?;
    statement.execute(params![actor.last_seq as i64, actor.last_no.0 as i64, actor.row])?;
    Ok(())
}

/// Keeps the proof that an author equivocates: for each actor, the first one seen.
fn keep_fork(conn: &Connection, group: GroupRef, entry: &Written<'_>) -> Result<(), StoreError> {
    let mut known = conn.prepare_cached("SELECT 1 FROM fork WHERE grp = ?1 AND actor = ?2")?;
    if known.exists(params![group.no.0, &entry.actor_id.0[..]])? {
        return Ok(());
    }
    let Some(other) = earlier_with_seq(conn, group, entry)? else { return Ok(()) };
    let mut insert =
        conn.prepare_cached("INSERT INTO fork (grp, actor, seq, first, second) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![
        group.no.0,
        &entry.actor_id.0[..],
        entry.seq as i64,
        &other.0[..],
        &entry.hash.0[..]
    ])?;
    Ok(())
}

/// Up to its first fork, an actor's entries are a chain in which each depends on the one before. This walks
/// down the chain and skips the additional dependencies on earlier entries that an author may add. All walks
/// together visit no more entries than the actor has written, since only one fork is kept for each actor.
fn earlier_with_seq(
    conn: &Connection,
    group: GroupRef,
    entry: &Written<'_>,
) -> Result<Option<ChangeHash>, StoreError> {
    let mut at = log::node(conn, group, entry.actor.last_no)?;
    while let Some(node) = at.take() {
        // Without a readable first entry there is no proof: a damaged row must not put the blame on its
        // author.
        if node.seq == entry.seq {
            return match log::read(conn, group, node.no) {
                Ok(other) => Ok(other.map(|other| other.hash)),
                Err(StoreError::Row { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        for dep in node.deps {
            let below =
                log::node(conn, group, dep)?.filter(|below| below.actor.as_ref() == Some(entry.actor_id));
            if below.as_ref().map(|below| below.seq) > at.as_ref().map(|at| at.seq) {
                at = below;
            }
        }
    }
    Ok(None)
}

pub(super) fn forks(conn: &Connection) -> Result<Vec<Fork>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT grp, actor, seq, first, second FROM fork ORDER BY grp, actor")?;
    let forks = statement.query_map([], |row| {
        let actor = ActorId(row.get(1)?);
        Ok(Fork {
            group: GroupNo(row.get(0)?),
            author: actor.author(),
            actor,
            seq: row.get::<_, i64>(2)? as u64,
            entries: (ChangeHash(row.get(3)?), ChangeHash(row.get(4)?)),
        })
    })?;
    Ok(forks.collect::<Result<_, _>>()?)
}

/// Deletes everything derived, except the fields in the log's own rows.
pub(super) fn clear(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "DELETE FROM entry;
         DELETE FROM register;
         DELETE FROM mark;
         DELETE FROM fork;
         UPDATE actor SET last_seq = 0, last_no = 0;
         INSERT INTO words (words) VALUES ('delete-all');",
    )
}
