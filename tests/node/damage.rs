//! A damaged row loses that row, and the peer keeps running.

use peer::node::Node;
use peer_engine::id::ChangeHash;

use crate::support::{group, history, join, message, send, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_is_served_to_nobody_and_the_peer_goes_on() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let rust = group("rust");
    let ann = start(&first, "ann", None).await;
    ann.create(&rust).await.expect("create");
    for number in 0..20 {
        send(&ann, &rust, vec![message(format!("number {number}"))]).await;
    }
    ann.stop().await;

    let database = rusqlite::Connection::open(first.path().join("data/peer.db")).expect("open the database");
    let damaged = database
        .execute("UPDATE log SET body = 'something else' WHERE body = 'number 9'", [])
        .expect("damage a row");
    assert_eq!(damaged, 1);
    drop(database);

    let ann = start(&first, "ann", None).await;
    let bob = start(&second, "bob", Some(&ann.ticket())).await;
    join(&bob, &rust).await;
    // Ann's join, bob's join, and messages 0 to 8.
    until(&bob, "all that is intact below the damage", async |node| history(node, &rust).await.len() == 11)
        .await;
    send(&ann, &rust, vec![message("still here")]).await;
    send(&bob, &rust, vec![message("so is bob")]).await;
    until(&ann, "ann has what bob wrote", async |node| {
        node.read(|reader| Ok(reader.search("bob", None, 10, 0)?.len())).await.expect("search") == 1
    })
    .await;
    let bodies: Vec<_> = history(&bob, &rust).await.into_iter().map(|entry| entry.body).collect();
    assert!(!bodies.contains(&peer_engine::change::Body::Text("something else".to_owned())));
    ann.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_entries_are_fetched_again_from_a_peer_that_has_them() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let third = tempfile::tempdir().expect("a directory");
    let rust = group("rust");
    let ann = start(&first, "ann", None).await;
    ann.create(&rust).await.expect("create");
    let bob = start(&second, "bob", Some(&ann.ticket())).await;
    join(&bob, &rust).await;
    for number in 0..20 {
        send(&ann, &rust, vec![message(format!("number {number}"))]).await;
    }
    until(&bob, "bob has everything", async |node| history(node, &rust).await.len() == 22).await;
    ann.stop().await;

    let database = rusqlite::Connection::open(first.path().join("data/peer.db")).expect("open the database");
    // In the middle and at the head of the log: the text, the author's signature, and the indexed hash.
    for (column, value, body) in [
        ("body", "'something else'", "number 9"),
        ("signature", "zeroblob(64)", "number 12"),
        ("hash", "zeroblob(32)", "number 15"),
        ("at", "5", "number 19"),
    ] {
        let damaged = database
            .execute(&format!("UPDATE log SET {column} = {value} WHERE body = '{body}'"), [])
            .expect("damage a row");
        assert_eq!(damaged, 1, "{body}");
    }
    drop(database);
    // Bob's message follows the head that ann has lost.
    send(&bob, &rust, vec![message("on top of number 19")]).await;

    let ann = start(&first, "ann", Some(&bob.ticket())).await;
    assert!(history(&ann, &rust).await.len() < 22, "nothing damaged is shown");
    until(&ann, "what was damaged is whole again", async |node| history(node, &rust).await.len() == 23).await;
    until(&ann, "both have the same heads", async |node| heads(node).await == heads(&bob).await).await;
    let ids =
        |entries: Vec<peer::store::Entry>| entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(history(&ann, &rust).await), ids(history(&bob, &rust).await));

    // Ann alone can serve everything again, and continues to write on top of it.
    bob.stop().await;
    send(&ann, &rust, vec![message("after the repair")]).await;
    let cid = start(&third, "cid", Some(&ann.ticket())).await;
    join(&cid, &rust).await;
    until(&cid, "cid has everything from ann", async |node| history(node, &rust).await.len() == 25).await;
    ann.stop().await;
    cid.stop().await;
}

async fn heads(node: &Node) -> Vec<ChangeHash> {
    node.status().await.expect("status").groups.into_iter().flat_map(|group| group.heads).collect()
}
