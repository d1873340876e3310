//! The examples run: two nodes talk to each other, and the bot answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use peer::api::{
    Client, Event, Events, EventsQuery, HistoryQuery, NewMessage, Row, ServeOptions, Server, What,
};
use peer_engine::id::{ChangeHash, GroupName};
use tokio::time::timeout;

#[path = "../examples/bot.rs"]
#[expect(dead_code, reason = "its main is the test")]
mod bot;
#[path = "../examples/node.rs"]
#[expect(dead_code, reason = "its main is the test")]
mod node;

/// Long enough for a slow machine; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_talk() {
    let [ann_home, bob_home] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let rust: GroupName = "rust".parse().unwrap();
    let ann = node::start(&ann_home.path().join("data"), None).await.unwrap();
    let place = ann.read(|reader| reader.feed_end()).await.unwrap();
    node::say(&ann, &rust, "hello from ann").await.unwrap();
    let bob = node::start(&bob_home.path().join("data"), Some(ann.ticket())).await.unwrap();
    bob.set_name("bob").await.unwrap();
    node::say(&bob, &rust, "hello from\tbob").await.unwrap();

    let mut lines = Vec::new();
    let following = node::follow(&ann, place, |entry| {
        lines.push(node::line(&entry));
        match lines.last() {
            // The tab has become harmless.
            Some(line) if line.ends_with(": hello from    bob") => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    timeout(PATIENCE, following).await.expect("bob's message arrives").unwrap();
    let heard = |end: &str| lines.iter().any(|line| line.ends_with(end));
    assert!(heard(": joined") && heard(": hello from ann"), "{lines:#?}");
    bob.stop().await;
    ann.stop().await;
}

async fn serve(data: &Path) -> Server {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = ServeOptions { listen: vec![here], api: Some(here), ..ServeOptions::default() };
    Server::start(data, options).await.unwrap()
}

async fn ask(client: &Client, group: &GroupName) -> ChangeHash {
    let ping = vec![NewMessage::text("!ping")];
    client.send(group, ping, Duration::ZERO).await.unwrap().remove(0).id
}

/// The next reply to `ping`.
async fn reply(events: &mut Events, ping: ChangeHash) -> Row {
    let answered = async {
        loop {
            match events.next().await.unwrap() {
                Some(Event { what: What::Entry { row }, .. }) if row.re == Some(ping) => return *row,
                event => assert!(event.is_some(), "the peer runs"),
            }
        }
    };
    timeout(PATIENCE, answered).await.expect("the bot answers")
}

/// Asks on a running peer, has a bot answer that goes on from the cursor, and stops both.
async fn ask_a_bot(data: &Path, group: &GroupName, cursor: &str) -> ChangeHash {
    let server = serve(data).await;
    let client = Client::open(data).await.unwrap();
    let query = EventsQuery { after: Some(cursor.to_owned()), group: None };
    let mut events = client.events(&query).await.unwrap();
    let ping = ask(&client, group).await;
    let (bot_data, bot_cursor) = (data.to_owned(), cursor.to_owned());
    let bot = tokio::spawn(async move { bot::run(&bot_data, Some(bot_cursor)).await });
    assert_eq!(reply(&mut events, ping).await.body.as_deref(), Some("pong"));
    server.stop().await;
    assert_ne!(bot.await.unwrap().unwrap().as_deref(), Some(cursor));
    ping
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_answers_each_question_once() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    serve(&data).await.stop().await;
    let client = Client::open(&data).await.unwrap();
    let rust: GroupName = "rust".parse().unwrap();
    client.create(&rust).await.unwrap();
    let cursor = client.history(&rust, &HistoryQuery::default()).await.unwrap().cursor;
    client.close().await;

    // The second bot begins where the first one did, so it comes upon both questions.
    let pings = [ask_a_bot(&data, &rust, &cursor).await, ask_a_bot(&data, &rust, &cursor).await];

    let client = Client::open(&data).await.unwrap();
    let history = client.history(&rust, &HistoryQuery::default()).await.unwrap();
    let replies: Vec<ChangeHash> = history.entries.iter().filter_map(|row| row.re).collect();
    assert_eq!(replies, pings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_without_a_running_peer_says_so() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    serve(&data).await.stop().await;
    let error = bot::run(&data, None).await.unwrap_err();
    assert!(error.to_string().contains("peer serve"), "{error}");
}
