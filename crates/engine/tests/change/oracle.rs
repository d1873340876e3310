//! Our encoding gives the same bytes as Automerge's.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Automerge, ExpandedChange, ObjType, ROOT, ReadDoc, ScalarValue};
use peer_engine::change::{Body, Change, Content, Genesis, Unverified, Verified};
use peer_engine::id::{ChangeHash, GroupName, MeshId};
use peer_engine::limits::FORMAT;
use proptest::prelude::*;

use crate::samples::{self, contents, genesis, group, headers, identity, message};

const SIGNATURE_TAG: [u8; 2] = [b'p', 1];

fn op(obj: ObjectId, key: Key, insert: bool, action: OpType) -> Op {
    Op { action, obj, key, pred: SortedVec::new(), insert }
}

fn set(obj: &ObjectId, key: &str, value: impl Into<ScalarValue>) -> Op {
    op(obj.clone(), Key::Map(key.into()), false, OpType::Put(value.into()))
}

fn genesis_actor() -> automerge::ActorId {
    automerge::ActorId::from([Genesis::ACTOR])
}

/// The change as Automerge itself writes it.
fn by_automerge(change: &Change) -> automerge::Change {
    automerge::Change::from(expanded(change))
}

fn expanded(change: &Change) -> ExpandedChange {
    let Change { header, content, signature } = change;
    let actor = automerge::ActorId::from(header.actor.as_bytes());
    let messages = ObjectId::Id(OpId(Genesis::MESSAGES_OP, genesis_actor()));
    let entry = ObjectId::Id(OpId(header.start_op, actor.clone()));
    let mut operations = vec![
        op(messages, Key::Seq(ElementId::Head), true, OpType::Make(ObjType::Map)),
        set(&entry, "at", ScalarValue::Timestamp(content.at.millis())),
        match &content.body {
            Body::Text(text) => set(&entry, "body", text.as_str()),
            Body::Sealed(bytes) => set(&entry, "body", bytes.clone()),
        },
    ];
    operations.extend(content.from.as_ref().map(|from| set(&entry, "from", from.as_str())));
    operations.extend(content.kind.as_ref().map(|kind| set(&entry, "kind", kind.as_str())));
    operations.extend(content.re.as_ref().map(|re| set(&entry, "re", re.as_bytes().to_vec())));
    ExpandedChange {
        operations,
        actor_id: actor,
        hash: None,
        seq: header.seq,
        start_op: NonZeroU64::new(header.start_op).unwrap(),
        time: 0,
        message: None,
        deps: header.deps.iter().map(|dep| automerge::ChangeHash(dep.0)).collect(),
        extra_bytes: [&SIGNATURE_TAG[..], signature].concat(),
        author: None,
    }
}

/// Changes that differ from a valid one in one way each; Automerge can read all of them.
pub fn altered() -> Vec<(&'static str, Vec<u8>)> {
    let content = Content {
        re: Some(ChangeHash([5; 32])),
        from: Some("alice".to_owned()),
        kind: Some("topic".to_owned()),
        ..message("hello")
    };
    let right = Change::sign(group(), samples::first(), content, &identity()).unwrap().change().clone();
    assert_eq!(by_automerge(&right).raw_bytes(), right.encode());
    let alter = |alter: &dyn Fn(&mut ExpandedChange)| {
        let mut expanded = expanded(&right);
        alter(&mut expanded);
        automerge::Change::from(expanded).raw_bytes().to_vec()
    };
    let put = |field: usize, value: ScalarValue| {
        alter(&move |change| change.operations[field].action = OpType::Put(value.clone()))
    };
    let [at, body, from, kind, re] = [1, 2, 3, 4, 5];
    let other = OpId(3, automerge::ActorId::from([1]));
    vec![
        ("a time of the change", alter(&|change| change.time = 1)),
        ("a commit message", alter(&|change| change.message = Some("hi".to_owned()))),
        ("an author footer", alter(&|change| change.extra_bytes = [&[1, 64][..], &right.signature].concat())),
        ("another tag", alter(&|change| change.extra_bytes[1] = 2)),
        ("no footer", alter(&|change| change.extra_bytes.clear())),
        ("a longer footer", alter(&|change| change.extra_bytes.push(0))),
        ("no dependencies", alter(&|change| change.deps.clear())),
        ("a dependency twice", alter(&|change| change.deps.push(change.deps[0]))),
        ("no operations", alter(&|change| change.operations.clear())),
        ("only the map", alter(&|change| change.operations.truncate(1))),
        ("no time", alter(&|change| drop(change.operations.remove(at)))),
        ("no body", alter(&|change| drop(change.operations.remove(body)))),
        ("no map", alter(&|change| drop(change.operations.remove(0)))),
        ("fields in another order", alter(&|change| change.operations.swap(kind, re))),
        ("a field twice", alter(&|change| change.operations.push(change.operations[re].clone()))),
        ("a field of another name", alter(&|change| change.operations[re].key = Key::Map("to".into()))),
        ("a field of another map", alter(&|change| change.operations[re].obj = ObjectId::Id(other.clone()))),
        ("a field of the document", alter(&|change| change.operations[re].obj = ObjectId::Root)),
        ("a field that inserts", alter(&|change| change.operations[re].insert = true)),
        ("a field that deletes", alter(&|change| change.operations[re].action = OpType::Delete)),
        ("a field that counts", alter(&|change| change.operations[re].action = OpType::Increment(1))),
        ("a predecessor", alter(&|change| change.operations[re].pred = vec![other.clone()].into())),
        ("an entry that is a list", {
            alter(&|change| change.operations[0].action = OpType::Make(ObjType::List))
        }),
        ("an entry not inserted", alter(&|change| change.operations[0].insert = false)),
        ("an entry below another", {
            alter(&|change| change.operations[0].key = Key::Seq(ElementId::Id(other.clone())))
        }),
        ("an entry of another list", {
            alter(&|change| change.operations[0].obj = ObjectId::Id(OpId(2, genesis_actor())))
        }),
        ("a short actor", alter(&|change| change.actor_id = automerge::ActorId::from([7; 39]))),
        ("a time before 1970", put(at, ScalarValue::Timestamp(-1))),
        ("a time after 9999", put(at, ScalarValue::Timestamp(253_402_300_800_000))),
        ("the last time there is", put(at, ScalarValue::Timestamp(i64::MAX))),
        ("a time that is a number", put(at, ScalarValue::Int(1_700_000_000_123))),
        ("a body that is a number", put(body, ScalarValue::Uint(7))),
        ("a body that is nothing", put(body, ScalarValue::Null)),
        ("a relayed name in bytes", put(from, ScalarValue::Bytes(b"alice".to_vec()))),
        ("a kind in bytes", put(kind, ScalarValue::Bytes(b"topic".to_vec()))),
        ("a kind in capitals", put(kind, "Topic".into())),
        ("a reference that is a text", put(re, "x".repeat(32).into())),
        ("a short reference", put(re, ScalarValue::Bytes(vec![5; 31]))),
    ]
}

fn genesis_by_automerge(genesis: &Genesis) -> automerge::Change {
    let operations = vec![
        set(&ObjectId::Root, "format", ScalarValue::Uint(FORMAT)),
        set(&ObjectId::Root, "mesh", genesis.mesh.as_bytes().to_vec()),
        op(ObjectId::Root, Key::Map("messages".into()), false, OpType::Make(ObjType::List)),
        set(&ObjectId::Root, "name", genesis.name.as_str()),
    ];
    automerge::Change::from(ExpandedChange {
        operations,
        actor_id: genesis_actor(),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::MIN,
        time: 0,
        message: None,
        deps: vec![],
        extra_bytes: vec![],
        author: None,
    })
}

/// The content that a reader of the document finds in one entry.
fn entry(document: &Automerge, index: usize) -> Content {
    let (_, messages) = document.get(ROOT, "messages").unwrap().unwrap();
    let (value, map) = document.get(messages, index).unwrap().unwrap();
    assert!(value.is_object());
    let field = |name| document.get(&map, name).unwrap().map(|(value, _)| value.into_scalar().unwrap());
    let text = |value| match value {
        ScalarValue::Str(text) => text.to_string(),
        other => panic!("{other:?} is not a text"),
    };
    let names: Vec<String> = document.keys(&map).collect();
    let content = Content {
        at: match field("at") {
            Some(ScalarValue::Timestamp(millis)) => {
                peer_engine::time::Timestamp::from_millis(millis).unwrap()
            }
            other => panic!("{other:?} is not a time"),
        },
        body: match field("body") {
            Some(ScalarValue::Str(text)) => Body::Text(text.to_string()),
            Some(ScalarValue::Bytes(bytes)) => Body::Sealed(bytes),
            other => panic!("{other:?} is not a body"),
        },
        kind: field("kind").map(text),
        from: field("from").map(text),
        re: field("re").map(|value| match value {
            ScalarValue::Bytes(bytes) => ChangeHash::from_slice(&bytes).unwrap(),
            other => panic!("{other:?} is not a reference"),
        }),
    };
    assert_eq!(names.len() as u64 + 1, content.op_count(), "no field besides these: {names:?}");
    content
}

/// A chain of changes, beginning on the genesis.
fn chain(contents: Vec<Content>) -> Vec<Verified> {
    let mut changes: Vec<Verified> = Vec::new();
    for content in contents {
        let header = match changes.last() {
            None => samples::first(),
            Some(last) => samples::header(vec![last.hash()], last.header().seq + 1, last.max_op() + 1),
        };
        changes.push(Change::sign(group(), header, content, &identity()).unwrap());
    }
    changes
}

fn load(changes: &[Verified]) -> Automerge {
    let mut file = genesis().bytes();
    for change in changes {
        file.extend_from_slice(change.bytes());
    }
    Automerge::load(&file).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_change_is_written_as_automerge_writes_it(
        header in headers(),
        content in contents(),
        signature in any::<[u8; 32]>(),
    ) {
        let change = Change { header, content, signature: [signature, signature].concat().try_into().unwrap() };
        let oracle = by_automerge(&change);
        let bytes = change.encode();
        prop_assert_eq!(&bytes, oracle.raw_bytes());
        prop_assert_eq!(change.hash().0, oracle.hash().0);
        prop_assert_eq!(change.header.max_op(&change.content), oracle.max_op());
        prop_assert_eq!(change.content.op_count(), oracle.len() as u64);
        prop_assert!(oracle.author().is_none());

        let read = automerge::Change::from_bytes(bytes.clone()).unwrap();
        prop_assert_eq!(read.hash().0, change.hash().0);
        let rewritten = automerge::Change::from(read.decode());
        prop_assert_eq!(rewritten.raw_bytes(), &bytes[..]);

        let decoded = Unverified::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.hash(), change.hash());
        prop_assert_eq!(decoded.bytes().as_ref(), &bytes[..]);
        prop_assert_eq!(decoded.change(), &change);
    }

    #[test]
    fn a_signed_change_is_read_and_verified(header in headers(), content in contents()) {
        let signed = Change::sign(group(), header.clone(), content.clone(), &identity()).unwrap();
        prop_assert_eq!(signed.header(), &header);
        prop_assert_eq!(signed.content(), &content);
        prop_assert_eq!(signed.author(), identity().peer());
        prop_assert_eq!(signed.hash(), signed.change().hash());
        prop_assert_eq!(signed.bytes().as_ref(), &signed.change().encode()[..]);
        let verified = Unverified::decode(signed.bytes()).unwrap().verify(group()).unwrap();
        prop_assert_eq!(verified, signed);
    }

    #[test]
    fn a_genesis_is_written_as_automerge_writes_it(mesh in any::<[u8; 16]>(), name in "[a-z0-9][a-z0-9_-]{0,31}") {
        let genesis = Genesis::public(MeshId(mesh), name.parse().unwrap());
        let oracle = genesis_by_automerge(&genesis);
        let bytes = genesis.bytes();
        prop_assert_eq!(&bytes, oracle.raw_bytes());
        prop_assert_eq!(genesis.id().0, oracle.hash().0);
        prop_assert_eq!(Genesis::MAX_OP, oracle.max_op());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn automerge_loads_a_chain_and_lists_it_newest_first(contents in proptest::collection::vec(contents(), 1..12)) {
        let changes = chain(contents.clone());
        let document = load(&changes);
        let (_, messages) = document.get(ROOT, "messages").unwrap().unwrap();
        prop_assert_eq!(document.length(&messages), contents.len());
        for (index, content) in contents.iter().rev().enumerate() {
            prop_assert_eq!(&entry(&document, index), content);
        }
        let heads: Vec<_> = document.get_heads().iter().map(|head| head.0).collect();
        prop_assert_eq!(heads, vec![changes.last().unwrap().hash().0]);

        // A saved document returns every change as it was signed.
        let saved = Automerge::load(&document.save()).unwrap();
        for change in &changes {
            let again = saved.get_change_by_hash(&automerge::ChangeHash(change.hash().0)).unwrap();
            prop_assert_eq!(again.raw_bytes(), change.bytes().as_ref());
        }
    }
}

#[test]
fn a_document_says_what_its_genesis_holds() {
    let document = load(&chain(vec![message("one"), message("two")]));
    let scalar = |name| document.get(ROOT, name).unwrap().unwrap().0.into_scalar().unwrap();
    assert_eq!(scalar("format"), ScalarValue::Uint(FORMAT));
    assert_eq!(scalar("mesh"), ScalarValue::Bytes(genesis().mesh.as_bytes().to_vec()));
    assert_eq!(scalar("name"), ScalarValue::Str("rust".into()));
    let keys: Vec<String> = document.keys(ROOT).collect();
    assert_eq!(keys, ["format", "mesh", "messages", "name"]);
}

#[test]
fn two_writers_at_once_and_the_merge_after_them_load() {
    let other = peer_engine::identity::Identity::from_seed(&[8; 32]);
    let first = chain(vec![message("one")]).remove(0);
    let mine = Change::sign(
        group(),
        samples::header(vec![first.hash()], 2, first.max_op() + 1),
        message("mine"),
        &identity(),
    );
    let header = peer_engine::change::Header {
        actor: peer_engine::id::ActorId::new(other.peer(), [1; 8]),
        ..samples::header(vec![first.hash()], 1, first.max_op() + 1)
    };
    let theirs = Change::sign(group(), header, message("theirs"), &other).unwrap();
    let mine = mine.unwrap();
    let mut deps = vec![mine.hash(), theirs.hash()];
    deps.sort_unstable();
    let last =
        Change::sign(group(), samples::header(deps, 3, mine.max_op() + 1), message("last"), &identity());
    let document = load(&[first, mine, theirs, last.unwrap()]);
    assert_eq!(entry(&document, 0), message("last"));
    assert_eq!(entry(&document, 3), message("one"));
    let mut middle = [entry(&document, 1).body, entry(&document, 2).body].map(|body| format!("{body:?}"));
    middle.sort_unstable();
    assert_eq!(middle, [r#"Text("mine")"#, r#"Text("theirs")"#]);
}

#[test]
fn the_directory_has_a_genesis_of_its_own() {
    let directory = Genesis::public(MeshId([0x4d; 16]), GroupName::directory());
    assert_eq!(directory.bytes(), genesis_by_automerge(&directory).raw_bytes());
    assert_ne!(directory.id(), group());
}
