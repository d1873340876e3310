//! What can go wrong with a store, and which state it is then in.

use std::path::PathBuf;

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::ChangeHash;
use rusqlite::ErrorCode;

/// A store failed. A failed read changes nothing. A failed write rolls back to the last commit, on disk and
/// in memory. Only after [`StoreError::Unflushed`] may that commit itself be lost in a power cut.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// At opening: the file cannot be opened or created. Nothing changed.
    #[error("cannot open the database {path}: {reason}; check that the directory exists and can be written")]
    Unopenable { path: PathBuf, reason: String },
    /// At opening: a database of another program. Nothing changed.
    #[error("{path} is the database of another program; choose another data directory")]
    Foreign { path: PathBuf },
    /// At opening: written by a later version of this program. Nothing changed.
    #[error("{path} has format {found}, and this version knows up to {known}; use a newer version")]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// At opening: written by an earlier version of this program. Nothing changed.
    #[error(
        "{path} has format {found}, and this version reads {known} only; use the version that wrote it, or join the mesh again with a new data directory"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    /// Not a database, or one with inconsistent pages.
    #[error("the database is damaged ({reason})")]
    Damaged { reason: String },
    /// One stored change does not match its hash. It is not served; the rest of the store works.
    #[error("entry {no} of group {group} is damaged in the database: {reason}", no = no.0, group = group.0)]
    Row { group: GroupNo, no: EntryNo, reason: &'static str },
    #[error("the disk is full: nothing was saved; free some space and try again")]
    Full,
    /// Reading or writing failed below the database.
    #[error("the disk fails ({reason}); check it, its free space, and how large files may become")]
    Disk { reason: String },
    /// Committed and visible to readers, but perhaps not durable.
    #[error(
        "the disk fails to keep what is written ({reason}); what was just done may be there or not: look before you do it again"
    )]
    Unflushed { reason: String },
    #[error("the database cannot be written: {reason}; check the permissions of the data directory")]
    ReadOnly { reason: String },
    /// Another process has locked the database for longer than a writer waits.
    #[error("the database is in use by another program")]
    Busy,
    #[error("no group has number {} here", .0.0)]
    NoGroup(GroupNo),
    #[error("this group has no message {0}")]
    NoEntry(ChangeHash),
    /// The change was admitted on entries that have been rolled back since.
    #[error("a change depends on entries that are no longer stored")]
    Dangling,
    #[error("no more groups fit the database")]
    TooManyGroups,
    /// An earlier error has rolled back the transaction.
    #[error("the writes since the last commit were rolled back after an error")]
    RolledBack,
    #[error("database error: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { reason },
            // What the disk cannot read any more counts as damaged: the rest can be salvaged.
            Some(ErrorCode::SystemIoFailure) if is_of_reading(&error) => Self::Damaged { reason },
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::SystemIoFailure) => Self::Disk { reason },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { reason }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error),
        }
    }
}

fn is_of_reading(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA, SQLITE_IOERR_READ};
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| [SQLITE_IOERR_READ, SQLITE_IOERR_DATA, SQLITE_IOERR_CORRUPTFS].contains(&code))
}

impl StoreError {
    /// The file does not hold what was written to it. Drop the store and salvage the file.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Row { .. } => true,
            // A value of another type than was written, or an index that contradicts its table.
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch)
            ),
            _ => false,
        }
    }

    /// As `From`, for a query that reads one entry: a value of the wrong type or size is that row's damage.
    pub(super) fn of_row(group: GroupNo, no: EntryNo) -> impl Fn(rusqlite::Error) -> Self {
        move |error| match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Self::Row { group, no, reason: "a value of the wrong type" },
            other => other.into(),
        }
    }
}
