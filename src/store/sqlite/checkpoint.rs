//! When the write-ahead log is flushed, and when it is moved into the database. A transaction is in the log, and seen by
//! readers, before it is flushed; whoever commits waits for that.
//!
//! It is moved beside the writer, by whoever drives the store and has threads,
//! so that nobody who waits for a commit waits for the many pages of others that are due by then. Where that is slower
//! than the writer, the writer does it after all, at [`LOG_PAGES_MAX`].

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::{SqliteStore, schema};
use crate::limits::{CHECKPOINT_PAGES, LOG_PAGES_MAX};
use crate::store::StoreError;

/// What has become of the log.
#[derive(Debug, Default)]
pub(super) struct Log {
    path: PathBuf,
    /// It has grown by so much that it should be moved.
    due: Arc<AtomicBool>,
    /// It holds transactions that were not flushed.
    unflushed: Arc<AtomicBool>,
    file: Option<File>,
}

impl Log {
    /// Looks at each commit of this connection from now on.
    pub fn watch(conn: &mut Connection, database: &Path) -> rusqlite::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let log = Self { path: path.into(), ..Self::default() };
        let (due, unflushed) = (log.due.clone(), log.unflushed.clone());
        let mut told_at = 0;
        conn.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            unflushed.store(true, Ordering::Relaxed);
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
                due.store(true, Ordering::Relaxed);
            }
            Ok(())
        }))?;
        Ok(log)
    }

    pub fn is_unflushed(&self) -> bool {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Returns when the disk has all of it. SQLite itself flushes when it begins the log and before it moves it.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.is_unflushed() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            // Windows flushes only what may be written.
            none => none.insert(File::options().write(true).open(&self.path)?),
        };
        file.sync_data()?;
        self.unflushed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Lets go of the file, so that SQLite can remove it.
    pub fn close(&mut self) {
        self.file = None;
    }
}

impl SqliteStore {
    /// Whether the log should be moved now; once, each time that it has grown.
    pub fn take_checkpoint_due(&self) -> bool {
        self.log.due.swap(false, Ordering::Relaxed)
    }

    /// Moves the log of the database at `path` into it, over a connection of its own, while another writes. After an
    /// error the log is as it was.
    pub fn checkpoint(path: &Path) -> Result<(), StoreError> {
        let conn = schema::open_checkpointer(path)?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}
