//! Changes as bytes, and the proof that their author signed them.

use std::sync::Arc;

use super::check::{ContentError, HeaderError};
use super::content::{Change, Content, Header};
use super::decode::{self, DecodeError};
use super::{chunk, encode};
use crate::id::{ChangeHash, GroupId, PeerId};
use crate::identity::{self, Identity};

/// A change of the allowed shape whose signature has not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    change: Change,
    hash: ChangeHash,
    bytes: Arc<[u8]>,
}

/// A change of the allowed shape, signed by its author for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    group: GroupId,
    change: Change,
    hash: ChangeHash,
    bytes: Arc<[u8]>,
}

/// Why a change was not signed. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The content is beyond the consensus limits.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The header is invalid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The header's actor belongs to another author than the signing key.
    #[error("the actor id names another author than the key that signs")]
    NotTheAuthor,
}

/// The signature was not made by the change's author over these bytes for this group. No state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the author's for this change in this group")]
pub struct SignatureError;

impl Change {
    /// Signs a change for `group` with the key of its author, after checking all limits that every peer checks.
    pub fn sign(
        group: GroupId,
        header: Header,
        content: Content,
        identity: &Identity,
    ) -> Result<Verified, SignError> {
        content.check()?;
        header.check(&content)?;
        if header.actor.author() != identity.peer() {
            return Err(SignError::NotTheAuthor);
        }
        let mut contents = encode::signed_part(&header, &content);
        let signature = identity.sign(&encode::signing_input(group, &contents));
        contents.extend_from_slice(&signature);
        let (hash, bytes) = chunk::write(&contents);
        let change = Self { header, content, signature };
        Ok(Verified { group, change, hash, bytes: bytes.into() })
    }

    /// The change's exact bytes: an uncompressed Automerge change chunk.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_hashed().1
    }

    /// SHA-256 of the change's chunk. Encodes the change to compute it.
    pub fn hash(&self) -> ChangeHash {
        self.encode_hashed().0
    }

    /// [`Change::hash`] and [`Change::encode`] in one pass, to compare a change rebuilt from a store with its hash.
    pub fn encode_hashed(&self) -> (ChangeHash, Vec<u8>) {
        let mut contents = encode::signed_part(&self.header, &self.content);
        contents.extend_from_slice(&self.signature);
        chunk::write(&contents)
    }
}

impl Unverified {
    /// Reads one change. Accepts only the bytes that [`Change::encode`] writes for its parts, so every change has one
    /// encoding. Allocates by no unchecked length.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let change = decode::parse(bytes)?;
        change.content.check()?;
        change.header.check(&change.content)?;
        let (hash, encoded) = change.encode_hashed();
        if encoded != bytes {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Self { change, hash, bytes: encoded.into() })
    }

    /// Checks that the author signed the change for `group`.
    pub fn verify(self, group: GroupId) -> Result<Verified, SignatureError> {
        let (author, input) = self.signed(group);
        if !identity::verify(&author, &input, &self.change.signature) {
            return Err(SignatureError);
        }
        Ok(self.into_verified(group))
    }

    /// Checks the signatures of all changes at once, which is faster; an error does not say which one fails. `seed`
    /// is as in [`identity::Batch::verify`].
    pub fn verify_all(
        changes: Vec<Self>,
        group: GroupId,
        seed: [u8; 32],
    ) -> Result<Vec<Verified>, SignatureError> {
        let mut batch = identity::Batch::default();
        for change in &changes {
            let (author, input) = change.signed(group);
            batch.add(&author, &input, &change.change.signature);
        }
        if !batch.verify(seed) {
            return Err(SignatureError);
        }
        Ok(changes.into_iter().map(|change| change.into_verified(group)).collect())
    }

    /// The alleged author, and the bytes that the author must have signed.
    fn signed(&self, group: GroupId) -> (PeerId, Vec<u8>) {
        let input = encode::signing_input(group, encode::signed_part_of(&self.bytes));
        (self.change.header.actor.author(), input)
    }

    fn into_verified(self, group: GroupId) -> Verified {
        let Self { change, hash, bytes } = self;
        Verified { group, change, hash, bytes }
    }

    /// The change's hash, known from decoding.
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// The decoded parts.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Where the change claims to stand in its group.
    pub fn header(&self) -> &Header {
        &self.change.header
    }

    /// The exact bytes that were decoded.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl Verified {
    /// The change's hash, which is also the id of its entry.
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// The group for which the author signed.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The parts of the change.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Where the change stands in its group.
    pub fn header(&self) -> &Header {
        &self.change.header
    }

    /// What the entry says.
    pub fn content(&self) -> &Content {
        &self.change.content
    }

    /// The exact bytes of the change, shared by the store and all links that need them.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The peer that signed the change.
    pub fn author(&self) -> PeerId {
        self.change.header.actor.author()
    }

    /// Counter of the change's last Automerge operation.
    pub fn max_op(&self) -> u64 {
        self.change.header.max_op(&self.change.content)
    }
}
