//! A peer whose clock runs far ahead is flagged; what it writes is kept.

use peer::node::Draft;
use peer_engine::time::Timestamp;

use crate::support::{group, history, join, message, send, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_author_whose_clock_is_far_ahead_is_flagged_and_nobody_else_is() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let rust = group("rust");
    let ann = start(&first, "ann", None).await;
    ann.create(&rust).await.expect("create");
    let bob = start(&second, "bob", Some(&ann.ticket())).await;
    join(&bob, &rust).await;
    assert!(ann.status().await.expect("status").flagged.is_empty());

    let future = Draft { at: Some(Timestamp::MAX), ..message("from the year 9999") };
    send(&bob, &rust, vec![future]).await;
    until(&ann, "ann has it", async |node| history(node, &rust).await.len() == 3).await;
    // Ann's answer has to be shown below it, and she is not flagged for that.
    send(&ann, &rust, vec![message("what year is it there?")]).await;
    let flagged = ann.status().await.expect("status").flagged;
    assert_eq!(flagged.len(), 1, "{flagged:?}");
    assert_eq!((flagged[0].peer, flagged[0].group.clone()), (bob.peer(), Some(rust.clone())));
    assert!(flagged[0].reason.contains("9999-12-31T23:59:59.999Z"), "{}", flagged[0].reason);
    assert_eq!(history(&ann, &rust).await.len(), 4);
    ann.stop().await;
    bob.stop().await;
}
