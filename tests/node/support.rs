//! Peers on loopback, each with a data directory of its own.

use std::time::Duration;

use peer::node::{DataDir, Draft, Node, Options};
use peer::store::{Entry, GroupSummary, Page};
use peer_engine::id::{ChangeHash, GroupName};
use peer_engine::wire::Ticket;
use tempfile::TempDir;

/// Long enough for a slow machine; only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn group(name: &str) -> GroupName {
    name.parse().expect("a group name")
}

pub async fn start(dir: &TempDir, name: &str, join: Option<&Ticket>) -> Node {
    let data = DataDir::open(&dir.path().join("data"), join).expect("open the data directory");
    let options = Options {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        join: join.cloned().into_iter().collect(),
        name: Some(name.to_owned()),
        network: true,
        ..Options::default()
    };
    Node::start(data, options).await.expect("start the peer")
}

pub fn message(body: impl Into<String>) -> Draft {
    Draft { body: body.into(), ..Draft::default() }
}

/// Waits until `done` holds: checks it again whenever something changed at `node`.
pub async fn until<F: AsyncFn(&Node) -> bool>(node: &Node, what: &str, done: F) {
    let mut changed = node.watch();
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            changed.mark_unchanged();
            if done(node).await {
                return;
            }
            changed.changed().await.expect("the peer runs");
        }
    });
    if waited.await.is_err() {
        panic!("not within {PATIENCE:?}: {what}; status: {:#?}", node.status().await);
    }
}

/// The summary of a group that the node knows.
pub async fn summary(node: &Node, name: &GroupName) -> GroupSummary {
    node.group(&name.clone().into()).await.expect("a known group")
}

pub async fn send(node: &Node, name: &GroupName, drafts: Vec<Draft>) -> Vec<ChangeHash> {
    node.send(&summary(node, name).await, drafts).await.expect("send")
}

pub async fn history(node: &Node, group: &GroupName) -> Vec<Entry> {
    let group = group.clone();
    node.read(move |reader| match reader.group(&group)?.and_then(|summary| summary.no) {
        Some(no) => reader.history(no, Page::Newest, usize::MAX >> 1),
        None => Ok(Vec::new()),
    })
    .await
    .expect("read the history")
}

/// Joins a group as soon as the directory names it.
pub async fn join(node: &Node, name: &GroupName) {
    until(node, "the group is known", async |node| {
        let name = name.clone();
        node.read(move |reader| reader.is_announced(&name)).await.expect("read")
    })
    .await;
    node.join(&summary(node, name).await).await.expect("join");
}
