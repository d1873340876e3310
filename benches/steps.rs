//! How long people wait: each step of a face, through the local API, in a group of many messages and in a
//! thousand groups. The first figure is the median, the second the 99th percentile.
//!
//! `cargo bench --bench steps`: 100,000 messages, or as many as `PEER_BENCH_ENTRIES` says.

mod history;

use std::time::{Duration, Instant};

use peer::api::{Client, HistoryQuery, NewMessage, TextQuery, UsersQuery};
use peer::node::{DataDir, Node, Options};
use peer_engine::id::{ChangeHash, GroupName};

const GROUPS: u64 = 1_000;
const MESSAGES_EACH: u64 = 20;
/// Three of the rounds may be slower than the printed 99th percentile.
const ROUNDS: usize = 300;
const PAGE: usize = 50;

#[tokio::main]
async fn main() {
    let entries = history::sizes().pop().unwrap_or(1_000);
    let home = tempfile::tempdir().expect("a directory");
    let data = home.path().join("data");
    let node = Node::start(DataDir::open(&data, None).expect("a directory"), Options::default());
    let node = node.await.expect("a node");
    let (mesh, peer) = (node.mesh(), node.peer());
    node.stop().await;
    let mut store = history::open(&data, peer);
    history::fill(&mut store, &history::group(mesh, "large"), entries);
    for number in 0..GROUPS {
        history::fill(&mut store, &history::group(mesh, &format!("group-{number}")), MESSAGES_EACH);
    }
    drop(store);

    println!("{entries} messages in one group, {GROUPS} groups of {MESSAGES_EACH}");
    println!("{:<42}{:>10}{:>10}{:>10}", "", "50 %", "99 %", "longest");
    let client = Client::open(&data).await.expect("a client");
    let large: GroupName = "large".parse().expect("a name");
    let places = places(&client, &large).await;
    let place = |round: usize| places[round * 7919 % places.len()];
    let query = || HistoryQuery { limit: Some(PAGE), ..HistoryQuery::default() };
    let words = |text: &str, group: Option<&GroupName>| TextQuery {
        text: text.to_owned(),
        group: group.cloned().map(Into::into),
        limit: None,
        context: Some(2),
    };

    step("newest page", async |_| client.history(&large, &query()).await.map(drop)).await;
    step("page above", async |round| {
        let query = HistoryQuery { before: Some(place(round)), ..query() };
        client.history(&large, &query).await.map(drop)
    })
    .await;
    step("page below", async |round| {
        let query = HistoryQuery { after: Some(place(round)), ..query() };
        client.history(&large, &query).await.map(drop)
    })
    .await;
    step("page around", async |round| {
        let query = HistoryQuery { around: Some(place(round)), ..query() };
        client.history(&large, &query).await.map(drop)
    })
    .await;
    step("late messages", async |_| client.late(&large, 0, PAGE).await.map(drop)).await;
    for (what, word) in [
        ("search: in every message", "everywhere"),
        ("search: in each hundredth", "hundredth"),
        ("search: two common words", "everywhere kernel"),
        ("search: the beginning of a word", "wor"),
        ("search: in none", "nowhere"),
    ] {
        step(what, async |_| client.search(&words(word, Some(&large))).await.map(drop)).await;
    }
    step("search: in all groups", async |_| client.search(&words("kernel", None)).await.map(drop)).await;
    step("one group with its unread count", async |_| client.group(&large).await.map(drop)).await;
    step("all groups with their unread counts", async |_| client.groups(None).await.map(drop)).await;
    step("groups by name", async |_| client.groups(Some("77".to_owned())).await.map(drop)).await;
    step("members of a group", async |_| {
        client.users(&UsersQuery { group: Some(large.clone().into()), search: None }).await.map(drop)
    })
    .await;
    step("status", async |_| client.status().await.map(drop)).await;
    step("read up to here", async |round| {
        client.set_read(&large, entries / 2 + round as u64).await.map(drop)
    })
    .await;
    step("send one message", async |round| {
        let message = NewMessage::text(format!("message {round}"));
        client.send(&large, vec![message], Duration::ZERO).await.map(drop)
    })
    .await;
    client.close().await;
}

/// Entries spread over the whole group.
async fn places(client: &Client, group: &GroupName) -> Vec<ChangeHash> {
    let mut places = Vec::new();
    let mut pages = peer::api::Pages::whole(client, group).await.expect("the group");
    while let Some(page) = pages.next().await.expect("a page") {
        places.extend(page.entries.iter().step_by(100).map(|row| row.id));
    }
    places
}

async fn step<E: std::fmt::Debug>(what: &str, mut act: impl AsyncFnMut(usize) -> Result<(), E>) {
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        act(round).await.expect(what);
        took.push(begun.elapsed());
    }
    took.sort();
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let (half, most, longest) = (took[ROUNDS / 2], took[ROUNDS * 99 / 100 - 1], took[ROUNDS - 1]);
    println!("{what:<42}{:>10}{:>10}{:>10}", ms(half), ms(most), ms(longest));
}
