//! The parts of a change: what an entry says, and what places it in its group.

use crate::id::{ActorId, ChangeHash};
use crate::time::Timestamp;

/// Length of an Ed25519 signature.
pub(super) const SIGNATURE_BYTES: usize = 64;

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

/// All that determines a change's bytes, but for the content and the signature.
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

/// The parts of a change. Says nothing about whether it is signed or fits its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub header: Header,
    pub content: Content,
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Content {
    /// Operations that the entry takes in its change: one for the map, one for each field.
    pub fn op_count(&self) -> u64 {
        let optional = [self.from.is_some(), self.kind.is_some(), self.re.is_some()];
        3 + optional.into_iter().filter(|set| *set).count() as u64
    }
}

impl Header {
    /// The counter of the change's last operation.
    pub fn max_op(&self, content: &Content) -> u64 {
        self.start_op.saturating_add(content.op_count() - 1)
    }
}
