//! The Bloom filter of Automerge's sync messages: which changes a peer has, roughly.
//!
//! It answers "perhaps" or "no", never "yes". The three numbers of a foreign filter are checked before it
//! is built, so a built filter never divides by zero and never loops long.

use std::borrow::Borrow;

use crate::id::ChangeHash;
use crate::limits::{BLOOM_BITS_PER_ENTRY_MAX, BLOOM_ENTRIES_MAX, BLOOM_HASHES_MAX, BLOOM_PROBES_MAX};
use crate::wire::cursor::{Cursor, CursorError, write_number};

/// Gives 1 % of false positives, together with `PROBES`.
const BITS_PER_ENTRY: u32 = 10;
const PROBES: u32 = 7;

/// Why bytes are not a Bloom filter. No state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BloomError {
    /// The input ends within the header, or a number is not in its shortest form.
    #[error("the Bloom filter is cut off or malformed")]
    Malformed,
    /// The filter declares more than `BLOOM_ENTRIES_MAX` entries.
    #[error("the Bloom filter counts more than {BLOOM_ENTRIES_MAX} changes")]
    Entries,
    /// The filter declares 0 or more than `BLOOM_BITS_PER_ENTRY_MAX` bits per entry.
    #[error("the Bloom filter spends {0} bits on a change; 1 to {BLOOM_BITS_PER_ENTRY_MAX} are allowed")]
    BitsPerEntry(u64),
    /// The filter declares 0 or more than `BLOOM_PROBES_MAX` probes.
    #[error("the Bloom filter makes {0} probes; 1 to {BLOOM_PROBES_MAX} are allowed")]
    Probes(u64),
    /// The bit array is shorter or longer than the header implies.
    #[error("the Bloom filter is {found} bytes long where its header asks for {expected}")]
    Size {
        /// Bytes that the header implies.
        expected: usize,
        /// Bytes that follow the header.
        found: usize,
    },
}

/// A set of change hashes that answers "perhaps" or "no", in the encoding of Automerge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bloom {
    entries: u32,
    bits_per_entry: u32,
    probes: u32,
    /// Empty exactly when `entries` is 0; the lowest bit of the first byte is bit 0.
    bits: Vec<u8>,
}

impl Default for Bloom {
    /// The filter of no changes: contains nothing, and is encoded as nothing.
    fn default() -> Self {
        Self { entries: 0, bits_per_entry: BITS_PER_ENTRY, probes: PROBES, bits: Vec::new() }
    }
}

impl Bloom {
    /// The filter of these changes, with 1 % of false positives; of the first `BLOOM_HASHES_MAX` if there are more.
    pub fn from_hashes<H, I>(hashes: I) -> Self
    where
        H: Borrow<ChangeHash>,
        I: IntoIterator<Item = H, IntoIter: ExactSizeIterator>,
    {
        let hashes = hashes.into_iter().take(BLOOM_HASHES_MAX);
        let entries = hashes.len() as u32;
        let mut bloom = Self { entries, ..Self::default() };
        bloom.bits = vec![0; size(entries, BITS_PER_ENTRY)];
        for hash in hashes {
            for bit in bloom.probed(hash.borrow()) {
                bloom.bits[bit / 8] |= 1 << (bit % 8);
            }
        }
        bloom
    }

    /// Whether the filter was made from no changes.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether the filter may have been made from `hash`; `false` is certain.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        !self.is_empty() && self.probed(hash).all(|bit| self.bits[bit / 8] & (1 << (bit % 8)) != 0)
    }

    /// Entries, bits per entry and probes as LEB128 numbers, then the bit array; nothing for the empty filter.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_empty() {
            out.reserve_exact(self.bits.len() + 15);
            write_number(&mut out, self.entries.into());
            write_number(&mut out, self.bits_per_entry.into());
            write_number(&mut out, self.probes.into());
            out.extend_from_slice(&self.bits);
        }
        out
    }

    /// Reads a filter. The declared numbers are checked before anything is allocated.
    pub fn decode(bytes: &[u8]) -> Result<Self, BloomError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut cursor = Cursor::new(bytes);
        let mut number = || cursor.number().map_err(|_: CursorError| BloomError::Malformed);
        let (entries, bits_per_entry, probes) = (number()?, number()?, number()?);
        let within = |value: u64, range: std::ops::RangeInclusive<u32>| {
            u32::try_from(value).ok().filter(|value| range.contains(value))
        };
        let entries = within(entries, 0..=BLOOM_ENTRIES_MAX).ok_or(BloomError::Entries)?;
        let bits_per_entry = within(bits_per_entry, 1..=BLOOM_BITS_PER_ENTRY_MAX)
            .ok_or(BloomError::BitsPerEntry(bits_per_entry))?;
        let probes = within(probes, 1..=BLOOM_PROBES_MAX).ok_or(BloomError::Probes(probes))?;
        let bits = cursor.rest();
        let expected = size(entries, bits_per_entry);
        if bits.len() != expected {
            return Err(BloomError::Size { expected, found: bits.len() });
        }
        if entries == 0 {
            return Ok(Self::default());
        }
        Ok(Self { entries, bits_per_entry, probes, bits: bits.to_vec() })
    }

    /// The bits that represent `hash`. Panics on an empty filter.
    fn probed(&self, hash: &ChangeHash) -> impl Iterator<Item = usize> + use<> {
        let modulo = self.bits.len() * 8;
        let word = |at: usize| {
            let [a, b, c, d] = [hash.0[at], hash.0[at + 1], hash.0[at + 2], hash.0[at + 3]];
            u32::from_le_bytes([a, b, c, d]) as usize % modulo
        };
        let (mut x, mut y, z) = (word(0), word(4), word(8));
        (0..self.probes).map(move |_| {
            let bit = x;
            x = (x + y) % modulo;
            y = (y + z) % modulo;
            bit
        })
    }
}

fn size(entries: u32, bits_per_entry: u32) -> usize {
    (entries as usize * bits_per_entry as usize).div_ceil(8)
}
