//! The stream of events: a client that was away resumes where it stopped.

use std::time::Duration;

use futures_util::StreamExt;
use peer::api::{Client, Event, Events, EventsQuery, HistoryQuery, NewMessage, What};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::peer::Peer;

/// The bodies of the next `count` messages, without other events, and the last cursor.
async fn bodies(events: &mut Events, count: usize) -> (Vec<String>, String) {
    let (mut bodies, mut cursor) = (Vec::new(), String::new());
    while bodies.len() < count {
        let event = events.next().await.unwrap().expect("the stream goes on");
        if let What::Entry { row } = event.what {
            bodies.extend(row.body);
            cursor = event.cursor;
        }
    }
    (bodies, cursor)
}

fn from(cursor: &str) -> EventsQuery {
    EventsQuery { after: Some(cursor.to_owned()), group: None }
}

async fn send(client: &Client, texts: &[&str]) {
    let messages = texts.iter().map(|text| NewMessage::text(*text)).collect();
    client.send(&"rust".parse().unwrap(), messages, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_client_that_was_away_misses_nothing_and_sees_nothing_twice() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let client = Client::open(&peer.data).await.unwrap();
    let mut events = client.events(&EventsQuery::default()).await.unwrap();
    send(&client, &["1", "2", "3"]).await;
    let (seen, cursor) = bodies(&mut events, 2).await;
    assert_eq!(seen, ["1", "2"]);
    drop(events);
    server.stop();

    // Offline, in this process, and in a group that did not exist before.
    let client = Client::open(&peer.data).await.unwrap();
    assert!(!client.is_serving());
    send(&client, &["4"]).await;
    client.create(&"new".parse().unwrap()).await.unwrap();
    let (seen, _) = bodies(&mut client.events(&from(&cursor)).await.unwrap(), 2).await;
    assert_eq!(seen, ["3", "4"]);
    client.close().await;

    let server = peer.serve(&[]);
    let client = Client::open(&peer.data).await.unwrap();
    let mut events = client.events(&from(&cursor)).await.unwrap();
    send(&client, &["5"]).await;
    let (seen, _) = bodies(&mut events, 4).await;
    assert_eq!(seen, ["3", "4", "", "5"]);
    server.stop();
    while events.next().await.unwrap().is_some() {}
}

#[tokio::test]
async fn an_unknown_cursor_begins_anew() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let client = Client::open(&peer.data).await.unwrap();
    for cursor in ["what", "ffff.0000000000000000"] {
        let mut events = client.events(&from(cursor)).await.unwrap();
        let Event { cursor, what } = events.next().await.unwrap().unwrap();
        assert_eq!(what, What::Resync);
        let page = client.history(&"rust".parse().unwrap(), &HistoryQuery::default()).await.unwrap();
        assert_eq!(page.cursor, cursor);
    }
    server.stop();
}

#[tokio::test]
async fn a_read_mark_and_a_delivery_are_told() {
    let (anna, ben) = (Peer::created("anna"), Peer::nowhere());
    let server = anna.serve(&[]);
    let other = ben.serve(&["--name", "ben", "--join", &server.ticket()]);
    ben.run(&["groups", "create", "rust"]).ok();
    let client = Client::open(&anna.data).await.unwrap();
    let rust = "rust".parse().unwrap();
    let mut events = client.events(&EventsQuery::default()).await.unwrap();
    send(&client, &["to all"]).await;
    loop {
        if let What::Delivery { stored_on, .. } = events.next().await.unwrap().unwrap().what {
            assert_eq!(stored_on, 2);
            break;
        }
    }
    let page = client.history(&rust, &HistoryQuery::default()).await.unwrap();
    assert_eq!(page.entries.last().unwrap().stored_on, Some(2));
    let waited = client.send(&rust, vec![NewMessage::text("waited for")], Duration::from_secs(10)).await;
    assert_eq!(waited.unwrap()[0].stored_on, 2);
    ben.run(&["send", "rust", "@anna hello"]).ok();
    let row = loop {
        match events.next().await.unwrap().unwrap().what {
            What::Entry { row } if row.body.as_deref() == Some("@anna hello") => break row,
            _ => {}
        }
    };
    assert!(row.mention);
    let group = client.group(&rust).await.unwrap();
    assert_eq!((group.unread, group.mentions), (1, 1));
    let group = client.set_read(&rust, row.arrival).await.unwrap();
    assert_eq!((group.unread, group.mentions, group.read), (0, 0, row.arrival));
    while events.next().await.unwrap().unwrap().what != What::Groups {}
    server.stop();
    other.stop();
}

#[tokio::test]
async fn a_web_socket_carries_the_same_events() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let announced: serde_json::Value =
        serde_json::from_slice(&std::fs::read(peer.data.join("api.json")).unwrap()).unwrap();
    let address = announced["address"].as_str().unwrap();
    let mut request = format!("ws://{address}/v1/events?group=rust").into_client_request().unwrap();
    let bearer = format!("Bearer {}", announced["token"].as_str().unwrap());
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    peer.run(&["send", "rust", "over a socket"]).ok();
    let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let Event { what: What::Entry { row }, .. } = serde_json::from_str(&text).unwrap() else {
        panic!("{text}")
    };
    assert_eq!(row.body.as_deref(), Some("over a socket"));
    server.stop();
}

#[tokio::test]
async fn a_key_makes_a_message_one_message() {
    let peer = Peer::created("anna");
    let rust = "rust".parse().unwrap();
    let keyed = |body: &str| NewMessage { key: Some("k-1".to_owned()), ..NewMessage::text(body) };
    let mut ids = Vec::new();
    for _ in 0..2 {
        // A new client each time, as after a crash.
        let client = Client::open(&peer.data).await.unwrap();
        let sent = client
            .send(&rust, vec![NewMessage::text("before"), keyed("once")], Duration::ZERO)
            .await
            .unwrap();
        ids.push(sent[1].id);
        let other = client.send(&rust, vec![keyed("another")], Duration::ZERO).await.unwrap_err();
        assert!(other.to_string().contains("k-1"), "{other}");
        let twice = client.send(&rust, vec![keyed("once"), keyed("once")], Duration::ZERO).await.unwrap();
        assert_eq!((twice[0].id, twice[1].id), (ids[0], ids[0]));
        client.close().await;
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(peer.bodies("rust"), ["before", "once", "before"]);
}

#[tokio::test]
async fn a_page_is_around_an_entry_and_says_whether_there_is_more() {
    let peer = Peer::created("anna");
    let rust = "rust".parse().unwrap();
    let client = Client::open(&peer.data).await.unwrap();
    send(&client, &["1", "2", "3", "4", "5"]).await;
    let all = client.history(&rust, &HistoryQuery::default()).await.unwrap();
    assert_eq!((all.entries.len(), all.more_before, all.more_after), (6, false, false));
    let id = all.entries[3].id;
    let page = async |query| {
        let page = client.history(&rust, &query).await.unwrap();
        let bodies: Vec<String> = page.entries.into_iter().filter_map(|row| row.body).collect();
        (bodies.concat(), page.more_before, page.more_after)
    };
    let limit = Some(3);
    let query = HistoryQuery { around: Some(id), limit, ..HistoryQuery::default() };
    assert_eq!(page(query).await, ("234".to_owned(), true, true));
    let query = HistoryQuery { before: Some(id), limit, ..HistoryQuery::default() };
    assert_eq!(page(query).await, ("12".to_owned(), false, true));
    let query = HistoryQuery { after: Some(id), limit: Some(1), ..HistoryQuery::default() };
    assert_eq!(page(query).await, ("4".to_owned(), true, true));
    assert_eq!(client.entry(&rust, id).await.unwrap().body.as_deref(), Some("3"));
    client.close().await;
}
