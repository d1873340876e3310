//! Changes as bytes, and the proof that their author signed them.

use std::sync::Arc;

use super::check::{ContentError, HeaderError};
use super::content::{Change, Content, Header};
use super::decode::{self, DecodeError};
use super::{chunk, encode};
use crate::id::{ChangeHash, GroupId, PeerId};
use crate::identity::{self, Identity};

/// A change of the allowed shape whose signature has not been looked at.
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

/// Why a change was not written. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the actor id names another author than the key that signs")]
    NotTheAuthor,
}

/// The signature was not made by the change's author over these bytes for this group. No state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the author's for this change in this group")]
pub struct SignatureError;

impl Change {
    /// Writes and signs a change. The limits that every peer checks are checked here first.
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

    pub fn hash(&self) -> ChangeHash {
        self.encode_hashed().0
    }

    /// Both at once, for who rebuilds a stored change and holds it against its hash.
    pub fn encode_hashed(&self) -> (ChangeHash, Vec<u8>) {
        let mut contents = encode::signed_part(&self.header, &self.content);
        contents.extend_from_slice(&self.signature);
        chunk::write(&contents)
    }
}

impl Unverified {
    /// Reads one change of the allowed shape and accepts exactly the bytes that [`Change::encode`] writes.
    /// Foreign lengths are checked before anything is allocated by them.
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

    pub fn verify(self, group: GroupId) -> Result<Verified, SignatureError> {
        let (author, input) = self.signed(group);
        if !identity::verify(&author, &input, &self.change.signature) {
            return Err(SignatureError);
        }
        Ok(self.into_verified(group))
    }

    /// Verifies all of them at once, or says that one fails. `seed` as for [`identity::Batch`].
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

    /// Who is said to have signed, and what.
    fn signed(&self, group: GroupId) -> (PeerId, Vec<u8>) {
        let input = encode::signing_input(group, encode::signed_part_of(&self.bytes));
        (self.change.header.actor.author(), input)
    }

    fn into_verified(self, group: GroupId) -> Verified {
        let Self { change, hash, bytes } = self;
        Verified { group, change, hash, bytes }
    }

    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn header(&self) -> &Header {
        &self.change.header
    }

    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl Verified {
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    pub fn group(&self) -> GroupId {
        self.group
    }

    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn header(&self) -> &Header {
        &self.change.header
    }

    pub fn content(&self) -> &Content {
        &self.change.content
    }

    /// The change's exact bytes, shared: one copy serves the store and every link.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub fn author(&self) -> PeerId {
        self.change.header.actor.author()
    }

    pub fn max_op(&self) -> u64 {
        self.change.header.max_op(&self.change.content)
    }
}
