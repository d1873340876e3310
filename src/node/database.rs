//! The database of a data directory: opened where it is sound, salvaged where it is not.
//!
//! A damaged database is never written to and never deleted. A new one is made beside it of what can be read, and
//! takes its place in steps that the next start carries on with, whenever they are cut short.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use peer_engine::id::{MeshId, PeerId};

use super::error::{DataDirError, NodeError};
use super::private::make_private;
use crate::store::{Bytes, Salvaged, SqliteStore, StoreError};

/// Being made: of no use until it is whole.
const MAKING: &str = "-making";
/// Made, and not yet in its place.
const WHOLE: &str = "-whole";
/// Followed by a number.
const ASIDE: &str = ".damaged-";

/// Where the database is, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Database {
    path: PathBuf,
    own: PeerId,
    mesh: MeshId,
}

/// An open store.
pub(super) struct Opened {
    pub store: SqliteStore,
    /// It was closed when it was last used. Else what others were sent may be gone, and no actor is to be gone on with.
    pub is_clean: bool,
}

impl Database {
    pub fn new(path: PathBuf, own: PeerId, mesh: MeshId) -> Self {
        Self { path, own, mesh }
    }

    /// SQLite makes the files beside it as private as it is.
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

    /// Makes a sound database of the damaged one, of which no connection may be open any more that writes, and sets
    /// the damaged one aside. After an error it stands where it stood.
    pub fn salvage(&self, reason: &StoreError) -> Result<Opened, NodeError> {
        let making = beside(&self.path, MAKING);
        let io = |source| io_error(&self.path, source);
        remove(&making).map_err(io)?;
        let made = self.make_anew(&making);
        if made.is_err() {
            // On a full disk it would be in the way. What cannot be removed now is when it is made again.
            let _ = remove(&making);
        }
        let done = made?;
        fs::rename(&making, beside(&self.path, WHOLE)).and_then(|()| flush_dir(&self.path)).map_err(io)?;
        let aside = finish(&self.path).map_err(io)?;
        let name = aside.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        tracing::error!(
            "{reason}; {} entries were carried over into a new one, {} of them without what is beneath them; other peers are asked for what is lost; the damaged one is kept as {name}",
            done.entries,
            done.stranded,
        );
        Ok(Opened { is_clean: false, ..self.open()? })
    }

    /// The new database is whole and flushed when this returns.
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
        // Windows flushes only what may be written.
        File::options().write(true).open(making).and_then(|made| made.sync_all()).map_err(io)?;
        Ok(done)
    }
}

/// Carries on where a salvage was cut short. Gives the name under which the damaged database is kept, if there
/// was anything to do.
pub(super) fn finish(database: &Path) -> io::Result<Option<PathBuf>> {
    let whole = beside(database, WHOLE);
    if !whole.try_exists()? {
        return Ok(None);
    }
    // The write-ahead log goes first: it must never meet the new database. Until the database follows, the number
    // is the same again.
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
