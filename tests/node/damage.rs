//! One damaged row costs that row, not the peer.

use crate::support::{group, history, message, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_is_served_to_nobody_and_the_peer_goes_on() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let rust = group("rust");
    let ann = start(&first, "ann", None).await;
    ann.create(&rust).await.expect("create");
    for number in 0..20 {
        ann.send(&rust, vec![message(format!("number {number}"))]).await.expect("send");
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
    until(&bob, "the group is known", async |node| {
        node.read(|reader| reader.is_announced(&group("rust"))).await.expect("read")
    })
    .await;
    bob.join(&rust).await.expect("join");
    // Ann's join, bob's join, and numbers 0 to 8.
    until(&bob, "all that is intact below the damage", async |node| history(node, &rust).await.len() == 11)
        .await;
    ann.send(&rust, vec![message("still here")]).await.expect("ann goes on");
    bob.send(&rust, vec![message("so is bob")]).await.expect("bob goes on");
    until(&ann, "ann has what bob wrote", async |node| {
        node.read(|reader| Ok(reader.search("bob", None, 10, 0)?.len())).await.expect("search") == 1
    })
    .await;
    let bodies: Vec<_> = history(&bob, &rust).await.into_iter().map(|entry| entry.body).collect();
    assert!(!bodies.contains(&peer::change::Body::Text("something else".to_owned())));
    ann.stop().await;
    bob.stop().await;
}
