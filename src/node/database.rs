//! The database of a data directory: opened if it is sound, salvaged if it is damaged.
//!
//! A damaged database is never written to and never deleted. What can be read of it goes into a new database
//! beside it, which then replaces it in steps. If the steps are interrupted, the next start continues them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use peer_engine::id::{MeshId, PeerId};

use super::error::{DataDirError, NodeError};
use super::private::make_private;
use crate::store::{Bytes, Salvaged, SqliteStore, StoreError};

/// Suffix of a new database that is still being written, and must not be used yet.
const MAKING: &str = "-making";
/// Suffix of a complete new database that has not replaced the damaged one yet.
const WHOLE: &str = "-whole";
/// Suffix of a damaged database that is kept; a number follows.
const ASIDE: &str = ".damaged-";

/// The path of the database, and the peer and mesh that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Database {
    path: PathBuf,
    own: PeerId,
    mesh: MeshId,
}

/// An open store.
pub(super) struct Opened {
    pub store: SqliteStore,
    /// The database was closed in order when it was last used. If not, entries that other peers have may be
    /// missing here: start new actors.
    pub is_clean: bool,
}

impl Database {
    pub fn new(path: PathBuf, own: PeerId, mesh: MeshId) -> Self {
        Self { path, own, mesh }
    }

    /// Makes the database file private first: SQLite gives the files beside it the same permissions.
    pub fn open(&self) -> Result<Opened, NodeError> {
        let io = |source| io_error(&self.path, source);
        make_private(&self.path).map_err(io)?;
        let wal = beside(&self.path, "-wal");
        let is_clean = fs::metadata(&wal).map_or(0, |log| log.len()) == 0;
        let store = if is_clean {
            SqliteStore::open(&self.path, self.own)?
        } else {
            SqliteStore::open_unclosed(&self.path, self.own, &mut File::open(&wal).map_err(io)?)?
        };
        Ok(Opened { store, is_clean })
    }

    /// Writes a sound database from the damaged one, and then sets the damaged one aside. No connection that
    /// writes to the damaged database may be open. After an error the damaged database is in its place,
    /// unchanged.
    pub fn salvage(&self, reason: &StoreError) -> Result<Opened, NodeError> {
        let making = beside(&self.path, MAKING);
        let io = |source| io_error(&self.path, source);
        remove(&making).map_err(io)?;
        let made = self.make_anew(&making);
        if made.is_err() {
            // On a full disk the unfinished file takes up space. If it cannot be removed now, the next
            // salvage removes it.
            let _ = remove(&making);
        }
        let done = made?;
        fs::rename(&making, beside(&self.path, WHOLE)).and_then(|()| flush_dir(&self.path)).map_err(io)?;
        let aside = finish(&self.path).map_err(io)?;
        let name = aside.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        tracing::error!(
            "{reason}; {} entries were copied into a new one, {} of them without entries that they depend on; other peers are asked for what is lost; the damaged one is kept as {name}",
            done.entries,
            done.stranded,
        );
        Ok(Opened { is_clean: false, ..self.open()? })
    }

    /// The new database is complete and flushed when this returns.
    fn make_anew(&self, making: &Path) -> Result<Salvaged, NodeError> {
        let io = |source| io_error(&self.path, source);
        make_private(making).map_err(io)?;
        let mut file = File::open(&self.path).map_err(io)?;
        let mut wal = match File::open(beside(&self.path, "-wal")) {
            Ok(wal) => Some(wal),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        let wal = wal.as_mut().map(|wal| wal as &mut dyn Bytes);
        let done = SqliteStore::salvage(&mut file, wal, making, self.own, self.mesh)?;
        // Windows flushes only files that are open for writing.
        File::options().write(true).open(making).and_then(|made| made.sync_all()).map_err(io)?;
        Ok(done)
    }
}

/// Completes a salvage that was interrupted. Returns the path at which the damaged database is kept, or
/// `None` if there was nothing to complete.
pub(super) fn finish(database: &Path) -> io::Result<Option<PathBuf>> {
    let whole = beside(database, WHOLE);
    if !whole.try_exists()? {
        return Ok(None);
    }
    // The write-ahead log is renamed first: it must never lie beside the new database. The number stays the
    // same until the database is renamed too.
    let aside = (1..)
        .map(|number| beside(database, &format!("{ASIDE}{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| beside(database, ASIDE));
    for part in ["-wal", ""] {
        match fs::rename(beside(database, part), beside(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    remove(&beside(database, "-shm"))?;
    fs::rename(&whole, database)?;
    flush_dir(database)?;
    Ok(Some(aside))
}

/// Makes the names in the directory of `file` durable.
fn flush_dir(file: &Path) -> io::Result<()> {
    match file.parent().filter(|_| cfg!(unix)) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// The names of the damaged databases that are kept in this directory.
pub(super) fn set_aside(database: &Path) -> Vec<String> {
    let numbered = (1..).map(|number| beside(database, &format!("{ASIDE}{number}")));
    let kept = numbered.take_while(|aside| aside.exists());
    kept.filter_map(|aside| Some(aside.file_name()?.to_string_lossy().into_owned())).collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    for part in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> NodeError {
    DataDirError::Io { path: path.to_owned(), source }.into()
}
