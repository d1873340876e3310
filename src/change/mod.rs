//! The one change shape: an Automerge change that carries one signed entry, and its exact bytes.

use crate::id::{ActorId, ChangeHash, GroupId, GroupName, MeshId};
use crate::identity::Identity;
use crate::time::Timestamp;

/// What an entry says. The set of fields is closed; new features are new kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The author's own clock, never altered.
    pub at: Timestamp,
    /// `None` is a message.
    pub kind: Option<String>,
    pub body: Body,
    /// The entry that this one refers to.
    pub re: Option<ChangeHash>,
    /// A name that the author relays for: bridges and imports.
    pub from: Option<String>,
}

/// Text, or bytes where the body is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Text(String),
    Sealed(Vec<u8>),
}

/// All that determines a change's bytes, but for the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Strictly ascending, 1 to `DEPS_MAX`.
    pub deps: Vec<ChangeHash>,
    pub actor: ActorId,
    /// 1 for an actor's first change. Automerge requires: consecutive.
    pub seq: u64,
    /// 1 + the largest `max_op` of the dependencies.
    pub start_op: u64,
}

/// A change of the allowed shape whose signature has not been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified(Change);

/// A change of the allowed shape, signed by its author for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    group: GroupId,
    change: Change,
}

/// The parts of a change. Says nothing about whether it is signed or fits its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub header: Header,
    pub content: Content,
    pub signature: [u8; 64],
}

/// The first change of a group: deterministic, so that a public group is its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    pub mesh: MeshId,
    pub name: GroupName,
}
