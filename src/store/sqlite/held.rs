//! The groups in the writer's memory.

use std::collections::BTreeMap;

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{GroupId, GroupName};
use peer_engine::store::GroupRow;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::index;
use super::log::{self, GroupRef, OrderKey};
use crate::store::StoreError;

/// A group in memory. Its row is written back when the transaction commits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub row: GroupRow,
    pub changed: bool,
    /// The newest entry in display order at the last commit: an entry that arrives below it is late.
    pub newest_committed: Option<OrderKey>,
    pub newest: Option<OrderKey>,
}

impl Held {
    pub fn key(&self) -> GroupRef {
        GroupRef { no: self.row.no, id: self.row.id }
    }
}

pub(super) fn held_groups(conn: &Connection) -> Result<BTreeMap<GroupNo, Held>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("{GROUPS} ORDER BY no"))?;
    let mut rows = statement.query([])?;
    let mut groups = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let genesis: Vec<u8> = row.get(7)?;
        let row = group_row(row)?;
        if !begins_with(&row, &genesis) {
            let reason = format!("{} is not what its first change says", row.name);
            return Err(StoreError::Damaged { reason });
        }
        // No entry depends on the last to arrive. This check against the log is cheap enough for each start.
        let last = EntryNo(row.entries);
        if log::last(conn, row.no)? != last || !row.heads.contains(&last) {
            return Err(StoreError::Damaged {
                reason: format!("{} does not end where its log ends", row.name),
            });
        }
        let newest = index::newest(conn, row.no)?;
        groups.insert(row.no, Held { row, changed: false, newest_committed: newest, newest });
    }
    Ok(groups)
}

/// Checks the group's id: under a wrong id it would be a group without other members.
fn begins_with(group: &GroupRow, genesis: &[u8]) -> bool {
    // The hash of a change does not cover its first eight bytes.
    let hashed = genesis.get(8..).unwrap_or_default();
    let name = group.name.as_str().as_bytes();
    group.id.0[..] == Sha256::digest(hashed)[..] && hashed.windows(name.len()).any(|part| part == name)
}

/// The values for [`group_row`]; the first change comes last.
pub(super) const GROUPS: &str = "SELECT no, id, name, joined, caught_up, entries, heads, genesis FROM grp";

pub(super) fn group_row(row: &rusqlite::Row<'_>) -> Result<GroupRow, StoreError> {
    Ok(GroupRow {
        no: GroupNo(row.get(0)?),
        id: GroupId(row.get(1)?),
        name: group_name(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        joined: row.get(3)?,
        caught_up: row.get(4)?,
        entries: row.get::<_, i64>(5)? as u64,
        heads: log::decode_heads(row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?)?,
    })
}

pub(super) fn group_name(text: &str) -> Result<GroupName, StoreError> {
    let directory = GroupName::directory();
    if text == directory.as_str() {
        return Ok(directory);
    }
    text.parse().map_err(|_| StoreError::Damaged { reason: "a group's name is not readable".to_owned() })
}
