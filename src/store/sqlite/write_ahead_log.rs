//! When the write-ahead log is flushed, and when it is checkpointed (moved into the database). A transaction
//! is in the log, and visible to readers, before it is flushed; a commit waits for the flush.
//!
//! The node checkpoints on a thread beside the writer, so that no commit waits while the pages of many
//! earlier ones are moved. Where that is slower than the writer, the writer checkpoints by itself at
//! [`LOG_PAGES_MAX`].

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::carve::{self, Bytes};
use super::schema;
use crate::limits::LOG_PAGES_MAX;
use crate::store::StoreError;

/// The state of the log.
#[derive(Debug, Default)]
pub(super) struct WriteAheadLog {
    path: PathBuf,
    /// Its length in pages.
    pages: Arc<AtomicI32>,
    /// Its length when a checkpoint was last due.
    moved_at: AtomicI32,
    /// It holds transactions that are not flushed.
    unflushed: Arc<AtomicBool>,
    file: Option<File>,
}

impl WriteAheadLog {
    /// Watches each commit of this connection from now on.
    pub fn watch(conn: &mut Connection, database: &Path) -> rusqlite::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let log = Self { path: path.into(), ..Self::default() };
        // The process that left it may have had no time to flush it.
        let left = std::fs::metadata(&log.path).is_ok_and(|left| left.len() > 0);
        log.unflushed.store(left, Ordering::Relaxed);
        let (length, unflushed) = (log.pages.clone(), log.unflushed.clone());
        conn.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            unflushed.store(true, Ordering::Relaxed);
            if pages >= LOG_PAGES_MAX {
                // As with SQLite's own checkpoints, a failure does not fail the commit.
                let _ = log.checkpoint();
            }
            length.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(log)
    }

    /// Whether it has grown by `least` pages since this last returned true, or since the log was restarted.
    pub fn take_growth(&self, least: i32) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        let moved_at =
            Some(self.moved_at.load(Ordering::Relaxed)).filter(|moved_at| *moved_at <= pages).unwrap_or(0);
        let grown = pages >= moved_at.saturating_add(least);
        self.moved_at.store(if grown { pages } else { moved_at }, Ordering::Relaxed);
        grown
    }

    pub fn is_unflushed(&self) -> bool {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Returns when all of it is on disk. SQLite itself flushes when it starts the log and before a
    /// checkpoint.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.is_unflushed() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            // Windows flushes only files that are open for writing.
            none => none.insert(File::options().write(true).open(&self.path)?),
        };
        file.sync_data()?;
        self.unflushed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Closes the file, so that SQLite can remove it.
    pub fn close(&mut self) {
        self.file = None;
    }
}

/// Moves the log that a process left into the database, as far as the disk allows. The log is damaged if it
/// has transactions behind its readable part.
pub(super) fn settle(conn: &Connection, log: &mut dyn Bytes) -> Result<(), StoreError> {
    let frames = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        conn.query_row(&sql, [], |row| row.get::<_, i64>(1))
    };
    // If the disk is full, this can wait: nothing is lost.
    let Ok(readable) = frames("PASSIVE") else { return Ok(()) };
    let lost = carve::commits_behind(log, schema::PAGE_BYTES, u64::try_from(readable).unwrap_or(0));
    if lost.map_err(|error| StoreError::Disk { reason: error.to_string() })? {
        return Err(StoreError::Damaged { reason: "its write-ahead log has a gap".to_owned() });
    }
    // Pages that a failed flush left only in memory are written and flushed again.
    drop(frames("TRUNCATE"));
    Ok(())
}
