//! When the write-ahead log is moved into the database: beside the writer, by whoever drives the store and has threads,
//! so that nobody who waits for a commit waits for the many pages of others that are due by then. Where that is slower
//! than the writer, the writer does it after all, at [`LOG_PAGES_MAX`].

use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::{SqliteStore, schema};
use crate::limits::{CHECKPOINT_PAGES, LOG_PAGES_MAX};
use crate::store::StoreError;

/// Whether the log has grown by so much that it should be moved.
#[derive(Debug, Default)]
pub(super) struct Due(Arc<AtomicBool>);

impl Due {
    /// Looks at each commit of this connection from now on.
    pub fn watch(conn: &mut Connection) -> rusqlite::Result<Self> {
        let due = Self::default();
        let flag = due.0.clone();
        let mut told_at = 0;
        conn.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            if pages >= LOG_PAGES_MAX {
                // As when SQLite does it by itself: it is no failure of the commit.
                let _ = log.checkpoint();
            }
            if pages < told_at {
                // The log has begun anew.
                told_at = 0;
            }
            if pages >= told_at.saturating_add(CHECKPOINT_PAGES) {
                told_at = pages;
                flag.store(true, Ordering::Relaxed);
            }
            Ok(())
        }))?;
        Ok(due)
    }
}

impl SqliteStore {
    /// Whether the log should be moved now; once, each time that it has grown.
    pub fn take_checkpoint_due(&self) -> bool {
        self.checkpoint_due.0.swap(false, Ordering::Relaxed)
    }

    /// Moves the log of the database at `path` into it, over a connection of its own, while another writes. After an
    /// error the log is as it was.
    pub fn checkpoint(path: &Path) -> Result<(), StoreError> {
        let conn = schema::open_checkpointer(path)?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}
