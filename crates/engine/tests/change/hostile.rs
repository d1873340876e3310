//! Only the bytes that an author signed for a group are accepted as a change of that group. For single
//! altered bytes see `tests/hostile/mutants.rs`.

use peer_engine::change::{Body, Change, Content, DecodeError, Genesis, Unverified, Verified};
use peer_engine::id::{ActorId, GroupId, MeshId, PeerId};
use peer_engine::limits::CHANGE_BYTES_MAX;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::oracle::altered;
use crate::samples::{self, contents, first, fixed, group, headers, identity, message};

const CONTENTS_AT: usize = 11;

/// Corrects the chunk's checksum, so that a mutant passes that check.
fn mend(bytes: &mut [u8]) {
    let hash = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
}

/// A chunk with a valid header around these contents.
fn wrap(contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    let mut len = contents.len();
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(contents);
    mend(&mut bytes);
    bytes
}

/// The contents of a fixed change, all of which have a length of two bytes.
fn unwrap(change: &Verified) -> &[u8] {
    let contents = &change.bytes()[CONTENTS_AT..];
    assert_eq!(wrap(contents), change.bytes().as_ref());
    contents
}

/// Whether the bytes are refused. If they can be decoded, asserts that Automerge reads the same change.
fn refused(bytes: &[u8]) -> bool {
    match Unverified::decode(bytes) {
        Err(_) => true,
        Ok(read) => {
            let automerge =
                automerge::Change::from_bytes(bytes.to_vec()).expect("Automerge reads what we read");
            assert_eq!(automerge.hash().0, read.hash().0);
            assert_eq!(automerge::Change::from(automerge.decode()).raw_bytes(), bytes);
            read.verify(group()).is_err()
        }
    }
}

#[test]
fn cut_lengthened_and_doubled_changes_are_refused() {
    for (name, change) in fixed() {
        let bytes = change.bytes();
        for len in 0..bytes.len() {
            assert!(Unverified::decode(&bytes[..len]).is_err(), "{name}: the first {len} bytes");
        }
        assert_eq!(Unverified::decode(&[bytes, &[0][..]].concat()), Err(DecodeError::Malformed("end")));
        assert_eq!(Unverified::decode(&[&bytes[..], bytes].concat()), Err(DecodeError::Malformed("end")));
        let contents = unwrap(&change);
        for position in 0..=contents.len() {
            let (before, after) = contents.split_at(position);
            for inserted in [0, 1, 0x7f, 0x80, 0xff] {
                assert!(
                    refused(&wrap(&[before, &[inserted], after].concat())),
                    "{name}: {inserted} at {position}"
                );
            }
            if let [_, rest @ ..] = after {
                assert!(refused(&wrap(&[before, rest].concat())), "{name}: without byte {position}");
            }
        }
        for len in 0..contents.len() {
            assert!(refused(&wrap(&contents[..len])), "{name}: contents of {len} bytes");
        }
    }
}

#[test]
fn a_number_in_a_longer_form_is_refused() {
    let change = Change::sign(group(), first(), message("hello"), &identity()).unwrap();
    let contents = unwrap(&change);
    let seq_at = 1 + 32 + 1 + 40;
    assert_eq!(contents[seq_at], 1);
    let longer = [&contents[..seq_at], &[0x81, 0], &contents[seq_at + 1..]].concat();
    assert_eq!(Unverified::decode(&wrap(&longer)), Err(DecodeError::NotCanonical));
    let mut header = change.bytes()[..CONTENTS_AT].to_vec();
    *header.last_mut().unwrap() |= 0x80;
    let mut longer = [&header, &[0][..], contents].concat();
    mend(&mut longer);
    assert_eq!(Unverified::decode(&longer), Err(DecodeError::NotCanonical));
}

#[test]
fn huge_lengths_are_refused_before_anything_is_allocated() {
    let change = Change::sign(group(), first(), message("hello"), &identity()).unwrap();
    let contents = unwrap(&change);
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for position in 0..contents.len() {
        for number in [&huge[..], &huge[4..], &[0xff; 12], &[0xff, 0xff, 0xff, 0xff, 0x7f]] {
            let swollen = [&contents[..position], number, &contents[position + 1..]].concat();
            assert!(refused(&wrap(&swollen)), "{} bytes of number at {position}", number.len());
        }
    }
    let oversized = vec![0; CHANGE_BYTES_MAX + 1];
    let error = Unverified::decode(&oversized).unwrap_err();
    assert_eq!(error, DecodeError::TooLong { bytes: CHANGE_BYTES_MAX + 1 });
}

#[test]
fn a_change_counts_for_one_group_only() {
    let elsewhere = Genesis::public(MeshId([0x4e; 16]), "rust".parse().unwrap()).id();
    for (name, change) in fixed() {
        let read = || Unverified::decode(change.bytes()).unwrap();
        assert!(read().verify(group()).is_ok(), "{name}");
        assert!(read().verify(elsewhere).is_err(), "{name}");
        assert!(read().verify(GroupId([0; 32])).is_err(), "{name}");
    }
}

#[test]
fn a_signature_does_not_pass_from_one_change_to_another() {
    let changes = fixed();
    for (name, change) in &changes {
        for (other_name, other) in changes.iter().filter(|(other, _)| other != name) {
            let forged = Change { signature: other.change().signature, ..change.change().clone() };
            let read = Unverified::decode(&forged.encode()).unwrap();
            assert!(read.verify(group()).is_err(), "{name} with the signature of {other_name}");
        }
    }
}

#[test]
fn nobody_else_signs_for_an_author() {
    let mallory = peer_engine::identity::Identity::from_seed(&[66; 32]);
    let refused = Change::sign(group(), first(), message("hello"), &mallory);
    assert_eq!(refused.unwrap_err(), peer_engine::change::SignError::NotTheAuthor);
    let mut header = first();
    header.actor = ActorId::new(mallory.peer(), [9; 8]);
    let by_mallory = Change::sign(group(), header, message("hello"), &mallory).unwrap();
    let forged = Change { header: first(), ..by_mallory.change().clone() };
    assert!(Unverified::decode(&forged.encode()).unwrap().verify(group()).is_err());
}

#[test]
fn keys_and_signatures_that_lax_verifiers_take_are_refused() {
    // The neutral element as key and as R, with S = 0, satisfies the plain equation for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let mut header = first();
    header.actor = ActorId::new(PeerId(neutral), [9; 8]);
    let forged = Change { header, content: message("hello"), signature };
    assert!(Unverified::decode(&forged.encode()).unwrap().verify(group()).is_err());

    // S plus the group order is the same number modulo the order: a second signature without the key.
    let order = data_encoding::HEXLOWER
        .decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .unwrap();
    let mut change = Change::sign(group(), first(), message("hello"), &identity()).unwrap().change().clone();
    let mut carry = 0;
    for (byte, add) in change.signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(Unverified::decode(&change.encode()).unwrap().verify(group()).is_err());
}

#[test]
fn other_chunks_are_refused() {
    let long = Content { body: Body::Text("long ".repeat(100)), ..message("") };
    let change = Change::sign(group(), first(), long, &identity()).unwrap();
    let mut automerge = automerge::Change::from_bytes(change.bytes().to_vec()).unwrap();
    let compressed = automerge.bytes().into_owned();
    assert!(compressed.len() < change.bytes().len());
    assert_eq!(Unverified::decode(&compressed), Err(DecodeError::ChunkType(2)));

    let genesis = samples::genesis().bytes();
    assert!(Unverified::decode(&genesis).is_err());
    let document = automerge::Automerge::load(&[&genesis, &change.bytes()[..]].concat()).unwrap();
    assert_eq!(Unverified::decode(&document.save()), Err(DecodeError::ChunkType(0)));
    assert_eq!(Unverified::decode(&[]), Err(DecodeError::NotAChunk));
}

#[test]
fn changes_that_automerge_can_write_and_we_never_do_are_refused() {
    for (what, bytes) in altered() {
        automerge::Change::from_bytes(bytes.clone()).expect(what);
        assert!(Unverified::decode(&bytes).is_err(), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Unverified::decode(&bytes).is_err());
        prop_assert!(Unverified::decode(&wrap(&bytes)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn damaged_changes_are_refused(
        header in headers(),
        content in contents(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let change = Change::sign(group(), header, content, &identity()).unwrap();
        let mut contents = {
            let bytes = change.bytes();
            let length = bytes[9..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
            bytes[9 + length..].to_vec()
        };
        let whole = contents.clone();
        for (position, flip) in damage {
            // Mostly at the two ends, where the structure is, and not in the middle of a long body.
            let reach = contents.len().min(600);
            let position = position.index(reach);
            let position = if flip % 2 == 0 { position } else { contents.len() - 1 - position };
            contents[position] ^= flip;
        }
        prop_assume!(contents != whole);
        prop_assert!(refused(&wrap(&contents)));
        contents.truncate(cut.index(contents.len()));
        prop_assert!(refused(&wrap(&contents)));
    }
}
