//! What goes into the engine and what comes out: closed lists.

use super::Misconduct;
use crate::change::{SignError, Verified};
use crate::group::{EntryNo, GroupNo};
use crate::id::{ChangeHash, GroupId, GroupName, PeerId};
use crate::sync::LinkId;
use crate::time::Timestamp;
use crate::wire::close::CloseCode;
use crate::wire::frame::{Control, Frame};
use crate::wire::sync_message::Have;

/// A sync message whose changes have passed the two stages of the gate that need no state.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    pub heads: Vec<ChangeHash>,
    pub need: Vec<ChangeHash>,
    pub have: Vec<Have>,
    pub changes: Vec<Verified>,
}

impl Incoming {
    /// The length of all changes together.
    pub fn bytes(&self) -> usize {
        self.changes.iter().map(|change| change.bytes().len()).sum()
    }
}

#[derive(Debug)]
pub enum Event {
    /// A link was proven: both sides hold the mesh secret.
    LinkUp {
        link: LinkId,
        peer: PeerId,
        dialled: bool,
        address: String,
        listen: Vec<String>,
    },
    /// A link is gone, for whatever reason.
    LinkDown {
        link: LinkId,
    },
    /// The other side of a link broke the rules, as far as that shows without state.
    Misconduct {
        link: LinkId,
        what: Misconduct,
    },
    /// A dial that the engine asked for did not end in a link.
    DialFailed {
        peer: PeerId,
        address: String,
        refused: bool,
    },
    Control {
        link: LinkId,
        control: Control,
    },
    Sync {
        link: LinkId,
        group: GroupId,
        incoming: Incoming,
    },
    /// The newest entries of a group, ahead of what they stand on. They have passed the same two stages.
    Ahead {
        link: LinkId,
        group: GroupId,
        changes: Vec<Verified>,
    },
    /// A reader came upon an entry that is damaged on disk.
    Damaged {
        group: GroupNo,
        no: EntryNo,
    },
    /// Somebody on this machine wants something; answered by one [`Effect::Reply`] with this token.
    Command {
        token: u64,
        command: Command,
    },
    /// A time that [`super::Engine::next_timeout_us`] named has come.
    Tick,
}

#[derive(Debug, Clone)]
pub enum Command {
    /// Writes entries, each on top of the one before; all or none.
    Write {
        group: GroupId,
        drafts: Vec<Draft>,
    },
    /// Joins a public group; `announce`: its name is new to the directory.
    Join {
        name: GroupName,
        announce: bool,
    },
    Leave {
        group: GroupNo,
    },
    SetName {
        name: String,
    },
    /// Addresses from a ticket.
    Introduce {
        peer: PeerId,
        addresses: Vec<String>,
    },
    /// The person at this peer has read what arrived up to here.
    MarkRead {
        group: GroupNo,
        arrival: EntryNo,
    },
    StoredOn {
        group: GroupNo,
        entries: Vec<ChangeHash>,
    },
    Status,
}

/// What an author says; the engine adds the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// `None`: now.
    pub at: Option<Timestamp>,
    pub kind: Option<String>,
    pub body: String,
    pub from: Option<String>,
    pub re: Option<ChangeHash>,
    /// What the client calls it: sent again under the same key, it is the same.
    pub key: Option<String>,
}

#[derive(Debug)]
pub enum Outcome {
    Written(Vec<ChangeHash>),
    Joined(GroupId),
    Done,
    StoredOn(Vec<StoredOn>),
    Status(Box<super::Status>),
}

/// Where an entry is known to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredOn {
    /// Peers, this one included.
    pub peers: u32,
    /// Of the links that take part in this group, those that have not shown it yet.
    pub awaited: u32,
}

/// A command was refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Unwritable(#[from] SignError),
    #[error("this peer is not in that group")]
    NotJoined,
    #[error(
        "the database is damaged where the group ends; start the peer again, and link it with one that has the rest"
    )]
    Damaged,
    #[error("this peer is already in as many groups as it can hold")]
    TooManyGroups,
    #[error("another message was sent under the key {key} before; give each message a key of its own")]
    KeyTaken { key: String },
    #[error("nothing was saved: {0}")]
    Store(String),
}

/// What the driver is to do, in this order: what is news to readers once it is published, all else once it is flushed.
#[derive(Debug)]
pub enum Effect {
    Send {
        link: LinkId,
        frame: Frame,
    },
    Close {
        link: LinkId,
        code: CloseCode,
    },
    Dial {
        peer: PeerId,
        address: String,
    },
    Reply {
        token: u64,
        result: Result<Outcome, CommandError>,
    },
    /// Entries were stored, up to and including `last`.
    Stored {
        group: GroupNo,
        last: EntryNo,
    },
    /// The newest entries of a group, as this peer has sent them ahead, oldest first: to be shown apart until that is over.
    /// They replace what was shown of the group before.
    Ahead {
        group: GroupNo,
        peer: PeerId,
        changes: Vec<Verified>,
    },
    AheadOver {
        group: GroupNo,
    },
    /// What is known of other peers' holdings, or of the links, changed.
    Changed,
}

impl Effect {
    /// For those who look at the store, and see what is not durable yet. All others are told what must not be taken back.
    pub(super) fn is_news(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Ahead { .. } | Self::AheadOver { .. } | Self::Changed)
    }
}
