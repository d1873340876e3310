//! The parts of a change: what an entry says, and what places it in its group.

use crate::id::{ActorId, ChangeHash};
use crate::time::Timestamp;

/// Length of an Ed25519 signature.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// What an entry says. The set of fields is closed; new features are new kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// When the entry was written, by the author's clock. Never altered.
    pub at: Timestamp,
    /// What the entry means, see [`crate::kinds`]; `None` for a message.
    pub kind: Option<String>,
    /// The text of the entry, or what its kind makes of it.
    pub body: Body,
    /// The entry that this one refers to.
    pub re: Option<ChangeHash>,
    /// The name of the person for whom the author relays the entry, set by bridges and imports.
    pub from: Option<String>,
}

/// The body of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Readable by every member.
    Text(String),
    /// Encrypted, readable with a key only.
    Sealed(Vec<u8>),
}

/// What places a change in its group. With the content and the signature it determines the bytes of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Hashes of the direct dependencies: strictly ascending, 1 to `DEPS_MAX`.
    pub deps: Vec<ChangeHash>,
    /// The actor that writes the change; its author must sign it.
    pub actor: ActorId,
    /// Position among the actor's changes: 1 for the first, then consecutive, as Automerge requires.
    pub seq: u64,
    /// Counter of the first operation: 1 + the largest `max_op` of the dependencies.
    pub start_op: u64,
}

/// The parts of a change. Having one proves neither that it is signed nor that it fits its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where the change stands in its group.
    pub header: Header,
    /// What its entry says.
    pub content: Content,
    /// Ed25519 signature of the author over the group and all of the change but the signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Content {
    /// Number of Automerge operations in the change of this entry: one for the map, one for each field.
    pub fn op_count(&self) -> u64 {
        let optional = [self.from.is_some(), self.kind.is_some(), self.re.is_some()];
        3 + optional.into_iter().filter(|set| *set).count() as u64
    }
}

impl Header {
    /// Counter of the last operation of a change with this content.
    pub fn max_op(&self, content: &Content) -> u64 {
        self.start_op.saturating_add(content.op_count() - 1)
    }
}
