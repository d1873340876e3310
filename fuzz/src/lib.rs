//! What the fuzz targets do with their input: one function each. The library is `src/lib.rs` of this package and a
//! module of `tests/fuzz_seeds.rs`, which replays the seeds without a fuzzer.

#[path = "../../tests/hostile/door.rs"]
mod door;

use data_encoding::BASE32_NOPAD;
use peer::api::{GroupRef, HistoryQuery, Name, NewMessages, TextQuery, Topic};
use peer::limits::SEND_BATCH_MAX;
use peer_engine::change::{Body, Change, Content, Unverified};
use peer_engine::id::ActorId;
use peer_engine::time::Timestamp;
use peer_engine::wire::{Frame, Proof, SyncMessage, Ticket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use door::{Door, Fate, chunk, frame_with, genesis, group, identity};

/// One WebSocket message of a member: what is read is written, compressed or not, and read again as the same, and is
/// taken as far as an engine takes it.
pub fn frame(message: &[u8]) {
    if let Ok(frame) = Frame::decode(message) {
        let encoded = frame.encode();
        if let Some(packed) = Frame::deflate(&encoded) {
            assert_eq!(Frame::decode(&packed).as_ref(), Ok(&frame));
        }
        assert_eq!(Frame::decode(&encoded), Ok(frame));
        let fate = Door::new(&[]).hear(message);
        assert!(!matches!(fate, Fate::NoFrame(_)));
    }
}

/// The first message of a stranger.
pub fn hello(message: &[u8]) {
    if let Ok(told) = peer::transport::check_hello(message, &Proof([0xab; 32])) {
        assert!(told.listen.iter().all(|address| peer_engine::wire::address::check(address).is_ok()));
    }
}

/// A sync message without its frame. What is read, the Automerge library reads as well.
pub fn sync_message(bytes: &[u8]) {
    if let Ok(message) = SyncMessage::decode(bytes) {
        let encoded = message.encode();
        let library = automerge::sync::Message::decode(&encoded).expect("Automerge reads what we read");
        let ours = |hash: &automerge::ChangeHash| hash.0;
        assert!(library.heads.iter().map(ours).eq(message.heads.iter().map(|hash| hash.0)));
        assert_eq!(SyncMessage::decode(&encoded), Ok(message));
    }
}

/// A change as it is, and with its checksum mended. What is read, Automerge reads as the same change, and writes as the
/// same bytes. Signed by its author it is taken only if Automerge can load it.
pub fn change(bytes: &[u8]) {
    judge(bytes);
    let contents = bytes.get(9..).map(|rest| {
        let length = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        rest.get(length..).unwrap_or_default()
    });
    let mended = chunk(contents.unwrap_or(bytes));
    let Some(read) = judge(&mended) else { return };
    let Change { mut header, content, .. } = read.change().clone();
    header.actor = ActorId::new(identity().peer(), [9; 8]);
    let signed = Change::sign(group(), header, content, &identity()).expect("what was read can be written");
    if let Fate::Taken(1..) = Door::new(&[]).hear(&frame_with(signed.bytes())) {
        let document = [&genesis().bytes()[..], signed.bytes()].concat();
        let document = automerge::Automerge::load(&document).expect("Automerge loads what is taken");
        automerge::Automerge::load(&document.save()).expect("Automerge loads what it saves");
    }
}

fn judge(bytes: &[u8]) -> Option<Unverified> {
    let read = Unverified::decode(bytes).ok()?;
    assert_eq!(read.change().encode(), bytes);
    let automerge = automerge::Change::from_bytes(bytes.to_vec()).expect("Automerge reads what we read");
    assert_eq!(automerge.hash().0, read.hash().0);
    assert_eq!(automerge::Change::from(automerge.decode()).raw_bytes(), bytes);
    Some(read)
}

/// A ticket as text, and as its fields with the checksum mended. An error never repeats it.
pub fn ticket(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let checksum = Sha256::digest(bytes);
    let mended = format!("peer1{}", BASE32_NOPAD.encode(&[bytes, &checksum[..4]].concat()));
    for text in [text, &mended] {
        match text.parse::<Ticket>() {
            Ok(ticket) => {
                assert!(
                    ticket.addresses.iter().all(|address| peer_engine::wire::address::check(address).is_ok())
                );
                assert_eq!(ticket.to_string().parse(), Ok(ticket));
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.is_ascii() && error.len() < 200, "{error}");
            }
        }
    }
}

/// The body of a request to the local API, or the query of one. Messages that pass the check of the API pass the gate of
/// every peer.
pub fn api_body(body: &[u8]) {
    again::<Name>(body);
    again::<Topic>(body);
    again::<GroupRef>(body);
    let _ = serde_urlencoded::from_bytes::<HistoryQuery>(body);
    let _ = serde_urlencoded::from_bytes::<TextQuery>(body);
    let Some(request) = again::<NewMessages>(body) else { return };
    assert!(request.messages.len() <= SEND_BATCH_MAX);
    for message in request.messages {
        if message.check().is_ok() {
            let content = Content {
                at: message.at.unwrap_or(Timestamp::MIN),
                kind: None,
                body: Body::Text(message.body),
                re: message.re,
                from: message.from,
            };
            let header = peer_engine::change::Header {
                deps: vec![group().genesis()],
                actor: ActorId::new(identity().peer(), [9; 8]),
                seq: 1,
                start_op: 5,
            };
            let signed = Change::sign(group(), header, content.clone(), &identity()).expect("it was checked");
            let read = Unverified::decode(signed.bytes()).expect("what is written can be read");
            assert_eq!(read.change().content, content);
        }
    }
}

/// What is read of JSON is written and read again as the same.
fn again<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(json: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&read).expect("it can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("what is written can be read"), read);
    Some(read)
}
