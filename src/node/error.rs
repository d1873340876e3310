//! What can go wrong with a running peer, in words for the person at the keyboard.

use std::io;

use peer_engine::engine::Refusal;
use peer_engine::id::GroupName;
use peer_engine::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};

use crate::node::DataDirError;
use crate::store::StoreError;
use crate::transport::TransportError;

/// Whatever the variant, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("there is no group {name}{}", suggestion(.nearest))]
    UnknownGroup { name: GroupName, nearest: Vec<GroupName> },
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
    #[error("{0}, again, though it has just been made anew: the disk is not to be trusted; check it")]
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
