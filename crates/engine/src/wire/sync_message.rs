//! Automerge's sync message, version 1: the sender's heads, what it asks for, and changes.
//!
//! Encoding gives the bytes that the library would give. Decoding takes what the library sends in this
//! version, within our limits, and never the second version, which carries whole documents.

use std::sync::Arc;

use crate::id::ChangeHash;
use crate::limits::{CHUNK_BYTES_MIN, HAVE_MAX, HEADS_MAX, NEED_MAX};
use crate::wire::bloom::{Bloom, BloomError};
use crate::wire::cursor::{Cursor, CursorError, write_number};

const VERSION_1: u8 = 0x42;
const VERSION_2: u8 = 0x43;

/// Why bytes are not a sync message. No state changes; the engine closes the link that delivered them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyncMessageError {
    /// The first byte is not that of a sync message.
    #[error("this is no sync message")]
    Kind,
    /// A sync message of version 2, which carries whole documents.
    #[error("this is a sync message of version 2, which is not part of this protocol")]
    Version2,
    /// The input ends within the named section.
    #[error("the sync message is cut off in its {0}")]
    Truncated(&'static str),
    /// A number in the named section is not in its shortest form, or exceeds 64 bits.
    #[error("the sync message holds a malformed number in its {0}")]
    Number(&'static str),
    /// The named section has more items than its limit.
    #[error("the sync message holds too many {0}")]
    TooMany(&'static str),
    /// A change is shorter than `CHUNK_BYTES_MIN`.
    #[error("the sync message holds a chunk that is too short to be a change")]
    ShortChange,
    /// A Bloom filter is invalid.
    #[error("{0}")]
    Bloom(#[from] BloomError),
    /// Bytes follow the last section.
    #[error("the sync message goes on after its end")]
    Trailing,
}

/// One step of a sync session. Hash lists are ascending; the sender ensures that, the receiver does not rely on it.
/// `C` is the form of the changes: unchecked bytes, or a [`Verified`](crate::change::Verified) change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncMessage<C = Arc<[u8]>> {
    /// The sender's heads.
    pub heads: Vec<ChangeHash>,
    /// Changes that the sender asks for by hash.
    pub need: Vec<ChangeHash>,
    /// Descriptions of what the sender has; empty if it asks for nothing but `need`.
    pub have: Vec<Have>,
    /// Changes for the receiver, dependencies first as a rule.
    pub changes: Vec<C>,
}

/// A description of what the sender has, from which the receiver works out what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// The heads that both sides last had in common.
    pub last_sync: Vec<ChangeHash>,
    /// The changes that the sender has on top of `last_sync`.
    pub bloom: Bloom,
}

impl<C> Default for SyncMessage<C> {
    fn default() -> Self {
        Self { heads: Vec::new(), need: Vec::new(), have: Vec::new(), changes: Vec::new() }
    }
}

impl<C> SyncMessage<C> {
    /// Whether the sender asks for changes.
    pub fn pulls(&self) -> bool {
        !self.need.is_empty() || !self.have.is_empty()
    }

    /// The same message with `changes` in place of its own.
    pub fn with_changes<D>(self, changes: Vec<D>) -> SyncMessage<D> {
        let Self { heads, need, have, .. } = self;
        SyncMessage { heads, need, have, changes }
    }
}

impl SyncMessage {
    /// The bytes that Automerge would write.
    pub fn encode(&self) -> Vec<u8> {
        let changes: usize = self.changes.iter().map(|change| change.len() + 5).sum();
        let mut out = Vec::with_capacity(16 + 32 * (self.heads.len() + self.need.len()) + changes);
        self.encode_to(&mut out);
        out
    }

    pub(super) fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(VERSION_1);
        write_hashes(out, &self.heads);
        write_hashes(out, &self.need);
        write_number(out, self.have.len() as u64);
        for have in &self.have {
            write_hashes(out, &have.last_sync);
            write_bytes(out, &have.bloom.encode());
        }
        write_number(out, self.changes.len() as u64);
        for change in &self.changes {
            write_bytes(out, change);
        }
    }

    /// Reads a message of version 1 and checks every limit. Changes are not looked into.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncMessageError> {
        let mut cursor = Cursor::new(bytes);
        match cursor.byte() {
            Ok(VERSION_1) => {}
            Ok(VERSION_2) => return Err(SyncMessageError::Version2),
            _ => return Err(SyncMessageError::Kind),
        }
        let heads = read_hashes(&mut cursor, HEADS_MAX).map_err(within("heads"))?;
        let need = read_hashes(&mut cursor, NEED_MAX).map_err(within("need"))?;

        // The shortest section is two zeros: no hashes, no filter.
        let count = cursor.count(HAVE_MAX, 2).map_err(within("have"))?;
        let mut have = Vec::with_capacity(count);
        for _ in 0..count {
            let last_sync = read_hashes(&mut cursor, HEADS_MAX).map_err(within("have"))?;
            let bloom = Bloom::decode(cursor.bytes().map_err(within("have"))?)?;
            have.push(Have { last_sync, bloom });
        }

        let count = cursor.count(usize::MAX, 1 + CHUNK_BYTES_MIN).map_err(within("changes"))?;
        let mut changes = Vec::with_capacity(count);
        for _ in 0..count {
            let change = cursor.bytes().map_err(within("changes"))?;
            if change.len() < CHUNK_BYTES_MIN {
                return Err(SyncMessageError::ShortChange);
            }
            changes.push(change.into());
        }

        // The library appends a section of capabilities, none of which this protocol has.
        if !cursor.is_empty() {
            cursor.bytes().map_err(within("flags"))?;
        }
        if !cursor.is_empty() {
            return Err(SyncMessageError::Trailing);
        }
        Ok(Self { heads, need, have, changes })
    }
}

fn within(section: &'static str) -> impl Fn(CursorError) -> SyncMessageError {
    move |error| match error {
        CursorError::Truncated => SyncMessageError::Truncated(section),
        CursorError::Number => SyncMessageError::Number(section),
        CursorError::Limit => SyncMessageError::TooMany(section),
    }
}

fn read_hashes(cursor: &mut Cursor<'_>, max: usize) -> Result<Vec<ChangeHash>, CursorError> {
    let count = cursor.count(max, ChangeHash::BYTES)?;
    (0..count).map(|_| cursor.array().map(ChangeHash)).collect()
}

fn write_hashes(out: &mut Vec<u8>, hashes: &[ChangeHash]) {
    write_number(out, hashes.len() as u64);
    for hash in hashes {
        out.extend_from_slice(&hash.0);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
