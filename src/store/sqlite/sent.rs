//! Keys under which clients sent messages, so that a repeated request writes nothing twice.

use peer_engine::id::ChangeHash;
use peer_engine::store::Sent;
use rusqlite::{Connection, OptionalExtension, params};

use crate::limits::SENT_KEYS_MAX;

pub(super) fn sent(conn: &Connection, key: &str) -> rusqlite::Result<Option<Sent>> {
    let mut statement = conn.prepare_cached("SELECT digest, hash FROM sent WHERE key = ?1")?;
    statement.query_row([key], |row| Ok(Sent { digest: row.get(0)?, id: ChangeHash(row.get(1)?) })).optional()
}

/// Deletes the oldest key beyond [`SENT_KEYS_MAX`].
pub(super) fn put_sent(conn: &Connection, key: &str, sent: &Sent) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO sent (key, digest, hash) VALUES (?1, ?2, ?3)")?.execute(params![
        key,
        &sent.digest[..],
        &sent.id.0[..]
    ])?;
    let newest = conn.last_insert_rowid();
    conn.prepare_cached("DELETE FROM sent WHERE no <= ?1")?.execute([newest - SENT_KEYS_MAX as i64])?;
    Ok(())
}
