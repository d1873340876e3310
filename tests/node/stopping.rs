//! A peer that stops closes its database cleanly, even while it is read.

use peer::store::Reader;
use tempfile::TempDir;

use crate::support::{group, history, message, send, start};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_the_log_when_a_peer_stops_while_it_is_read() {
    let dir = TempDir::new().expect("a directory");
    let log = dir.path().join("data").join("peer.db-wal");
    let name = group("rust");
    for round in 0..5 {
        let node = start(&dir, "ann", None).await;
        node.create(&name).await.expect("create");
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let node = node.clone();
                tokio::spawn(async move { while node.read(Reader::held_groups).await.is_ok() {} })
            })
            .collect();
        for number in 0..20 {
            send(&node, &name, vec![message(format!("{round} {number}"))]).await;
        }
        assert!(log.exists());
        node.stop().await;
        assert!(!log.exists(), "round {round}");
        for reader in readers {
            reader.await.expect("it ends with the peer");
        }
    }
    let node = start(&dir, "ann", None).await;
    assert_eq!(history(&node, &name).await.iter().filter(|entry| entry.kind.is_none()).count(), 100);
    node.stop().await;
}
