//! Small inputs that claim to be large: run-length bombs, compression, documents, filters, counts and
//! lengths, deep nesting. Each is refused, and none makes a peer allocate more than 16 MiB meanwhile.

use std::io::Write;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ROOT};
use data_encoding::BASE32_NOPAD;
use peer::api::{GroupRef, Name, NewMessages, Topic};
use peer::limits::{API_BODY_BYTES_MAX, SEND_BATCH_MAX};
use peer_engine::change::{DecodeError, Unverified};
use peer_engine::limits::{
    CONTROL_BYTES_MAX, DEFLATE_GROWTH_MAX, FRAME_BYTES_MAX, HEADS_MAX, HELLO_BYTES_MAX, TICKET_CHARS_MAX,
};
use peer_engine::wire::{Frame, FrameError, InflateError, Proof, Ticket};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::door::{Door, Fate, chunk, frame_with, group, identity, mend, write_number};
use crate::measure::Cost;

const BYTES_MAX: u64 = 16 * 1024 * 1024;
const HUGE: [u64; 6] = [1 << 20, u32::MAX as u64, 1 << 32, 1 << 53, i64::MAX as u64, u64::MAX];

/// Passes this message to a peer; panics if it costs too much.
fn hear(cost: &mut Cost, message: &[u8]) -> Fate {
    let mut door = Door::new(&[]);
    cost.of(BYTES_MAX, || door.hear(message))
}

fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write_number(&mut out, value);
    out
}

/// A signed number as run-length columns encode it.
fn signed(value: i64) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), value);
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        if (rest == 0 && byte & 0x40 == 0) || (rest == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// The first entry of the golden group, with these columns instead of its own.
fn change_with(columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut contents = vec![1];
    contents.extend_from_slice(&group().0);
    contents.push(40);
    contents.extend_from_slice(&identity().peer().0);
    contents.extend_from_slice(&[9; 8]);
    contents.extend_from_slice(&[1, 5, 0, 0, 1, 1, 0]);
    contents.extend_from_slice(&number(columns.len() as u64));
    for (specification, data) in columns {
        contents.push(*specification);
        contents.extend_from_slice(&number(data.len() as u64));
    }
    columns.iter().for_each(|(_, data)| contents.extend_from_slice(data));
    contents.extend_from_slice(b"p\x01");
    contents.extend_from_slice(&[0; 64]);
    chunk(&contents)
}

/// The change's own columns, as sync-protocol.md describes them.
fn columns() -> Vec<(u8, Vec<u8>)> {
    vec![
        (0x01, vec![0x7f, 1, 2, 0]),
        (0x02, vec![0x7f, 3, 2, 5]),
        (0x13, vec![0x7f, 0, 0, 2]),
        (0x15, b"\x00\x01\x7e\x02at\x04body".to_vec()),
        (0x34, vec![0, 1, 2]),
        (0x42, vec![0x7f, 0, 2, 1]),
        (0x56, vec![0x7d, 0, 0x69, 0x56]),
        (0x57, b"\xfb\xd0\x95\xff\xbc\x31hello".to_vec()),
        (0x70, vec![3, 0]),
    ]
}

#[test]
fn run_length_bombs_are_no_changes() {
    let mut cost = Cost::default();
    assert_eq!(hear(&mut cost, &frame_with(&change_with(&columns()))), Fate::NotSigned, "as they should be");
    for column in 0..columns().len() {
        for length in HUGE.into_iter().chain([2_000_000_000]) {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            for run in [
                [signed(length), vec![1]].concat(),
                [signed(-length), vec![1]].concat(),
                [vec![0], number(length as u64)].concat(),
                [signed(length), vec![1]].concat().repeat(1000),
            ] {
                for front in [true, false] {
                    let mut columns = columns();
                    let own = std::mem::take(&mut columns[column].1);
                    columns[column].1 =
                        if front { [run.clone(), own].concat() } else { [own, run.clone()].concat() };
                    let fate = hear(&mut cost, &frame_with(&change_with(&columns)));
                    // The value column has no runs: there the bytes are only other values.
                    assert!(fate == Fate::NoChange, "column {column}, run of {length}: {fate:?}");
                }
            }
        }
    }
    eprintln!("run-length bombs: {cost}");
}

#[test]
fn other_chunks_are_refused_before_they_are_opened() {
    let mut document = AutoCommit::new();
    document.put(ROOT, "bomb", "x".repeat(16 << 20)).expect("Automerge takes it");
    let saved = document.save();
    let mut deflated = document.get_changes(&[]).remove(0);
    let deflated = deflated.bytes().into_owned();
    assert!(deflated.len() < 68_000 && saved.len() < 68_000, "{} and {}", deflated.len(), saved.len());
    let mut bundle = deflated.clone();
    bundle[8] = 3;
    mend(&mut bundle);
    let mut cost = Cost::default();
    for (kind, bytes) in [(0, saved), (2, deflated), (3, bundle)] {
        assert_eq!(Unverified::decode(&bytes), Err(DecodeError::ChunkType(kind)));
        assert_eq!(hear(&mut cost, &frame_with(&bytes)), Fate::NoChange);
    }
    // Version 2 of sync messages, which carries documents.
    let mut second = frame_with(b"0123456789");
    second[33] = 0x43;
    assert!(matches!(hear(&mut cost, &second), Fate::NoFrame(FrameError::Sync(_))));
    eprintln!("other chunks: {cost}");
}

fn sync(parts: &[&[u8]]) -> Vec<u8> {
    [&[1][..], &group().0, &[0x42], &parts.concat()].concat()
}

#[test]
fn counts_and_lengths_beyond_the_message_are_refused() {
    let mut cost = Cost::default();
    let refused = |fate| matches!(fate, Fate::NoFrame(_));
    for huge in HUGE {
        let huge = &number(huge)[..];
        for parts in [
            &[huge][..],
            &[&[0], huge],
            &[&[0, 0], huge],
            &[&[0, 0, 1], huge],
            &[&[0, 0, 1, 0], huge],
            &[&[0, 0, 0], huge],
            &[&[0, 0, 0, 1], huge],
            &[&[0, 0, 0, 0], huge],
            // Filters: number of entries, bits per entry, probes.
            &[&[0, 0, 1, 0, huge.len() as u8 + 2], huge, &[10, 7], &[0]],
            &[&[0, 0, 1, 0, huge.len() as u8 + 3], &[1], huge, &[7, 0], &[0]],
            &[&[0, 0, 1, 0, huge.len() as u8 + 3], &[1, 10], huge, &[0], &[0]],
        ] {
            let fate = hear(&mut cost, &sync(parts));
            assert!(refused(fate), "{parts:02x?}: {fate:?}");
        }
    }
    // No bits, no probes, and one bit more or less than the header says.
    for filter in [&[1, 0, 7, 0][..], &[1, 10, 0, 0, 0], &[0, 0, 0], &[1, 10, 7, 0], &[1, 10, 7, 0, 0, 0]] {
        let fate = hear(&mut cost, &sync(&[&[0, 0, 1, 0, filter.len() as u8], filter, &[0]]));
        assert!(refused(fate), "{filter:02x?}: {fate:?}");
    }
    eprintln!("counts and lengths: {cost}");
}

/// In every golden frame, replaces every byte with a huge number.
#[test]
fn no_number_in_a_frame_is_believed() {
    let mut cost = Cost::default();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    for name in ["hello", "peers", "subscribe", "unsubscribe", "ping", "pong", "close", "sync-heads", "sync"]
    {
        let hex = std::fs::read_to_string(golden.join(format!("frame-{name}.hex"))).expect("a golden frame");
        let frame = data_encoding::HEXLOWER.decode(hex.trim_end().as_bytes()).expect("hexadecimal");
        for position in 1..frame.len() {
            for huge in HUGE {
                for huge in [number(huge), huge.to_string().into_bytes()] {
                    let (before, after) = frame.split_at(position);
                    hear(&mut cost, &[before, &huge, &after[1..]].concat());
                }
            }
        }
    }
    eprintln!("numbers in frames: {cost}");
}

#[test]
fn the_largest_messages_stay_within_bounds() {
    let mut cost = Cost::default();
    for (message, fate) in largest() {
        assert_eq!(hear(&mut cost, &message), fate);
        let packed = packed(&message);
        assert!(packed.len() < message.len() / (DEFLATE_GROWTH_MAX - 1), "{}", packed.len());
        assert_eq!(hear(&mut cost, &packed), fate, "compressed");
    }
    assert!(matches!(
        hear(&mut cost, &vec![1; FRAME_BYTES_MAX + 1]),
        Fate::NoFrame(FrameError::TooLarge { .. })
    ));
    eprintln!("largest messages: {cost}");
}

#[test]
fn compressed_frames_grow_no_further_than_they_may() {
    let mut cost = Cost::default();
    let head = [&[2][..], &group().0].concat();
    let zeros = deflated(&vec![0; FRAME_BYTES_MAX]);
    for told in HUGE.into_iter().chain([0, 1, 100_000]) {
        let fate = hear(&mut cost, &[&head[..], &number(told), &zeros].concat());
        assert!(matches!(fate, Fate::NoFrame(FrameError::Inflate(_))), "{told}: {fate:?}");
    }
    // The largest size that the compressed bytes may claim, and more data than that.
    let told = number(((zeros.len() + 3) * DEFLATE_GROWTH_MAX) as u64);
    let fate = hear(&mut cost, &[&head[..], &told, &zeros].concat());
    assert_eq!(fate, Fate::NoFrame(FrameError::Inflate(InflateError::Damaged)));
    eprintln!("compressed frames: {cost}");
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Compresses the message as far as the limit allows: empty blocks lengthen a stream that is too short.
fn packed(message: &[u8]) -> Vec<u8> {
    let message = &message[33..];
    let mut stream = Vec::new();
    let packed = deflated(message);
    while (stream.len() + packed.len()) * DEFLATE_GROWTH_MAX < message.len() {
        stream.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
    }
    [&[2][..], &group().0, &number(message.len() as u64), &stream, &packed].concat()
}

fn largest() -> [(Vec<u8>, Fate); 3] {
    let room = FRAME_BYTES_MAX - 64;
    // As many chunks as fit, each of the minimum length.
    let count = room / 11;
    let chunks = [number(count as u64), [&[10][..], &[0; 10]].concat().repeat(count)].concat();
    let hashes = [number(HEADS_MAX as u64), vec![7; 32 * HEADS_MAX]].concat();
    let everywhere = sync(&[&hashes, &hashes, &[4], &[&hashes[..], &[0]].concat().repeat(4), &[0]]);
    // The largest filter, with all bits set.
    let filter = [number((room * 8 / 10) as u64 - 800), vec![10, 7]].concat();
    let bits = ((room * 8 / 10 - 800) * 10).div_ceil(8);
    let length = number((filter.len() + bits) as u64);
    let claims = sync(&[&[0, 0, 1, 0], &length, &filter, &vec![0xff; bits], &[0]]);
    let chunks = sync(&[&[0, 0, 0], &chunks]);
    [(chunks, Fate::NoChange), (everywhere, Fate::Taken(0)), (claims, Fate::Taken(0))]
}

/// JSON that is deep, wide, or slow to parse, of up to this size.
fn json(size: usize) -> Vec<String> {
    let fill = |before: &str, item: &str, after: &str| {
        let count = (size - before.len() - after.len()) / item.len();
        format!("{before}{}{after}", item.repeat(count))
    };
    let deep = |open: &str, close: &str| {
        let half = size / 2 - 32;
        format!("{}1{}", open.repeat(half / open.len()), close.repeat(half / open.len()))
    };
    vec![
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"type\":\"wave\",\"x\":{}}}", deep("[", "]")),
        fill("", "[", ""),
        fill("{\"type\":\"wave\",\"x\":[", "0,", "0]}"),
        fill("{\"type\":\"wave\",\"x\":[", "[],", "0]}"),
        fill("{\"type\":\"wave\",\"x\":[", "{\"a\":{}},", "0]}"),
        fill("{\"type\":\"wave\",\"x\":\"", "\\u0000", "\"}"),
        fill("{\"type\":\"peers\",\"peers\":[", "{},", "{}]}"),
        fill("{\"type\":\"subscribe\",\"groups\":[", "\"\",", "\"\"]}"),
        fill("{\"type\":\"ping\",\"nonce\":", "9", "}"),
        fill("{\"type\":\"ping\",\"nonce\":1e", "9", "}"),
        fill("{", "\"type\":\"ping\",", "\"nonce\":1}"),
        fill("{\"messages\":[", "{\"body\":\"\"},", "{\"body\":\"\"}]}"),
        fill("{\"messages\":[", "{},", "{}]}"),
        fill("{\"messages\":[{\"body\":\"", "\\n", "\"}]}"),
        fill("{\"name\":\"", "\\u202e", "\"}"),
    ]
}

#[test]
fn json_bombs_in_control_frames_are_refused() {
    let mut cost = Cost::default();
    for json in json(CONTROL_BYTES_MAX) {
        let fate = hear(&mut cost, &[b"\0", json.as_bytes()].concat());
        // A message of an unknown type is ignored, whatever else it contains.
        assert!(matches!(fate, Fate::NoFrame(_) | Fate::Taken(0)), "{json:.60}: {fate:?}");
    }
    for json in json(FRAME_BYTES_MAX) {
        assert!(matches!(hear(&mut cost, &[b"\0", json.as_bytes()].concat()), Fate::NoFrame(_)));
    }
    eprintln!("control frames: {cost}");
}

#[test]
fn only_a_short_hello_is_read_of_a_stranger() {
    let mut cost = Cost::default();
    let proof = Proof([0xab; 32]);
    for json in json(HELLO_BYTES_MAX - 1).into_iter().chain(json(CONTROL_BYTES_MAX)) {
        let hello = [b"\0", json.as_bytes()].concat();
        let read = cost.of(1024 * 1024, || peer::transport::check_hello(&hello, &proof));
        assert!(read.is_err(), "{json:.60}");
    }
    eprintln!("hellos: {cost}");
}

#[test]
fn tickets_promise_nothing() {
    let mut cost = Cost::default();
    let ticket = |fields: &[u8]| {
        let checksum = Sha256::digest(fields);
        format!("peer1{}", BASE32_NOPAD.encode(&[fields, &checksum[..4]].concat()).to_lowercase())
    };
    let head = [&[1][..], &[7; 16 + 32 + 32]].concat();
    let good = ticket(&[&head[..], &[1, 3], b"a:1"].concat());
    assert!(good.parse::<Ticket>().is_ok());
    let mut bad =
        vec!["peer1".repeat(1 << 20), "x".repeat(16 << 20), format!("peer1{}", "a".repeat(16 << 20))];
    bad.push(format!("peer1{}", "a".repeat(TICKET_CHARS_MAX - 5)));
    for huge in HUGE {
        bad.push(ticket(&[&head[..], &number(huge)].concat()));
        bad.push(ticket(&[&head[..], &[1], &number(huge)].concat()));
    }
    for text in bad {
        let error = cost.of(BYTES_MAX, || text.parse::<Ticket>()).expect_err("it is none").to_string();
        assert!(error.len() < 200, "{error:.300}");
    }
    eprintln!("tickets: {cost}");
}

/// What the local API does to parse a body; the body itself is not counted.
#[test]
fn bodies_of_requests_are_bounded() {
    fn read<T: DeserializeOwned>(cost: &mut Cost, json: &str) -> bool {
        cost.of(BYTES_MAX, || serde_json::from_slice::<T>(json.as_bytes()).is_ok())
    }
    let mut cost = Cost::default();
    for json in json(API_BODY_BYTES_MAX) {
        let messages = cost.of(BYTES_MAX, || {
            serde_json::from_slice::<NewMessages>(json.as_bytes()).is_ok_and(|read| {
                read.messages.len() <= SEND_BATCH_MAX
                    && read.messages.iter().all(|message| message.check().is_ok())
            })
        });
        assert!(!messages, "{json:.60}");
        read::<Name>(&mut cost, &json);
        read::<Topic>(&mut cost, &json);
        assert!(!read::<GroupRef>(&mut cost, &json), "{json:.60}");
    }
    eprintln!("bodies of requests: {cost}");
}

#[test]
fn a_frame_says_why_it_is_refused_without_repeating_it() {
    for json in json(CONTROL_BYTES_MAX) {
        if let Err(error) = Frame::decode(&[b"\0", json.as_bytes()].concat()) {
            assert!(error.to_string().len() < 100 && error.to_string().is_ascii());
        }
    }
}
