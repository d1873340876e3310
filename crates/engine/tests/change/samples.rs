//! Changes for the tests: fixed ones, and strategies for arbitrary ones.

use peer_engine::change::{Body, Change, Content, Genesis, Header, Verified};
use peer_engine::id::{ActorId, ChangeHash, GroupId, MeshId};
use peer_engine::identity::Identity;
use peer_engine::limits::{BODY_BYTES_MAX, DEPS_MAX, FROM_BYTES_MAX, MAX_OP_MAX};
use peer_engine::time::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub fn identity() -> Identity {
    Identity::from_seed(&[7; 32])
}

pub fn genesis() -> Genesis {
    Genesis::public(MeshId([0x4d; 16]), "rust".parse().unwrap())
}

pub fn group() -> GroupId {
    genesis().id()
}

pub fn message(text: &str) -> Content {
    Content {
        at: Timestamp::from_millis(1_700_000_000_123).unwrap(),
        kind: None,
        body: Body::Text(text.to_owned()),
        re: None,
        from: None,
    }
}

pub fn header(deps: Vec<ChangeHash>, seq: u64, start_op: u64) -> Header {
    Header { deps, actor: ActorId::new(identity().peer(), [9; 8]), seq, start_op }
}

/// The first entry of the group.
pub fn first() -> Header {
    header(vec![group().genesis()], 1, Genesis::MAX_OP + 1)
}

/// Changes that together use every field, every form of body and every length of number.
pub fn fixed() -> Vec<(&'static str, Verified)> {
    let hash = |byte| ChangeHash([byte; 32]);
    let full = Content {
        at: Timestamp::MAX,
        kind: Some("topic".to_owned()),
        body: Body::Text("Grüße, 世界 🦀".to_owned()),
        re: Some(hash(0xab)),
        from: Some("alice".to_owned()),
    };
    // A sealed body with the length of a reference makes two equal metas in a row.
    let sealed = Content {
        at: Timestamp::MIN,
        body: Body::Sealed((0..32).collect()),
        re: Some(hash(0xcd)),
        ..message("")
    };
    let join = Content { kind: Some("join".to_owned()), ..message("") };
    let sign = |header, content| Change::sign(group(), header, content, &identity()).unwrap();
    vec![
        ("message", sign(first(), message("hello"))),
        ("full", sign(header(vec![hash(1), hash(2), hash(3)], 300, 70_000), full)),
        ("sealed", sign(header(vec![hash(9)], MAX_OP_MAX, MAX_OP_MAX - 3), sealed)),
        ("empty", sign(header(vec![hash(0), hash(0xff)], 2, 128), join)),
    ]
}

pub fn contents() -> impl Strategy<Value = Content> {
    let at = prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        (0..=Timestamp::MAX.millis(), 0..48u32)
            .prop_map(|(millis, shift)| Timestamp::from_millis(millis >> shift).unwrap()),
    ];
    let body = prop_oneof![
        4 => any::<String>().prop_map(Body::Text),
        1 => (1..BODY_BYTES_MAX).prop_map(|len| Body::Text("x".repeat(len))),
        1 => Just(Body::Text("y".repeat(BODY_BYTES_MAX))),
        2 => vec(any::<u8>(), 0..200).prop_map(Body::Sealed),
        1 => vec(any::<u8>(), 32).prop_map(Body::Sealed),
    ];
    // Short names too, so that neighbours often have the same length and share a run.
    let from = prop_oneof!["[a-zé世🦀]{1,30}", "[a-z]{1,4}", "[a-z]{128}"];
    let kind = prop_oneof!["[a-z0-9][a-z0-9.-]{0,31}", "[a-z]{1,4}"];
    (at, body, option::of(from), option::of(kind), option::of(any::<[u8; 32]>()))
        .prop_map(|(at, body, from, kind, re)| Content { at, kind, body, re: re.map(ChangeHash), from })
        .prop_filter("within the limits", |content| {
            content.from.as_ref().is_none_or(|from| from.len() <= FROM_BYTES_MAX) && content.check().is_ok()
        })
}

pub fn headers() -> impl Strategy<Value = Header> {
    let deps = prop_oneof![
        4 => btree_set(any::<[u8; 32]>(), 1..4),
        1 => btree_set(any::<[u8; 32]>(), 1..=DEPS_MAX),
        1 => btree_set(any::<[u8; 32]>(), DEPS_MAX),
    ];
    let start_op = prop_oneof![
        Just(Genesis::MAX_OP + 1),
        MAX_OP_MAX - 40..=MAX_OP_MAX - 5,
        (0..MAX_OP_MAX - 5, 0..32u32).prop_map(|(number, shift)| (number >> shift).max(Genesis::MAX_OP + 1)),
    ];
    let seq = prop_oneof![
        Just(1),
        Just(MAX_OP_MAX),
        (1..=MAX_OP_MAX, 0..32u32).prop_map(|(number, shift)| (number >> shift).max(1)),
    ];
    (deps, any::<[u8; 8]>(), seq, start_op).prop_map(|(deps, random, seq, start_op)| Header {
        deps: deps.into_iter().map(ChangeHash).collect(),
        actor: ActorId::new(identity().peer(), random),
        seq,
        start_op,
    })
}
