//! The consensus limits: the last valid value and the first invalid one, when writing and when reading.

use peer_engine::change::{
    Body, Change, Content, ContentError, DecodeError, Genesis, Header, HeaderError, Unverified,
};
use peer_engine::id::ChangeHash;
use peer_engine::limits::{
    BODY_BYTES_MAX, CHANGE_BYTES_MAX, DEPS_MAX, FROM_BYTES_MAX, KIND_BYTES_MAX, MAX_OP_MAX,
};
use peer_engine::time::Timestamp;

use crate::samples::{first, group, header, identity, message};

fn body(body: Body) -> Content {
    Content { body, ..message("") }
}

fn kind(kind: &str) -> Content {
    Content { kind: Some(kind.to_owned()), ..message("x") }
}

fn from(from: &str) -> Content {
    Content { from: Some(from.to_owned()), ..message("x") }
}

fn deps(count: usize) -> Vec<ChangeHash> {
    (0..count).map(|number| ChangeHash([number as u8; 32])).collect()
}

#[test]
fn contents_within_the_limits_are_written_and_read() {
    let accepted = [
        message("x"),
        body(Body::Text("é".repeat(BODY_BYTES_MAX / 2))),
        body(Body::Sealed(vec![0xff; BODY_BYTES_MAX])),
        Content { body: Body::Text(String::new()), ..kind("join") },
        Content { body: Body::Sealed(vec![]), ..kind("x") },
        kind(&"k".repeat(KIND_BYTES_MAX)),
        kind("0.a-b.9-"),
        kind("messages"),
        from(&"f".repeat(FROM_BYTES_MAX)),
        from(" \u{202e}\0"),
        Content { at: Timestamp::MAX, ..message("x") },
    ];
    for content in accepted {
        let signed = Change::sign(group(), first(), content.clone(), &identity()).unwrap();
        assert_eq!(Unverified::decode(signed.bytes()).unwrap().change().content, content);
    }
}

#[test]
fn contents_outside_the_limits_are_neither_written_nor_read() {
    let over = BODY_BYTES_MAX + 1;
    let refused = [
        (message(""), ContentError::BodyEmpty),
        (body(Body::Sealed(vec![])), ContentError::BodyEmpty),
        (message(&"x".repeat(over)), ContentError::BodyTooLong { bytes: over }),
        (body(Body::Sealed(vec![0; over])), ContentError::BodyTooLong { bytes: over }),
        (kind(""), ContentError::KindLength { bytes: 0 }),
        (kind(&"k".repeat(KIND_BYTES_MAX + 1)), ContentError::KindLength { bytes: KIND_BYTES_MAX + 1 }),
        (kind("message"), ContentError::KindMessage),
        (kind(".a"), ContentError::KindSyntax),
        (kind("-"), ContentError::KindSyntax),
        (kind("Topic"), ContentError::KindSyntax),
        (kind("to pic"), ContentError::KindSyntax),
        (kind("tópic"), ContentError::KindSyntax),
        (from(""), ContentError::FromLength { bytes: 0 }),
        (from(&"f".repeat(FROM_BYTES_MAX + 1)), ContentError::FromLength { bytes: FROM_BYTES_MAX + 1 }),
    ];
    for (content, error) in refused {
        let refusal = Change::sign(group(), first(), content.clone(), &identity()).unwrap_err();
        assert_eq!(refusal, error.clone().into());
        let change = Change { header: first(), content, signature: [0; 64] };
        assert_eq!(Unverified::decode(&change.encode()), Err(DecodeError::Content(error)));
    }
}

#[test]
fn headers_within_the_limits_are_written_and_read() {
    let accepted = [
        first(),
        header(deps(DEPS_MAX), 1, Genesis::MAX_OP + 1),
        header(deps(1), MAX_OP_MAX, MAX_OP_MAX - 2),
    ];
    for header in accepted {
        let signed = Change::sign(group(), header.clone(), message("x"), &identity()).unwrap();
        let read = Unverified::decode(signed.bytes()).unwrap().verify(group()).unwrap();
        assert_eq!(read.header(), &header);
        assert!(read.max_op() <= MAX_OP_MAX);
    }
}

#[test]
fn headers_outside_the_limits_are_neither_written_nor_read() {
    let [low, high] = [ChangeHash([1; 32]), ChangeHash([2; 32])];
    let with = |deps| header(deps, 1, 5);
    let refused = [
        (with(vec![]), HeaderError::DepsCount { count: 0 }),
        (with(deps(DEPS_MAX + 1)), HeaderError::DepsCount { count: DEPS_MAX + 1 }),
        (with(vec![high, low]), HeaderError::DepsOrder),
        (with(vec![low, low]), HeaderError::DepsOrder),
        (Header { seq: 0, ..first() }, HeaderError::Seq { seq: 0 }),
        (Header { seq: MAX_OP_MAX + 1, ..first() }, HeaderError::Seq { seq: MAX_OP_MAX + 1 }),
        (Header { start_op: 0, ..first() }, HeaderError::StartOp { start_op: 0 }),
        (Header { start_op: 4, ..first() }, HeaderError::StartOp { start_op: 4 }),
        (Header { start_op: MAX_OP_MAX - 1, ..first() }, HeaderError::MaxOp { max_op: MAX_OP_MAX + 1 }),
    ];
    for (header, error) in refused {
        let refusal = Change::sign(group(), header.clone(), message("x"), &identity()).unwrap_err();
        assert_eq!(refusal, error.clone().into());
        let change = Change { header, content: message("x"), signature: [0; 64] };
        assert_eq!(Unverified::decode(&change.encode()), Err(DecodeError::Header(error)));
    }
    let endless = Header { start_op: u64::MAX, ..first() };
    assert_eq!(endless.check(&message("x")), Err(HeaderError::MaxOp { max_op: u64::MAX }));
}

#[test]
fn the_longest_change_fits_its_limit() {
    let content = Content {
        at: Timestamp::MAX,
        kind: Some("k".repeat(KIND_BYTES_MAX)),
        body: Body::Sealed(vec![1; BODY_BYTES_MAX]),
        re: Some(ChangeHash([3; 32])),
        from: Some("f".repeat(FROM_BYTES_MAX)),
    };
    let header = header(deps(DEPS_MAX), MAX_OP_MAX, MAX_OP_MAX - 5);
    let signed = Change::sign(group(), header, content, &identity()).unwrap();
    assert!(signed.bytes().len() <= CHANGE_BYTES_MAX, "{} bytes", signed.bytes().len());
    assert!(Unverified::decode(signed.bytes()).unwrap().verify(group()).is_ok());
}

#[test]
fn a_user_is_told_the_limit() {
    let text = |content: Content| content.check().unwrap_err().to_string();
    assert_eq!(text(message(&"x".repeat(70_000))), "a message is at most 65536 bytes; this one has 70000");
    assert_eq!(text(from("")), "a relayed name is 1 to 128 bytes; this one has 0");
    assert_eq!(text(kind(&"k".repeat(33))), "a kind is 1 to 32 bytes; this one has 33");
}
