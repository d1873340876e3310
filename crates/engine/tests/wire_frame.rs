//! Frames: golden bytes, limits, and random bytes.

use std::path::Path;

use data_encoding::HEXLOWER;
use peer_engine::id::{ChangeHash, GroupId, PeerId};
use peer_engine::limits::{
    ADDRESS_BYTES_MAX, ADDRESSES_MAX, CONTROL_BYTES_MAX, FRAME_BYTES_MAX, GROUPS_MAX, PEERS_MAX,
    PREVIEW_BYTES_MAX, PREVIEW_ENTRIES,
};
use peer_engine::wire::{Bloom, CloseCode, Control, Frame, FrameError, Have, PeerRecord, Proof, SyncMessage};
use proptest::collection::vec;
use proptest::prelude::*;

fn control(json: &str) -> Result<Frame, FrameError> {
    Frame::decode(&[b"\0", json.as_bytes()].concat())
}

fn hello(listen: Vec<String>, deflate: bool) -> Control {
    Control::Hello { version: 1, proof: Proof([0xab; 32]), listen, deflate }
}

fn samples() -> Vec<(&'static str, Frame)> {
    let addresses = vec!["192.0.2.7:4040".to_owned(), "[2001:db8::7]:4040".to_owned()];
    let groups = vec![GroupId([0x11; 32]), GroupId([0x22; 32])];
    let held = [ChangeHash([0x33; 32]), ChangeHash([0x44; 32])];
    let message = SyncMessage {
        heads: vec![held[1]],
        need: vec![ChangeHash([0x55; 32])],
        have: vec![Have { last_sync: vec![held[0]], bloom: Bloom::from_hashes(held) }],
        changes: vec![b"not looked at"[..].into(), vec![0xee; 130].into()],
    };
    let heads_only = SyncMessage { heads: held.to_vec(), ..SyncMessage::default() };
    let controls = [
        ("hello", hello(addresses.clone(), false)),
        ("hello-deflate", hello(addresses.clone(), true)),
        ("peers", Control::Peers { peers: vec![PeerRecord { key: PeerId([0xcd; 32]), addresses }] }),
        ("subscribe", Control::Subscribe { groups: groups.clone() }),
        ("unsubscribe", Control::Unsubscribe { groups }),
        ("newest", Control::Preview { group: GroupId([0x66; 32]) }),
        ("ping", Control::Ping { nonce: u64::MAX, digest: Some(u64::MAX) }),
        ("pong", Control::Pong { nonce: 1, wall_ms: 253_402_300_799_999, digest: None }),
        ("close", Control::close(CloseCode::Duplicate)),
    ];
    let syncs = [("sync", message), ("sync-heads", heads_only)]
        .map(|(name, message)| (name, Frame::Sync { group: GroupId([0x66; 32]), message }));
    let ahead = ahead(vec![b"not looked at".to_vec(), vec![0xee; 130]]);
    let controls = controls.map(|(name, control)| (name, Frame::Control(control))).into_iter();
    controls.chain(syncs).chain([("ahead", ahead)]).collect()
}

fn ahead(changes: Vec<Vec<u8>>) -> Frame {
    Frame::Preview { group: GroupId([0x66; 32]), changes: changes.into_iter().map(Into::into).collect() }
}

fn long() -> Frame {
    let change =
        |number: u32| format!("change {} looks like the others", number * number).into_bytes().into();
    let message = SyncMessage { changes: (0..100).map(change).collect(), ..SyncMessage::default() };
    Frame::Sync { group: GroupId([0x66; 32]), message }
}

/// Only reading is tested: another version of the compressor may write other bytes.
#[test]
fn golden_compressed_frames_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/frame-sync-deflated.hex");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let packed = Frame::deflate(&long().encode()).expect("it gets smaller");
        std::fs::write(&path, format!("{}\n", HEXLOWER.encode(&packed))).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let bytes = HEXLOWER.decode(golden.trim_end().as_bytes()).unwrap();
    assert_eq!(bytes[0], 2);
    assert_eq!(Frame::decode(&bytes), Ok(long()));
}

#[test]
fn a_long_sync_frame_means_the_same_when_it_is_compressed() {
    let frame = long();
    let encoded = frame.encode();
    let packed = Frame::deflate(&encoded).expect("it gets smaller");
    assert!(packed.len() < encoded.len() / 3, "{} of {}", packed.len(), encoded.len());
    assert_eq!(Frame::decode(&packed), Ok(frame));
    assert_eq!(Frame::decoded_bytes(&packed), encoded.len());
    assert_eq!(Frame::decoded_bytes(&encoded), encoded.len());
    assert_eq!(Frame::deflate(&packed), None, "once is enough");
    for cut in 0..packed.len() {
        assert!(Frame::decode(&packed[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn short_frames_and_control_frames_are_not_compressed() {
    for (name, frame) in samples() {
        assert_eq!(Frame::deflate(&frame.encode()), None, "{name}");
    }
    let peers = Control::Subscribe { groups: vec![GroupId([0x11; 32]); 500] };
    assert_eq!(Frame::deflate(&Frame::Control(peers).encode()), None);
}

#[test]
fn a_compressed_frame_that_claims_too_much_is_too_large() {
    let mut bomb = vec![2; 33];
    bomb.extend_from_slice(&[0x81, 0x80, 0x40]);
    bomb.extend_from_slice(&[0; 100]);
    let error = Frame::decode(&bomb).unwrap_err();
    assert_eq!(error.close_code(), CloseCode::TooLarge, "{error}");
}

/// With `WRITE_GOLDEN` set, first writes the files again: for a new version of the protocol.
#[test]
fn frames_have_the_golden_bytes() {
    for (name, frame) in samples() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/golden/frame-{name}.hex"));
        let hex = HEXLOWER.encode(&frame.encode());
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{hex}\n")).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert_eq!(hex, golden.trim_end(), "{name}");
        let bytes = HEXLOWER.decode(golden.trim_end().as_bytes()).unwrap();
        assert_eq!(Frame::decode(&bytes), Ok(frame), "{name}");
    }
}

#[test]
fn unknown_types_and_fields_of_later_versions_are_let_through() {
    assert_eq!(control(r#"{"type":"wave","hand":[1,{"left":true}]}"#), Ok(Frame::Control(Control::Unknown)));
    assert_eq!(
        control(r#"{"type":"ping","nonce":7,"mood":"fine"}"#),
        Ok(Frame::Control(Control::Ping { nonce: 7, digest: None }))
    );
}

#[test]
fn malformed_frames_are_refused_without_repeating_their_text() {
    assert_eq!(Frame::decode(&[]), Err(FrameError::Empty));
    assert_eq!(Frame::decode(&[4, 0]), Err(FrameError::Kind(4)));
    assert_eq!(Frame::decode(&[2; 32]), Err(FrameError::Group));
    assert_eq!(Frame::decode(&[1; 32]), Err(FrameError::Group));
    let nested = format!(r#"{{"type":"wave","x":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    for json in [
        "",
        "{}",
        "[]",
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","nonce":-1}"#,
        r#"{"type":"ping","nonce":1}{}"#,
        r#"{"type":"peers","peers":[{"key":"\u001b[2J","addresses":[]}]}"#,
        r#"{"type":"hello","version":1,"proof":"abcd","listen":[]}"#,
        r#"{"type":"close","code":70000,"reason":""}"#,
        &nested,
    ] {
        let error = control(json).unwrap_err();
        assert_eq!(error, FrameError::Json, "{json:.80}");
        assert!(error.to_string().is_ascii());
    }
}

#[test]
fn lists_and_texts_are_bounded() {
    let refused = |control: Control| Frame::decode(&Frame::Control(control).encode()).unwrap_err();
    let hello = |listen| hello(listen, true);
    let address = || "host:1".to_owned();
    assert_eq!(refused(hello(vec![address(); ADDRESSES_MAX + 1])), FrameError::TooMany("addresses"));
    assert_eq!(refused(hello(vec!["a\u{202e}b:1".to_owned()])), FrameError::Invalid("address"));
    assert_eq!(refused(hello(vec!["\u{1b}]52;c;:1".to_owned()])), FrameError::Invalid("address"));
    let peers = |count| Control::Peers {
        peers: vec![PeerRecord { key: PeerId([0; 32]), addresses: vec![address()] }; count],
    };
    assert_eq!(refused(peers(29)), FrameError::TooMany("peers"));
    assert_eq!(
        refused(Control::Subscribe { groups: vec![GroupId([0; 32]); 901] }),
        FrameError::TooMany("groups")
    );
    let close = |reason: String| Control::Close { code: 4000, reason };
    assert_eq!(refused(close("a".repeat(124))), FrameError::Invalid("reason"));
    assert_eq!(refused(close("\u{7}".to_owned())), FrameError::Invalid("reason"));

    let too_large = vec![0; CONTROL_BYTES_MAX + 1];
    assert_eq!(
        Frame::decode(&too_large),
        Err(FrameError::TooLarge { bytes: CONTROL_BYTES_MAX + 1, max: CONTROL_BYTES_MAX })
    );
    let too_large = vec![1; FRAME_BYTES_MAX + 1];
    assert_eq!(
        Frame::decode(&too_large),
        Err(FrameError::TooLarge { bytes: FRAME_BYTES_MAX + 1, max: FRAME_BYTES_MAX })
    );
}

#[test]
fn so_many_entries_are_taken_ahead_and_so_many_bytes() {
    let read = |frame: Frame| Frame::decode(&frame.encode());
    for most in
        [ahead(Vec::new()), ahead(vec![vec![7; PREVIEW_BYTES_MAX / PREVIEW_ENTRIES]; PREVIEW_ENTRIES])]
    {
        assert_eq!(read(most.clone()), Ok(most));
    }
    let error = read(ahead(vec![vec![7; 10]; PREVIEW_ENTRIES + 1])).unwrap_err();
    assert_eq!((error, error.close_code()), (FrameError::TooMany("changes"), CloseCode::TooLarge));
    let (bytes, max) = (PREVIEW_BYTES_MAX + 1, PREVIEW_BYTES_MAX);
    let error = read(ahead(vec![vec![7; bytes - 10], vec![7; 10]])).unwrap_err();
    assert_eq!((error, error.close_code()), (FrameError::TooLarge { bytes, max }, CloseCode::TooLarge));
}

#[test]
fn entries_that_come_ahead_are_all_that_their_frame_holds() {
    for message in [
        SyncMessage { heads: vec![ChangeHash([1; 32])], ..SyncMessage::default() },
        SyncMessage { need: vec![ChangeHash([1; 32])], ..SyncMessage::default() },
        SyncMessage { have: vec![Have::default()], ..SyncMessage::default() },
    ] {
        let mut bytes = Frame::Sync { group: GroupId([0x66; 32]), message }.encode();
        bytes[0] = 3;
        let error = Frame::decode(&bytes).unwrap_err();
        assert_eq!((error, error.close_code()), (FrameError::Preview, CloseCode::Protocol));
    }
    assert_eq!(Frame::decode(&[3; 32]), Err(FrameError::Group));
}

#[test]
fn the_longest_lists_are_told_in_frames_that_fit() {
    let address = format!("{}:65535", "a".repeat(ADDRESS_BYTES_MAX - 6));
    let record = PeerRecord { key: PeerId([0xff; 32]), addresses: vec![address; ADDRESSES_MAX] };
    let peers = vec![record; PEERS_MAX];
    let groups: Vec<_> = (0..GROUPS_MAX).map(|n| GroupId([n as u8; 32])).collect();

    let mut told = Vec::new();
    for control in Control::peers(&peers) {
        match Frame::decode(&Frame::Control(control).encode()) {
            Ok(Frame::Control(Control::Peers { peers })) => told.extend(peers),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, peers);

    let mut told = Vec::new();
    for control in Control::subscribe(&groups) {
        match Frame::decode(&Frame::Control(control).encode()) {
            Ok(Frame::Control(Control::Subscribe { groups })) => told.extend(groups),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, groups);
    for control in Control::unsubscribe(&groups) {
        assert!(Frame::decode(&Frame::Control(control).encode()).is_ok());
    }
    assert!(Control::peers(&[]).is_empty());
}

proptest! {
    #[test]
    fn noise_is_refused_or_read_but_never_panics(mut bytes in vec(any::<u8>(), 0..200), kind in 0u8..5) {
        let _ = Frame::decode(&bytes);
        bytes.insert(0, kind);
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn damaged_frames_never_panic(sample in 0usize..13, at: prop::sample::Index, byte: u8, cut: bool) {
        let packed = Frame::deflate(&long().encode()).expect("it gets smaller");
        let mut bytes = samples().get(sample).map_or(packed, |(_, frame)| frame.encode());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }
}
