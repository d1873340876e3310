//! The write-ahead log, moved into the database by a connection of its own.

use std::path::Path;

use super::{SqliteStore, schema};
use crate::limits::{CHECKPOINT_PAGES, CHECKPOINT_QUIET_PAGES};
use crate::store::StoreError;

impl SqliteStore {
    /// Whether the log should be moved now, when it is quiet or in the midst of the work; once, each time that it has grown.
    pub fn take_checkpoint_due(&self, quiet: bool) -> bool {
        self.wal.take_growth(if quiet { CHECKPOINT_QUIET_PAGES } else { CHECKPOINT_PAGES })
    }

    /// Moves the log of the database at `path` into it, over a connection of its own, while another writes. After an
    /// error the log is as it was.
    pub fn checkpoint(path: &Path) -> Result<(), StoreError> {
        let conn = schema::open_checkpointer(path)?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}
