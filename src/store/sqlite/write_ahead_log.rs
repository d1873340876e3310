//! When the write-ahead log is flushed, and when it is moved into the database. A transaction is in the log, and seen by
//! readers, before it is flushed; whoever commits waits for that.
//!
//! It is moved beside the writer, by whoever drives the store and has threads, so that nobody who waits for a commit
//! waits for the many pages of others that are due by then. Where that is slower than the writer, the writer does it
//! after all, at [`LOG_PAGES_MAX`].

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

/// What has become of the log.
#[derive(Debug, Default)]
pub(super) struct WriteAheadLog {
    path: PathBuf,
    /// Its length in pages.
    pages: Arc<AtomicI32>,
    /// The length at which it was last to be moved.
    moved_at: AtomicI32,
    /// It holds transactions that were not flushed.
    unflushed: Arc<AtomicBool>,
    file: Option<File>,
}

impl WriteAheadLog {
    /// Looks at each commit of this connection from now on.
    pub fn watch(conn: &mut Connection, database: &Path) -> rusqlite::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let log = Self { path: path.into(), ..Self::default() };
        // Whoever left it may have had no time to flush it.
        let left = std::fs::metadata(&log.path).is_ok_and(|left| left.len() > 0);
        log.unflushed.store(left, Ordering::Relaxed);
        let (length, unflushed) = (log.pages.clone(), log.unflushed.clone());
        conn.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            unflushed.store(true, Ordering::Relaxed);
            if pages >= LOG_PAGES_MAX {
                // As when SQLite does it by itself: it is no failure of the commit.
                let _ = log.checkpoint();
            }
            length.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(log)
    }

    /// Whether it has grown by so much since this was last true, or since it began anew.
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

/// Moves what a process left in `log` into the database, as far as the disk lets it. Damaged is a log that has
/// transactions behind what can be read of it.
pub(super) fn settle(conn: &Connection, log: &mut dyn Bytes) -> Result<(), StoreError> {
    let frames = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        conn.query_row(&sql, [], |row| row.get::<_, i64>(1))
    };
    // A full disk can wait: nothing is lost by it.
    let Ok(readable) = frames("PASSIVE") else { return Ok(()) };
    let lost = carve::commits_behind(log, schema::PAGE_BYTES, u64::try_from(readable).unwrap_or(0));
    if lost.map_err(|error| StoreError::Disk { reason: error.to_string() })? {
        return Err(StoreError::Damaged { reason: "its write-ahead log breaks off".to_owned() });
    }
    // What a failed flush left in memory only is written and flushed again.
    drop(frames("TRUNCATE"));
    Ok(())
}
