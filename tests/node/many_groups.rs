//! A peer that is behind in many groups catches up over one link, which is slow, but not stalled.

use peer_engine::id::GroupName;

use crate::support::{group, history, join, message, send, start, until};

const GROUPS: usize = 20;
/// Messages in every group, of 2,000 bytes each: far more in total than the queue of one link holds.
const MESSAGES: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_behind_in_many_groups_catches_up_over_one_link() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let names: Vec<GroupName> = (0..GROUPS).map(|number| group(&format!("group-{number}"))).collect();
    let ann = start(&first, "ann", None).await;
    let bob = start(&second, "bob", Some(&ann.ticket())).await;
    for name in &names {
        ann.create(name).await.expect("create");
        join(&bob, name).await;
    }
    bob.stop().await;
    let (mut sent_bytes, mut state) = (0, 1);
    for name in &names {
        let drafts: Vec<_> = (0..MESSAGES).map(|_| message(noise(&mut state))).collect();
        sent_bytes += drafts.iter().map(|draft| draft.body.len() as u64).sum::<u64>();
        send(&ann, name, drafts).await;
    }
    assert!(sent_bytes / 2 > peer_engine::limits::LINK_QUEUE_BYTES_MAX as u64);

    let bob = start(&second, "bob", Some(&ann.ticket())).await;
    for name in &names {
        until(&bob, "the group is level", async |node| history(node, name).await.len() == MESSAGES + 2).await;
    }
    // A new link would have begun to count anew. Noise of 64 letters compresses to three quarters.
    let status = bob.status().await.expect("status");
    let link = status.links.iter().find(|link| link.peer == ann.peer()).expect("a link to ann");
    assert!(
        link.bytes_in > sent_bytes / 2,
        "{} of {sent_bytes} bytes came over the last link",
        link.bytes_in
    );
    ann.stop().await;
    bob.stop().await;
}

/// Text that compresses badly.
fn noise(state: &mut u64) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
    let letter = |_| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[(*state >> 58) as usize])
    };
    (0..2_000).map(letter).collect()
}
