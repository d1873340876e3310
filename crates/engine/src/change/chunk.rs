//! The chunk that a change stands in: magic, checksum, type, length, contents.

use sha2::{Digest, Sha256};

use super::leb128::write_unsigned;
use crate::id::ChangeHash;

/// Every Automerge chunk begins with these.
pub(super) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of an uncompressed change.
pub(super) const CHANGE_CHUNK: u8 = 1;
/// The chunk with these contents, and its hash.
pub(super) fn write(contents: &[u8]) -> (ChangeHash, Vec<u8>) {
    let mut bytes = Vec::with_capacity(16 + contents.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.push(CHANGE_CHUNK);
    write_unsigned(contents.len() as u64, &mut bytes);
    bytes.extend_from_slice(contents);
    let hash: [u8; 32] = Sha256::digest(&bytes[8..]).into();
    bytes[4..8].copy_from_slice(&hash[..4]);
    (ChangeHash(hash), bytes)
}
