//! Small tables besides the log: known peers, what each was last known to share, this peer's own values,
//! snapshots.

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::store::KnownPeer;
use rusqlite::{Connection, OptionalExtension, params};

use crate::store::{Snapshot, StoreError};

pub(super) fn shared_heads(
    conn: &Connection,
    peer: &PeerId,
    group: GroupNo,
) -> Result<Vec<ChangeHash>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT heads FROM shared_heads WHERE peer = ?1 AND grp = ?2")?;
    let heads: Option<Vec<u8>> =
        statement.query_row(params![&peer.0[..], group.0], |row| row.get(0)).optional()?;
    // It is a hint: one that cannot be read counts as none.
    Ok(heads.unwrap_or_default().chunks_exact(ChangeHash::BYTES).filter_map(ChangeHash::from_slice).collect())
}

pub(super) fn set_shared_heads(
    conn: &Connection,
    peer: &PeerId,
    group: GroupNo,
    heads: &[ChangeHash],
) -> rusqlite::Result<()> {
    let heads: Vec<u8> = heads.iter().flat_map(|head| head.0).collect();
    let mut statement =
        conn.prepare_cached("INSERT OR REPLACE INTO shared_heads (peer, grp, heads) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![&peer.0[..], group.0, heads])?;
    Ok(())
}

/// In the order of their keys.
pub(super) fn peers(conn: &Connection) -> Result<Vec<KnownPeer>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT key, addresses, last_linked_ms FROM peer ORDER BY key")?;
    let peers = statement.query_map([], |row| {
        let addresses: String = row.get(1)?;
        Ok(KnownPeer {
            key: PeerId(row.get(0)?),
            addresses: addresses.lines().map(str::to_owned).collect(),
            last_linked_ms: row.get(2)?,
        })
    })?;
    Ok(peers.collect::<Result<_, _>>()?)
}

pub(super) fn put_peer(conn: &Connection, peer: &KnownPeer) -> rusqlite::Result<()> {
    let mut statement = conn
        .prepare_cached("INSERT OR REPLACE INTO peer (key, addresses, last_linked_ms) VALUES (?1, ?2, ?3)")?;
    // One per line: no address contains a line break, and one that did would only become two that fail.
    statement.execute(params![&peer.key.0[..], peer.addresses.join("\n"), peer.last_linked_ms])?;
    Ok(())
}

pub(super) fn remove_peer(conn: &Connection, key: &PeerId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM shared_heads WHERE peer = ?1")?.execute([&key.0[..]])?;
    conn.prepare_cached("DELETE FROM peer WHERE key = ?1")?.execute([&key.0[..]])?;
    Ok(())
}

pub(super) fn value(conn: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT value FROM value WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

pub(super) fn set_value(conn: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO value (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}

pub(super) fn remove_value(conn: &Connection, key: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM value WHERE key = ?1")?.execute([key])?;
    Ok(())
}

pub(super) fn set_read_mark(conn: &Connection, group: GroupNo, arrival: EntryNo) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO read_mark (grp, arrival) VALUES (?1, ?2)")?
        .execute(params![group.0, arrival.0 as i64])?;
    Ok(())
}

pub(super) fn read_mark(conn: &Connection, group: GroupNo) -> rusqlite::Result<EntryNo> {
    let mut statement = conn.prepare_cached("SELECT arrival FROM read_mark WHERE grp = ?1")?;
    let mark: Option<i64> = statement.query_row([group.0], |row| row.get(0)).optional()?;
    Ok(EntryNo(mark.map_or(0, |mark| mark.max(0) as u64)))
}

/// Marks entry `no` as read if all entries before it were.
pub(super) fn read_on(conn: &Connection, group: GroupNo, no: EntryNo) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE read_mark SET arrival = ?2 WHERE grp = ?1 AND arrival = ?2 - 1")?
        .execute(params![group.0, no.0 as i64])?;
    Ok(())
}

pub(super) fn snapshot(conn: &Connection, group: GroupNo) -> rusqlite::Result<Option<Snapshot>> {
    let mut statement = conn.prepare_cached("SELECT entries, bytes FROM snapshot WHERE grp = ?1")?;
    statement
        .query_row([group.0], |row| {
            Ok(Snapshot { entries: row.get::<_, i64>(0)? as u64, bytes: row.get(1)? })
        })
        .optional()
}

pub(super) fn put_snapshot(conn: &Connection, group: GroupNo, snapshot: &Snapshot) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO snapshot (grp, entries, bytes) VALUES (?1, ?2, ?3)")?
        .execute(params![group.0, snapshot.entries as i64, snapshot.bytes])?;
    Ok(())
}
