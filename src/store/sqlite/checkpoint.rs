//! Moves the write-ahead log into the database, on a connection of its own.

use std::path::Path;

use super::{SqliteStore, schema};
use crate::limits::{CHECKPOINT_PAGES, CHECKPOINT_QUIET_PAGES};
use crate::store::StoreError;

impl SqliteStore {
    /// Whether to checkpoint now, with the threshold for a `quiet` or a busy writer. True once each time that
    /// the log has grown by it.
    pub fn take_checkpoint_due(&self, quiet: bool) -> bool {
        self.wal.take_growth(if quiet { CHECKPOINT_QUIET_PAGES } else { CHECKPOINT_PAGES })
    }

    /// Moves the log of the database at `path` into it, on a connection of its own, while the store writes.
    /// After an error the log is as it was.
    pub fn checkpoint(path: &Path) -> Result<(), StoreError> {
        let conn = schema::open_checkpointer(path)?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}
