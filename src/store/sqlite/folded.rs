//! The values that entries have set, in tables: registers of the group, and marks on other entries. Each row
//! also holds the place in display order of the entry that set it, so that the last one wins in any order of
//! arrival.

use std::collections::HashMap;

use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::kinds::{self, Fold, Mark, Opened, Register};
use rusqlite::{Connection, params};

use super::log::OrderKey;
use crate::store::MarkOn;

/// The marks that entries have set, by the entry that they are on.
pub(super) const TABLES: &str = "
CREATE TABLE mark (
    grp INTEGER NOT NULL,
    target BLOB NOT NULL,
    slot TEXT NOT NULL,
    author BLOB NOT NULL,
    tag TEXT NOT NULL,
    value TEXT NOT NULL,
    eff INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (grp, target, slot, author, tag)
) STRICT, WITHOUT ROWID;
";

/// Applies what this entry sets, if anything.
pub(super) fn fold(conn: &Connection, group: GroupNo, entry: &Opened<'_>) -> rusqlite::Result<()> {
    match kinds::fold(entry) {
        Some(fold) => set(conn, group, (entry.eff, entry.id), &fold),
        None => Ok(()),
    }
}

/// Sets a value, unless an entry later in display order has set it.
pub(super) fn set(
    conn: &Connection,
    group: GroupNo,
    (eff, hash): OrderKey,
    fold: &Fold,
) -> rusqlite::Result<()> {
    match fold {
        Fold::Register(Register { slot, key, value }) => {
            let mut statement = conn.prepare_cached(
                "INSERT INTO register (grp, slot, key, value, eff, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET value = excluded.value, eff = excluded.eff, hash = excluded.hash
                 WHERE (excluded.eff, excluded.hash) > (eff, hash)",
            )?;
            statement.execute(params![group.0, slot, key, value, eff, &hash.0[..]])?;
        }
        Fold::Mark(Mark { slot, target, author, tag, value }) => {
            let mut statement = conn.prepare_cached(
                "INSERT INTO mark (grp, target, slot, author, tag, value, eff, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET value = excluded.value, eff = excluded.eff, hash = excluded.hash
                 WHERE (excluded.eff, excluded.hash) > (eff, hash)",
            )?;
            let (target, author) = (&target.0[..], &author.0[..]);
            statement.execute(params![group.0, target, slot, author, tag, value, eff, &hash.0[..]])?;
        }
    }
    Ok(())
}

/// Removes what this entry has set, before it is set again at another place in display order.
pub(super) fn forget(conn: &Connection, group: GroupNo, entry: &Opened<'_>) -> rusqlite::Result<()> {
    let hash = &entry.id.0[..];
    match kinds::fold(entry) {
        Some(Fold::Register(Register { slot, key, .. })) => {
            let mut delete = conn.prepare_cached(
                "DELETE FROM register WHERE grp = ?1 AND slot = ?2 AND key = ?3 AND hash = ?4",
            )?;
            delete.execute(params![group.0, slot, key, hash])?;
        }
        Some(Fold::Mark(Mark { slot, target, author, tag, .. })) => {
            let mut delete = conn.prepare_cached(
                "DELETE FROM mark
                 WHERE grp = ?1 AND target = ?2 AND slot = ?3 AND author = ?4 AND tag = ?5 AND hash = ?6",
            )?;
            delete.execute(params![group.0, &target.0[..], slot, &author.0[..], tag, hash])?;
        }
        None => {}
    }
    Ok(())
}

/// The marks on these entries of a group, in one query; without those that were removed again.
pub(super) fn marks(
    conn: &Connection,
    group: GroupNo,
    targets: impl Iterator<Item = ChangeHash>,
) -> rusqlite::Result<HashMap<ChangeHash, Vec<MarkOn>>> {
    let mut marks: HashMap<ChangeHash, Vec<MarkOn>> = HashMap::new();
    let mut any = conn.prepare_cached("SELECT 1 FROM mark WHERE grp = ?1 LIMIT 1")?;
    if !any.exists([group.0])? {
        return Ok(marks);
    }
    let targets: Vec<String> = targets.map(|target| format!("\"{target}\"")).collect();
    let mut statement = conn.prepare_cached(
        "SELECT mark.target, mark.slot, mark.author, mark.tag, mark.value FROM json_each(?2) AS wanted
         JOIN mark ON mark.grp = ?1 AND mark.target = unhex(wanted.value) WHERE mark.value <> ''
         ORDER BY mark.target, mark.slot, mark.author, mark.tag",
    )?;
    let mut rows = statement.query(params![group.0, format!("[{}]", targets.join(","))])?;
    while let Some(row) = rows.next()? {
        let (author, tag) = (PeerId(row.get(2)?), row.get(3)?);
        let mark = MarkOn { slot: row.get(1)?, author, tag, value: row.get(4)? };
        marks.entry(ChangeHash(row.get(0)?)).or_default().push(mark);
    }
    Ok(marks)
}
