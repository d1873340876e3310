//! A group that has grown is saved as an Automerge document, next to the log and without a command.

use std::collections::BTreeSet;

use automerge::{Automerge, ROOT, ReadDoc};
use peer::node::Node;
use peer::store::Snapshot;
use peer_engine::id::GroupName;

use crate::support::{group, history, message, send, start, until};

async fn snapshot(node: &Node, group: &GroupName) -> Option<Snapshot> {
    let group = group.clone();
    node.read(move |reader| match reader.group(&group)?.and_then(|summary| summary.no) {
        Some(no) => reader.snapshot(no),
        None => Ok(None),
    })
    .await
    .expect("read the snapshot")
}

async fn say(node: &Node, group: &GroupName, numbers: std::ops::Range<u32>) {
    let messages = numbers.map(|number| message(format!("message {number}"))).collect();
    send(node, group, messages).await;
}

/// Asserts that the document holds the same entries as the whole history.
async fn assert_agrees(node: &Node, group: &GroupName, snapshot: &Snapshot) {
    let document = Automerge::load(&snapshot.bytes).expect("an Automerge document");
    let history = history(node, group).await;
    assert_eq!(history.len() as u64, snapshot.entries);

    let genesis = document.get_changes(&[])[0].hash().0;
    let saved: BTreeSet<[u8; 32]> = document.get_changes(&[]).iter().map(|change| change.hash().0).collect();
    let logged = history.iter().map(|entry| entry.id.0).chain([genesis]);
    assert_eq!(saved, logged.collect());

    let (_, messages) = document.get(ROOT, "messages").expect("readable").expect("a list of messages");
    assert_eq!(document.length(&messages), history.len());
    for (index, entry) in history.iter().rev().enumerate().step_by(100) {
        let (_, map) = document.get(&messages, index).expect("readable").expect("an entry");
        let (body, _) = document.get(map, "body").expect("readable").expect("a body");
        assert_eq!(peer_engine::change::Body::Text(body.into_string().expect("a text")), entry.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_grown_is_saved_and_again_when_it_has_doubled() {
    let dir = tempfile::tempdir().expect("a directory");
    let node = start(&dir, "ann", None).await;
    let [large, small] = ["large", "small"].map(group);
    for name in [&large, &small] {
        node.create(name).await.expect("create");
    }
    say(&node, &small, 0..10).await;
    say(&node, &large, 0..1_200).await;
    until(&node, "the group is saved", async |node| snapshot(node, &large).await.is_some()).await;
    let first = snapshot(&node, &large).await.expect("there is one");
    assert_agrees(&node, &large, &first).await;
    assert_eq!(snapshot(&node, &small).await, None, "too small");

    // The snapshot is still there after a restart.
    node.stop().await;
    let node = start(&dir, "ann", None).await;
    assert_eq!(snapshot(&node, &large).await.as_ref(), Some(&first));
    assert_agrees(&node, &large, &first).await;

    say(&node, &large, 1_200..2_500).await;
    let newer = async |node: &Node| snapshot(node, &large).await.is_some_and(|now| now != first);
    until(&node, "the group is saved again", newer).await;
    let second = snapshot(&node, &large).await.expect("there is one");
    assert_agrees(&node, &large, &second).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grew_without_a_server_is_saved_when_one_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = peer::node::DataDir::open(&dir.path().join("data"), None).expect("open the data directory");
    let alone = Node::start(data, peer::node::Options::default()).await.expect("start without network");
    let name = group("notes");
    alone.create(&name).await.expect("create");
    say(&alone, &name, 0..1_000).await;
    alone.stop().await;

    let node = start(&dir, "ann", None).await;
    until(&node, "the group is saved", async |node| snapshot(node, &name).await.is_some()).await;
    assert_agrees(&node, &name, &snapshot(&node, &name).await.expect("there is one")).await;
    node.stop().await;
}
