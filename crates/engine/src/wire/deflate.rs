//! Compression of sync frames: a catch-up is thousands of similar changes.
//!
//! Each frame is compressed by itself. The uncompressed length stands before the compressed bytes and is checked against
//! the limits before memory is allocated for it. A frame that would grow by more than `DEFLATE_GROWTH_MAX` is refused, so
//! that few bytes cannot cause much work.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::limits::{DEFLATE_BYTES_MIN, DEFLATE_GROWTH_MAX, FRAME_BYTES_MAX};
use crate::wire::cursor::{Cursor, CursorError, write_number};

/// The lowest level that fits its codes to the data: half of a change is keys, hashes and a signature, which the level
/// below makes longer.
const LEVEL: Compression = Compression::new(2);

/// Why a message cannot be decompressed. What was decompressed so far is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The uncompressed length is missing or malformed.
    #[error("the compressed message has no readable length")]
    Length,
    /// The declared length exceeds `FRAME_BYTES_MAX`, or `DEFLATE_GROWTH_MAX` times the compressed length.
    #[error("the compressed message would be {bytes} bytes long; the limit is {max}")]
    TooLarge {
        /// The declared length in bytes.
        bytes: usize,
        /// The largest length in bytes that is allowed here.
        max: usize,
    },
    /// The compressed bytes are corrupt, or give another length than declared.
    #[error("the compressed message is damaged, or not as long as it says")]
    Damaged,
}

/// Compresses `message` and prefixes its length; `None` if that saves nothing or exceeds the limits.
pub(super) fn deflate(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < DEFLATE_BYTES_MIN {
        return None;
    }
    let mut out = Vec::with_capacity(message.len());
    write_number(&mut out, message.len() as u64);
    // Ends with an error or another status where the output would be as long as the input.
    let status = Compress::new(LEVEL, false).compress_vec(message, &mut out, FlushCompress::Finish);
    let fits = out.len() < message.len() && message.len() <= longest(out.len());
    (matches!(status, Ok(Status::StreamEnd)) && fits).then_some(out)
}

/// The length that `bytes` declares, checked against the limits.
pub(super) fn inflated_bytes(bytes: &[u8]) -> Result<usize, InflateError> {
    let length = usize::try_from(length(&mut Cursor::new(bytes))?).unwrap_or(usize::MAX);
    let max = longest(bytes.len());
    if length > max { Err(InflateError::TooLarge { bytes: length, max }) } else { Ok(length) }
}

/// The longest message that a compressed one of `bytes` bytes, length included, may decompress to.
fn longest(bytes: usize) -> usize {
    bytes.saturating_mul(DEFLATE_GROWTH_MAX).min(FRAME_BYTES_MAX)
}

/// Reverses [`deflate`]. Allocates the declared length only.
pub(super) fn inflate(bytes: &[u8]) -> Result<Vec<u8>, InflateError> {
    let expected = inflated_bytes(bytes)?;
    let mut cursor = Cursor::new(bytes);
    length(&mut cursor)?;
    let compressed = cursor.rest();
    let mut message = vec![0; expected];
    let mut stream = Decompress::new(false);
    let status = stream.decompress(compressed, &mut message, FlushDecompress::Finish);
    let whole = stream.total_in() == compressed.len() as u64 && stream.total_out() == expected as u64;
    if !matches!(status, Ok(Status::StreamEnd)) || !whole {
        return Err(InflateError::Damaged);
    }
    Ok(message)
}

fn length(cursor: &mut Cursor<'_>) -> Result<u64, InflateError> {
    cursor.number().map_err(|_: CursorError| InflateError::Length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Repeats itself, but not too often.
    fn text(len: usize) -> Vec<u8> {
        let words = (0u64..).flat_map(|n| format!("{} the same again, ", n.wrapping_mul(n)).into_bytes());
        words.take(len).collect()
    }

    #[test]
    fn a_bomb_is_refused_by_its_length() {
        let mut bomb = Vec::new();
        write_number(&mut bomb, FRAME_BYTES_MAX as u64 + 1);
        bomb.extend_from_slice(&[0; 64]);
        bomb.resize(FRAME_BYTES_MAX, 0);
        let max = FRAME_BYTES_MAX;
        assert_eq!(inflate(&bomb), Err(InflateError::TooLarge { bytes: max + 1, max }));
        let mut bomb = Vec::new();
        write_number(&mut bomb, u64::MAX);
        assert!(matches!(inflate(&bomb), Err(InflateError::TooLarge { .. })));
    }

    #[test]
    fn few_bytes_stand_for_few() {
        let zeros = vec![0; 100_000];
        assert_eq!(deflate(&zeros), None, "sent as it is");
        let mut bytes = Vec::new();
        write_number(&mut bytes, zeros.len() as u64);
        bytes.reserve(zeros.len());
        let status = Compress::new(LEVEL, false).compress_vec(&zeros, &mut bytes, FlushCompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)));
        let max = bytes.len() * DEFLATE_GROWTH_MAX;
        assert_eq!(inflate(&bytes), Err(InflateError::TooLarge { bytes: zeros.len(), max }));
    }

    #[test]
    fn a_stream_that_goes_on_beyond_its_length_is_refused() {
        let packed = deflate(&text(10_000)).unwrap();
        for told in [9_999u64, 10_001, 0] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, told);
            bytes.extend_from_slice(&packed[2..]);
            assert_eq!(inflate(&bytes), Err(InflateError::Damaged), "{told}");
        }
        let trailing = [&packed[..], b"x"].concat();
        assert_eq!(inflate(&trailing), Err(InflateError::Damaged));
        for cut in 0..packed.len() {
            assert!(inflate(&packed[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_does_not_get_smaller_is_left_alone() {
        assert_eq!(deflate(&text(DEFLATE_BYTES_MIN - 1)), None);
        assert!(deflate(&text(DEFLATE_BYTES_MIN)).is_some());
        let mut noise = vec![0; 64 * 1024];
        let mut state = 1u64;
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        assert_eq!(deflate(&noise), None);
    }

    proptest! {
        #[test]
        fn what_is_deflated_is_inflated(parts in proptest::collection::vec(any::<u8>(), 0..400), times in 1usize..200) {
            let message = parts.repeat(times);
            if let Some(packed) = deflate(&message) {
                prop_assert_eq!(inflate(&packed), Ok(message));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at: usize, flip: u8) {
            let _ = inflate(&bytes);
            let mut packed = deflate(&text(20_000)).unwrap();
            let at = at % packed.len();
            packed[at] ^= flip;
            // Where it is taken all the same, it is as long as it says.
            if let Ok(message) = inflate(&packed) {
                prop_assert_eq!(Ok(message.len()), inflated_bytes(&packed));
            }
        }
    }
}
