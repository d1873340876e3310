//! Members that announce changes and do not send them, stop midway, or go silent: others still catch up.

use peer_engine::id::ChangeHash;
use peer_engine::wire::CloseCode;
use peer_engine::wire::sync_message::SyncMessage;

use crate::raw::{Raw, RawLink, flags, still_talk, two_members};
use crate::support::{converged, said, until};

/// Announces heads that nobody has, again whenever it is asked for them.
async fn promise(mut link: RawLink, seed: u8) -> CloseCode {
    let mut count = 0u8;
    loop {
        count = count.wrapping_add(1);
        let mut head = [seed; 32];
        head[0] = count;
        link.sync(SyncMessage { heads: vec![ChangeHash(head)], ..SyncMessage::default() }).await;
        loop {
            match link.next_sync().await {
                Ok(message) if !message.need.is_empty() => break,
                Ok(_) => {}
                Err(code) => return code,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_never_backed_up_do_not_keep_a_newcomer_from_catching_up() {
    let [ann, mut bob] = two_members();
    bob.stop();
    let missed: Vec<String> = (0..300).map(|number| format!("missed {number}")).collect();
    ann.send_lines(&missed);
    bob.start();
    let raws = [80, 81, 82].map(|seed| (Raw::new(&bob, seed), seed));
    for (raw, seed) in &raws {
        tokio::spawn(promise(raw.link(&bob).await, *seed));
    }
    until("bob has caught up", || said(&bob.history(), "missed").len() == missed.len());
    for (raw, _) in &raws {
        until("who promises and does not deliver is named", || {
            let flags = flags(&bob, &raw.key());
            flags.iter().any(|flag| flag["reason"].as_str().unwrap().contains("has not sent"))
        });
    }
    still_talk([&ann, &bob], "in spite of promises");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_stops_half_way_goes_on_elsewhere() {
    let members = two_members();
    let raw = Raw::new(&members[0], 85);
    let chain = raw.writer(0).write_many(400, "half");
    // The first link sends one half, and then only pongs.
    let mut link = raw.link(&members[0]).await;
    link.next_sync().await.unwrap();
    link.announce(&[chain[399].hash()]).await;
    while link.next_sync().await.unwrap().need.is_empty() {}
    assert!(link.push(&chain[200..]).await);
    let first = link.idle();
    // Another member has everything, and is asked once the first one has stalled.
    let other = Raw::new(&members[0], 86);
    let mut link = other.link(&members[0]).await;
    link.next_sync().await.unwrap();
    link.announce(&[chain[399].hash()]).await;
    while link.next_sync().await.unwrap().need.is_empty() {}
    for part in chain.chunks(100) {
        assert!(link.push(part).await);
    }
    let second = link.idle();
    for member in &members {
        until("all of it is here", || said(&member.history(), "half").len() == 400);
    }
    converged(&[&members[0], &members[1]]);
    assert!(!first.is_finished() && !second.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_answers_nothing_is_dropped_and_missed_by_nobody() {
    let members = two_members();
    let raw = Raw::new(&members[0], 87);
    let mut link = raw.link(&members[0]).await;
    link.announce(&[ChangeHash([87; 32])]).await;
    still_talk(members.each_ref(), "while it is silent");
    // It reads, and sends nothing, not even a pong.
    let code = link.closed_in_silence().await;
    assert_eq!(code, CloseCode::Silent);
    still_talk(members.each_ref(), "when it is gone");
}
