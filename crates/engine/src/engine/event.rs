//! What goes into the engine and what comes out: closed lists.

use serde::{Deserialize, Serialize};

use super::conduct::Misconduct;
use super::damage;
use crate::change::{Body, Content, ContentError, SignError, Verified};
use crate::group::{EntryNo, GroupNo};
use crate::id::{ChangeHash, GroupId, PeerId};
use crate::sync::LinkId;
use crate::time::Timestamp;
use crate::wire::close::CloseCode;
use crate::wire::frame::{Control, Frame};
use crate::wire::sync_message::SyncMessage;

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
    /// Its changes have passed the two stages of the gate that need no state.
    Sync {
        link: LinkId,
        group: GroupId,
        message: SyncMessage<Verified>,
    },
    /// The newest entries of a group, without what they depend on. They have passed the same two stages.
    Preview {
        link: LinkId,
        group: GroupId,
        changes: Vec<Verified>,
    },
    /// A reader came upon an entry that cannot be read.
    Unreadable {
        group: GroupNo,
        no: EntryNo,
    },
    /// A time that [`super::Engine::next_timeout_us`] named has come.
    Tick,
}

/// What an author says; the engine adds the rest. In JSON it is a message that a client sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(rename = "NewMessage"))]
pub struct Draft {
    pub body: String,
    /// Absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Clients send messages only.
    #[serde(skip)]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<ChangeHash>,
    /// What the client calls it: 1 to 128 visible ASCII characters. Sent again under the same key, it is the same
    /// message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Draft {
    /// A message.
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Whether peers would accept it. The limits are in the error's text.
    pub fn check(&self) -> Result<(), ContentError> {
        self.clone().content(Timestamp::default()).check()
    }

    /// What the entry says, if it is written `now`.
    pub(super) fn content(self, now: Timestamp) -> Content {
        Content {
            at: self.at.unwrap_or(now),
            kind: self.kind,
            body: Body::Text(self.body),
            re: self.re,
            from: self.from,
        }
    }
}

/// Where an entry is known to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredOn {
    /// Peers, this one included.
    pub peers: u32,
    /// Of the links that take part in this group, those that have not shown it yet.
    pub awaited: u32,
}

/// What came of a command. It counts once the next [`super::Engine::flush`] has returned.
pub type Answer<T, E> = Result<T, CommandError<E>>;

/// Why a command was not carried out. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The engine works on.
    #[error("{0}")]
    Refused(Refusal),
    /// The store has failed: the engine is to be dropped.
    #[error("{0}")]
    Store(E),
}

/// A rule that a command would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Unwritable(#[from] SignError),
    #[error("this peer is not in that group")]
    NotJoined,
    #[error("{}", damage::NOT_WRITABLE)]
    HeadsUnreadable,
    #[error("this peer is already in as many groups as it can hold")]
    TooManyGroups,
    #[error("another message was sent under the key {key} before; give each message a key of its own")]
    KeyTaken { key: String },
}

impl<E> From<E> for CommandError<E> {
    fn from(error: E) -> Self {
        Self::Store(error)
    }
}

impl<E> CommandError<E> {
    pub(super) fn refused(refusal: impl Into<Refusal>) -> Self {
        Self::Refused(refusal.into())
    }
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
    /// Entries were stored, up to and including `last`.
    Stored {
        group: GroupNo,
        last: EntryNo,
    },
    /// The newest entries of a group as this peer has sent them, oldest first: to be shown apart until that is over. They
    /// replace what was shown of the group before.
    Preview {
        group: GroupNo,
        peer: PeerId,
        changes: Vec<Verified>,
    },
    PreviewOver {
        group: GroupNo,
    },
    /// What is known of other peers' holdings, or of the links, changed.
    Changed,
}

impl Effect {
    /// For those who look at the store, and see what is not durable yet. All others are told what must not be taken back.
    pub(super) fn is_news(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Preview { .. } | Self::PreviewOver { .. } | Self::Changed)
    }
}
