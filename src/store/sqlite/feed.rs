//! The order in which entries of all groups arrived: a client that was away continues from its place in it.
//!
//! Only the last [`FEED_MAX`] entries are kept. A place names its entry, so that a place in another database,
//! or in one that was restored from a backup, is not taken for one in this.

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, PeerId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::log;
use crate::limits::FEED_MAX;
use crate::store::FeedPlace;

/// Number of entries between two removals of old rows.
const PRUNE_EVERY: i64 = 1024;

/// Number of the last entries that are searched for an author's own.
const RECENT: i64 = 1024;

/// An entry in the feed.
pub(super) struct Arrived {
    pub group: GroupNo,
    pub no: EntryNo,
    pub kind: Option<String>,
    pub place: FeedPlace,
}

/// Call this in the transaction that writes the entry.
pub(super) fn append(conn: &Connection, group: GroupNo, no: EntryNo) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO feed (log) VALUES (?1)")?.execute([log::row_id(group, no)])?;
    let seq = conn.last_insert_rowid();
    if seq % PRUNE_EVERY == 0 {
        conn.prepare_cached("DELETE FROM feed WHERE seq <= ?1")?.execute([seq - FEED_MAX as i64])?;
    }
    Ok(())
}

/// The place after the newest entry.
pub(super) fn end(conn: &Connection) -> rusqlite::Result<FeedPlace> {
    let mut statement = conn.prepare_cached(
        "SELECT feed.seq, log.hash FROM feed LEFT JOIN log ON log.id = feed.log ORDER BY feed.seq DESC LIMIT 1",
    )?;
    let place = statement.query_row([], |row| Ok(place(row.get(0)?, row.get_ref(1)?))).optional()?;
    Ok(place.unwrap_or_default())
}

/// What arrived after `place`, in order. `None` when `place` is not in this feed, or too much has arrived
/// since.
pub(super) fn after(
    conn: &Connection,
    from: FeedPlace,
    limit: usize,
) -> rusqlite::Result<Option<Vec<Arrived>>> {
    let known = if from == FeedPlace::default() {
        let oldest: Option<i64> =
            conn.prepare_cached("SELECT min(seq) FROM feed")?.query_row([], |row| row.get(0))?;
        oldest.is_none_or(|oldest| oldest == 1)
    } else {
        let mut here = conn.prepare_cached(
            "SELECT log.hash FROM feed LEFT JOIN log ON log.id = feed.log WHERE feed.seq = ?1",
        )?;
        let found = here.query_row([from.seq as i64], |row| Ok(place(from.seq as i64, row.get_ref(0)?)));
        found.optional()? == Some(from)
    };
    if !known {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(
        "SELECT feed.seq, feed.log, log.kind, log.hash FROM feed LEFT JOIN log ON log.id = feed.log
         WHERE feed.seq > ?1 ORDER BY feed.seq LIMIT ?2",
    )?;
    let arrived = statement.query_map(params![from.seq as i64, limit as i64], |row| {
        let id = row.get(1)?;
        let place = place(row.get(0)?, row.get_ref(3)?);
        let kind = row.get_ref(2)?.as_str().ok().map(str::to_owned);
        Ok(Arrived { group: log::group_of(id), no: log::no_of(id), kind, place })
    })?;
    arrived.collect::<rusqlite::Result<_>>().map(Some)
}

/// The author's messages among the last entries, the newest last.
pub(super) fn recent_of(
    conn: &Connection,
    author: &PeerId,
    limit: usize,
) -> rusqlite::Result<Vec<(GroupNo, EntryNo, ChangeHash)>> {
    let (first, last) = ([&author.0[..], &[0; 8]].concat(), [&author.0[..], &[0xff; 8]].concat());
    let mut statement = conn.prepare_cached(
        "SELECT log.id, log.hash FROM (SELECT seq, log FROM feed ORDER BY seq DESC LIMIT ?1) AS recent
         JOIN log ON log.id = recent.log JOIN actor ON actor.id = log.actor
         WHERE log.kind IS NULL AND actor.bytes BETWEEN ?2 AND ?3 ORDER BY recent.seq DESC LIMIT ?4",
    )?;
    let found = statement.query_map(params![RECENT, first, last, limit as i64], |row| {
        let id = row.get(0)?;
        Ok((log::group_of(id), log::no_of(id), ChangeHash(row.get(1)?)))
    })?;
    let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    found.reverse();
    Ok(found)
}

/// A place whose row is lost or damaged is not valid any more.
fn place(seq: i64, hash: ValueRef<'_>) -> FeedPlace {
    let beginning = hash.as_blob().ok().and_then(|hash| hash.first_chunk::<8>()).copied();
    FeedPlace { seq: seq as u64, entry: beginning.unwrap_or_default() }
}
