//! Entries as rows for one person, with the mentions of that person marked.

use peer_engine::group::GroupNo;
use peer_engine::id::PeerId;

use super::types::Row;
use crate::store::{Entry, Reader, StoreError};

/// The rows of entries of one group, for the person whose key is `own`.
pub(super) fn rows(
    reader: &Reader,
    group: GroupNo,
    own: &PeerId,
    entries: Vec<Entry>,
) -> Result<Vec<Row>, StoreError> {
    let mentions = reader.mentions(group, own, &entries)?;
    let row = |entry: Entry| Row { mention: mentions.contains(&entry.no), ..Row::from(entry) };
    Ok(entries.into_iter().map(row).collect())
}
