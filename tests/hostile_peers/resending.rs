//! A member that sends the same batch again and again: the only effect is that its link is closed.

use peer_engine::limits::SENT_AGAIN_BYTES_MAX;
use peer_engine::wire::CloseCode;

use crate::raw::{Raw, at_most_more, flagged_for, resident_bytes, still_talk, two_members};
use crate::support::{converged, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_again_and_again_costs_the_link() {
    let members = two_members();
    let raw = Raw::new(&members[0], 92);
    let batch = raw.writer(0).write_many(12, &format!("again {}", "x".repeat(60_000)));
    let mut link = raw.link(&members[0]).await;
    assert!(link.push(&batch).await);
    until("it is here", || said(&members[1].history(), "again").len() == batch.len());
    let before = resident_bytes(members[0].process());
    let bytes: usize = batch.iter().map(|change| change.bytes().len()).sum();
    let enough = 2 + SENT_AGAIN_BYTES_MAX as usize / bytes;
    let mut times = 0;
    while times < 2 * enough && link.push(&batch).await {
        times += 1;
    }
    assert_eq!(link.closed().await, CloseCode::Ration);
    flagged_for(&members[0], &raw.key(), "sent the same again");
    at_most_more(before, members[0].process(), 24 << 20, "while the same was sent");
    still_talk(members.each_ref(), "afterwards");
    let history = converged(&[&members[0], &members[1]]);
    assert_eq!(said(&history, "again").len(), batch.len());
}
