//! Entries that are not stored yet, as they would be shown.

use std::collections::HashMap;

use peer_engine::change::Verified;
use peer_engine::group::{EntryNo, GroupNo};

use super::Reader;
use crate::store::sqlite::by_hash;
use crate::store::sqlite::log::Stored;
use crate::store::{Entry, StoreError};

impl Reader {
    /// A preview of these changes: their entries in the same order, without numbers. Changes that are stored
    /// by now are left out.
    pub fn preview(&self, group: GroupNo, changes: &[Verified]) -> Result<Vec<Entry>, StoreError> {
        self.in_one_state(|| {
            let source = self.source(group)?;
            let (mut entries, mut names) = (Vec::new(), HashMap::new());
            for change in changes {
                if by_hash::find(&self.conn, source.group, &change.hash())?.is_some() {
                    continue;
                }
                let eff = change.content().at.millis();
                let as_if_stored = Stored {
                    no: EntryNo::GENESIS,
                    hash: change.hash(),
                    change: change.change().clone(),
                    bytes: Vec::new(),
                    eff,
                    eff_follows: eff,
                    late: false,
                };
                entries.push(self.entry(&source, as_if_stored, &mut names)?);
            }
            Ok(entries)
        })
    }
}
