//! Errors of a running peer, worded for the person at the keyboard.

use std::io;
use std::path::PathBuf;

use peer_engine::engine::Refusal;
use peer_engine::id::GroupName;
use peer_engine::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};

use super::group_key::GroupKey;
use crate::store::StoreError;
use crate::transport::TransportError;

/// Nothing was written, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{path} is in use by another peer process; stop that one, or choose another --data directory")]
    Locked { path: PathBuf },
    #[error("{path} belongs to another mesh than the ticket; use another --data directory to join that one")]
    OtherMesh { path: PathBuf },
    #[error("the ticket's mesh secret is not the one in {path}; ask a member for a new ticket")]
    OtherSecret { path: PathBuf },
    #[error("{path} can be read by others on this machine; make it private: chmod {mode} {path}")]
    NotPrivate { path: PathBuf, mode: &'static str },
    #[error("{path} is not readable as this program's secrets; restore it from a copy of the data directory")]
    Damaged { path: PathBuf },
    #[error("{path} is missing though there is a database; restore it from a copy of the data directory")]
    Missing { path: PathBuf },
    #[error(
        "{path} is missing or empty; restore a copy of the data directory, or join the mesh with a new one"
    )]
    NoDatabase { path: PathBuf },
    #[error(
        "{path} is the database of another peer or mesh than the secrets beside it; restore the two together"
    )]
    OtherDatabase { path: PathBuf },
    #[error("cannot use {path}: {source}; check that the directory exists and may be written")]
    Io { path: PathBuf, source: io::Error },
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// Nothing was written, in every variant.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("there is no group {group}{}", suggestion(.nearest))]
    UnknownGroup { group: GroupKey, nearest: Vec<GroupName> },
    #[error("this peer is not in {name}; join it first: peer groups join {name}")]
    NotJoined { name: GroupName },
    #[error("a name is 1 to {NAME_BYTES_MAX} bytes; this one has {bytes}")]
    Name { bytes: usize },
    #[error("a topic is at most {TOPIC_BYTES_MAX} bytes; this one has {bytes}")]
    Topic { bytes: usize },
    #[error(transparent)]
    Command(Refusal),
    #[error("nothing was saved: {0}")]
    NotSaved(String),
    #[error("{0}, again, although it was salvaged a moment ago: the disk may be failing; check it")]
    DamagedAgain(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(
        "the mesh refuses this ticket: its secret is wrong or has been changed; ask a member for a new one"
    )]
    Refused,
    #[error("no peer of this ticket can be reached ({0}); check that one of them runs and try again")]
    Unreachable(String),
    #[error("a socket failed: {0}")]
    Socket(io::Error),
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
    #[error("the peer has stopped")]
    Stopped,
}

fn suggestion(nearest: &[GroupName]) -> String {
    match nearest {
        [] => "; create it first: peer groups create NAME".to_owned(),
        names => {
            let names: Vec<_> = names.iter().map(GroupName::as_str).collect();
            format!("; did you mean {}?", names.join(", "))
        }
    }
}
