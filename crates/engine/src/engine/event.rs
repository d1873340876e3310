//! What goes into the engine (events, drafts) and what comes out (effects, answers).

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

/// What happened since the last event. The driver reports it by [`Engine::handle`](super::Engine::handle).
#[derive(Debug)]
pub enum Event {
    /// A handshake has succeeded: both sides hold the mesh secret.
    LinkUp {
        /// A number that was never used before.
        link: LinkId,
        /// The other side's key, which it has proven to hold.
        peer: PeerId,
        /// Whether this side dialled.
        dialled: bool,
        /// The address that was dialled, or the one that the connection came from.
        address: String,
        /// Where the other side says it can be dialled.
        listen: Vec<String>,
    },
    /// A link is closed, by either side or by an error.
    LinkDown {
        /// The link that is closed.
        link: LinkId,
    },
    /// The other side of a link broke the protocol in a way that the driver could see by itself.
    Misconduct {
        /// The link, which the engine closes.
        link: LinkId,
        /// What the other side did.
        what: Misconduct,
    },
    /// A dial that the engine asked for did not lead to a link.
    DialFailed {
        /// The peer that was dialled.
        peer: PeerId,
        /// The address that was dialled.
        address: String,
        /// Whether the other side turned our proof of the mesh secret down.
        refused: bool,
    },
    /// A control frame was received.
    Control {
        /// The link that it came over.
        link: LinkId,
        /// Its contents. Hello and close are ignored, because the driver handles them.
        control: Control,
    },
    /// A sync message was received.
    Sync {
        /// The link that it came over.
        link: LinkId,
        /// The group that it is about.
        group: GroupId,
        /// Its contents, with changes that were verified for this group.
        message: SyncMessage<Verified>,
    },
    /// A preview was received: the newest entries of a group, without their dependencies.
    Preview {
        /// The link that it came over.
        link: LinkId,
        /// The group that it is about.
        group: GroupId,
        /// Changes that were verified for this group, oldest first.
        changes: Vec<Verified>,
    },
    /// A reader of the store found an entry whose row is damaged.
    Unreadable {
        /// The group of the entry.
        group: GroupNo,
        /// The number of the entry.
        no: EntryNo,
    },
    /// The time that [`super::Engine::next_timeout_us`] returned has come.
    Tick,
}

/// What the user writes; the engine adds the rest of the change. In JSON it is a message that a client sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(rename = "NewMessage"))]
pub struct Draft {
    /// Its text, at most `BODY_BYTES_MAX` bytes.
    pub body: String,
    /// When it was written; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What it means, see [`crate::kinds`]; `None` for a message. Not in JSON: clients send messages only.
    #[serde(skip)]
    pub kind: Option<String>,
    /// The name of the person for whom it is relayed, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The entry that it refers to, if any.
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

/// How far an entry has spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredOn {
    /// Peers that are known to store it, this one included.
    pub peers: u32,
    /// Linked peers that take part in the group and have not shown yet that they store it.
    pub awaited: u32,
}

/// The result of a command. It counts once the next [`super::Engine::flush`] has returned.
pub type Answer<T, E> = Result<T, CommandError<E>>;

/// Why a command was not carried out. Nothing of it counts.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The command breaks a rule. The engine works on.
    #[error("{0}")]
    Refused(Refusal),
    /// The store has failed. Drop the engine.
    #[error("{0}")]
    Store(E),
}

/// A rule that a command would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The entry cannot be written within the limits of a change.
    #[error(transparent)]
    Unwritable(#[from] SignError),
    /// The user is not a member of the group, or the group is unknown.
    #[error("this peer is not in that group")]
    NotJoined,
    /// A head of the group is damaged in the database, so nothing can be written on top of it.
    #[error("{}", damage::NOT_WRITABLE)]
    HeadsUnreadable,
    /// The peer already holds `GROUPS_MAX` groups.
    #[error("this peer is already in as many groups as it can hold")]
    TooManyGroups,
    /// The idempotency key was used for another message.
    #[error("another message was sent under the key {key} before; give each message a key of its own")]
    KeyTaken {
        /// The key.
        key: String,
    },
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

/// What the driver must do, in the order of [`Engine::poll_effect`](super::Engine::poll_effect). News for local readers
/// (`Stored`, `Preview`, `PreviewOver`, `Changed`) may come once it is published, everything else once it is flushed.
#[derive(Debug)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// The link to send it over.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// Close a link. The engine has already forgotten it.
    Close {
        /// The link to close.
        link: LinkId,
        /// The reason to give.
        code: CloseCode,
    },
    /// Dial a peer; answer with [`Event::LinkUp`] or [`Event::DialFailed`].
    Dial {
        /// The peer that must prove to be there.
        peer: PeerId,
        /// Where to dial it, as `host:port`.
        address: String,
    },
    /// Entries were stored.
    Stored {
        /// The group of the entries.
        group: GroupNo,
        /// The last one. All entries up to it are stored.
        last: EntryNo,
    },
    /// Show a preview of a group, apart from its stored entries, in place of an earlier one.
    Preview {
        /// The group of the preview.
        group: GroupNo,
        /// The peer that sent it.
        peer: PeerId,
        /// Its entries that are not stored here, oldest first.
        changes: Vec<Verified>,
    },
    /// Stop showing the preview of a group.
    PreviewOver {
        /// The group of the preview.
        group: GroupNo,
    },
    /// Something in [`Status`](super::Status) or [`StoredOn`] has changed.
    Changed,
}

impl Effect {
    /// Whether this is for local readers, who may see what is not durable yet. What other peers are told must be
    /// durable.
    pub(super) fn is_news(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Preview { .. } | Self::PreviewOver { .. } | Self::Changed)
    }
}
