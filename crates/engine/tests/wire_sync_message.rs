//! Our sync messages and Bloom filters against the library's own, in both directions, and with random bytes.

use automerge::sync as library;
use peer_engine::id::ChangeHash;
use peer_engine::limits::{BLOOM_ENTRIES_MAX, HEADS_MAX};
use peer_engine::wire::bloom::BloomError;
use peer_engine::wire::{Bloom, Have, SyncMessage, SyncMessageError};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn hash() -> impl Strategy<Value = ChangeHash> {
    any::<[u8; 32]>().prop_map(ChangeHash)
}

fn hashes() -> impl Strategy<Value = Vec<ChangeHash>> {
    btree_set(hash(), 0..6).prop_map(Vec::from_iter)
}

fn have() -> impl Strategy<Value = Have> {
    (hashes(), vec(hash(), 0..200))
        .prop_map(|(last_sync, held)| Have { last_sync, bloom: Bloom::from_hashes(&held) })
}

fn message() -> impl Strategy<Value = SyncMessage> {
    (hashes(), hashes(), vec(have(), 0..3), vec(vec(any::<u8>(), 10..300), 0..6)).prop_map(
        |(heads, need, have, changes)| {
            let changes = changes.into_iter().map(Into::into).collect();
            SyncMessage { heads, need, have, changes }
        },
    )
}

fn theirs(hashes: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
    hashes.iter().map(|hash| automerge::ChangeHash(hash.0)).collect()
}

fn to_library(message: &SyncMessage, flags: Option<library::MessageFlags>) -> library::Message {
    let have = message.have.iter().map(|have| library::Have {
        last_sync: theirs(&have.last_sync),
        bloom: library::BloomFilter::try_from(have.bloom.encode().as_slice()).unwrap(),
    });
    library::Message {
        heads: theirs(&message.heads),
        need: theirs(&message.need),
        have: have.collect(),
        changes: message.changes.iter().map(|change| change.to_vec()).collect::<Vec<_>>().into(),
        flags,
        version: library::MessageVersion::V1,
    }
}

fn all_flags() -> library::MessageFlags {
    let mut flags = library::MessageFlags::new();
    flags.set(library::MessageFlags::SYNC_RESET);
    flags.set(library::MessageFlags::SUPPORTS_SYNC_RESET);
    flags
}

proptest! {
    #[test]
    fn the_library_reads_what_we_write(message in message()) {
        let read = library::Message::decode(&message.encode()).unwrap();
        prop_assert_eq!(read, to_library(&message, None));
    }

    #[test]
    fn we_read_what_the_library_writes(message in message(), with_flags: bool) {
        let flags = with_flags.then(all_flags);
        let bytes = to_library(&message, flags).encode();
        prop_assert_eq!(SyncMessage::decode(&bytes), Ok(message.clone()));
        if !with_flags {
            prop_assert_eq!(bytes, message.encode());
        }
    }

    #[test]
    fn filters_are_the_librarys_byte_for_byte(held in vec(hash(), 0..500), others in vec(hash(), 100)) {
        let ours = Bloom::from_hashes(&held);
        let library = library::BloomFilter::from_hashes(theirs(&held).into_iter());
        prop_assert_eq!(ours.encode(), library.to_bytes());
        prop_assert_eq!(Bloom::decode(&library.to_bytes()), Ok(ours.clone()));
        for hash in &held {
            prop_assert!(ours.contains(hash));
        }
        for hash in &others {
            prop_assert_eq!(ours.contains(hash), library.contains_hash(&automerge::ChangeHash(hash.0)));
        }
    }

    #[test]
    fn foreign_filters_answer_as_in_the_library(
        entries in 1u32..50, bits_per_entry in 1u32..=64, probes in 1u32..=32,
        noise in vec(any::<u8>(), 400), asked in vec(hash(), 50),
    ) {
        let size = (entries * bits_per_entry).div_ceil(8) as usize;
        let mut bytes = vec![entries as u8, bits_per_entry as u8, probes as u8];
        // Nearly full, so that both answers occur.
        bytes.extend(noise[..size].iter().map(|byte| byte | 0b1110_1110));
        let ours = Bloom::decode(&bytes).unwrap();
        let library = library::BloomFilter::try_from(bytes.as_slice()).unwrap();
        for hash in &asked {
            prop_assert_eq!(ours.contains(hash), library.contains_hash(&automerge::ChangeHash(hash.0)));
        }
    }

    #[test]
    fn noise_is_refused_or_read_but_never_panics(mut bytes in vec(any::<u8>(), 0..400)) {
        let _ = Bloom::decode(&bytes).map(|bloom| bloom.contains(&ChangeHash([7; 32])));
        let _ = SyncMessage::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 0x42;
        }
        let _ = SyncMessage::decode(&bytes);
    }

    #[test]
    fn damaged_messages_are_refused_or_still_canonical(message in message(), at: prop::sample::Index, byte: u8) {
        let mut bytes = message.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = SyncMessage::decode(&bytes) {
            let again = read.encode();
            // A filter without entries and a flags section are read but not written.
            prop_assert_eq!(SyncMessage::decode(&again), Ok(read));
        }
    }

    #[test]
    fn every_proper_prefix_is_refused(message in message(), at: prop::sample::Index) {
        let bytes = message.encode();
        prop_assert!(SyncMessage::decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn hostile_filter_headers_are_refused() {
    let decode = |bytes: &[u8]| Bloom::decode(bytes);
    assert_eq!(decode(&[1, 0, 7]), Err(BloomError::BitsPerEntry(0)));
    assert_eq!(decode(&[1, 65, 7]), Err(BloomError::BitsPerEntry(65)));
    assert_eq!(decode(&[1, 10, 0, 0, 0]), Err(BloomError::Probes(0)));
    assert_eq!(decode(&[1, 10, 33, 0, 0]), Err(BloomError::Probes(33)));
    assert_eq!(
        decode(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]),
        Err(BloomError::Probes(u32::MAX.into()))
    );
    assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x0f, 10, 7]), Err(BloomError::Entries));
    assert_eq!(decode(&[1, 10, 7, 0]), Err(BloomError::Size { expected: 2, found: 1 }));
    assert_eq!(decode(&[1, 10, 7, 0, 0, 0]), Err(BloomError::Size { expected: 2, found: 3 }));
    assert_eq!(decode(&[1, 10]), Err(BloomError::Malformed));
    assert_eq!(decode(&[0x81, 0x00, 10, 7, 0, 0]), Err(BloomError::Malformed));
    let mut largest = vec![0x80, 0xa4, 0xe8, 0x03, 10, 7];
    let size = BLOOM_ENTRIES_MAX as usize * 10 / 8;
    assert_eq!(decode(&largest), Err(BloomError::Size { expected: size, found: 0 }));
    largest.resize(6 + size, 0);
    assert!(decode(&largest).is_ok());
}

#[test]
fn counts_that_promise_more_than_there_is_are_refused() {
    let refused = |bytes: &[u8]| SyncMessage::decode(bytes).unwrap_err();
    assert_eq!(refused(&[]), SyncMessageError::Kind);
    assert_eq!(refused(&[0x41, 0, 0, 0, 0]), SyncMessageError::Kind);
    assert_eq!(refused(&[0x43, 0, 0, 0, 0]), SyncMessageError::Version2);
    assert_eq!(refused(&[0x42, 1, 0, 0, 0]), SyncMessageError::Truncated("heads"));
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let at = |zeros: usize| [&[0x42][..], &vec![0; zeros], &huge].concat();
    assert_eq!(refused(&at(0)), SyncMessageError::TooMany("heads"));
    assert_eq!(refused(&at(1)), SyncMessageError::TooMany("need"));
    assert_eq!(refused(&at(2)), SyncMessageError::TooMany("have"));
    assert_eq!(refused(&at(3)), SyncMessageError::Truncated("changes"));
    assert_eq!(refused(&at(4)), SyncMessageError::Truncated("flags"));
    assert_eq!(refused(&[0x42, 0, 0, 0, 0, 1, 2, 3]), SyncMessageError::Trailing);
    assert_eq!(refused(&[0x42, 0, 0, 5, 0, 0, 0, 0, 0, 0]), SyncMessageError::TooMany("have"));
    let short = [&[0x42, 0, 0, 0, 1, 9][..], &[0; 20]].concat();
    assert_eq!(refused(&short), SyncMessageError::ShortChange);

    let heads = |count: u8| {
        let count_bytes = [count | 0x80, (HEADS_MAX >> 7) as u8];
        [&[0x42][..], &count_bytes, &vec![0; 32 * (HEADS_MAX + usize::from(count))], &[0, 0, 0]].concat()
    };
    assert_eq!(SyncMessage::decode(&heads(0)).unwrap().heads.len(), HEADS_MAX);
    assert_eq!(refused(&heads(1)), SyncMessageError::TooMany("heads"));
}
