//! With one ticket of any peer, a newcomer gets linked with all peers.

use peer::node::Node;
use peer_engine::id::PeerId;
use tempfile::TempDir;

use crate::support::{group, history, join, message, send, start, until};

/// The peers at the other ends of all links, sorted: a peer with two links occurs twice.
async fn linked(node: &Node) -> Vec<PeerId> {
    let status = node.status().await.expect("status");
    let mut peers: Vec<PeerId> = status.links.iter().map(|link| link.peer).collect();
    peers.sort_unstable();
    peers
}

async fn full_mesh(nodes: &[Node]) {
    for node in nodes {
        let mut others: Vec<PeerId> = nodes.iter().map(Node::peer).collect();
        others.retain(|peer| *peer != node.peer());
        others.sort_unstable();
        until(node, "linked with all others", async |node| linked(node).await == others).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_peers_from_any_ticket_end_in_a_full_mesh_and_agree() {
    let dirs: Vec<TempDir> = (0..6).map(|_| tempfile::tempdir().expect("a directory")).collect();
    let mut nodes = vec![start(&dirs[0], "peer0", None).await];
    for index in 1..5 {
        // A ticket of a recent member, not always of the first.
        let ticket = nodes[index / 2].ticket();
        nodes.push(start(&dirs[index], &format!("peer{index}"), Some(&ticket)).await);
    }
    full_mesh(&nodes).await;

    let rust = group("rust");
    nodes[0].create(&rust).await.expect("create");
    for node in &nodes[1..] {
        join(node, &rust).await;
    }
    for (index, node) in nodes.iter().enumerate() {
        for number in 0..20 {
            send(node, &rust, vec![message(format!("{index}.{number}"))]).await;
        }
    }
    let expected = 5 + 5 * 20;
    for node in &nodes {
        until(node, "everything arrived", async |node| history(node, &rust).await.len() == expected).await;
    }
    let first: Vec<_> = history(&nodes[0], &rust).await.into_iter().map(|entry| entry.id).collect();
    for node in &nodes[1..] {
        let ids: Vec<_> = history(node, &rust).await.into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, first);
    }

    // The first peer leaves for good; a newcomer still joins through another one and finds all peers.
    let ticket = nodes[3].ticket();
    nodes.remove(0).stop().await;
    nodes.push(start(&dirs[5], "late", Some(&ticket)).await);
    full_mesh(&nodes).await;
    let late = nodes.last().expect("the newcomer");
    join(late, &rust).await;
    until(late, "the newcomer has the history", async |node| {
        history(node, &rust).await.len() == expected + 1
    })
    .await;
    for node in nodes {
        node.stop().await;
    }
}
