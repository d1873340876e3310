//! A member that asks for everything again and again: it gets it once, then its ration, then nothing.

use std::time::Duration;

use peer_engine::limits::LINK_QUEUE_BYTES_MAX;
use peer_engine::wire::CloseCode;
use peer_engine::wire::sync_message::{Have, SyncMessage};

use crate::raw::{Raw, RawLink, at_most_more, flagged_for, resident_bytes, still_talk, two_members};

async fn ask_for_all(link: &mut RawLink) -> bool {
    link.sync(SyncMessage { have: vec![Have::default()], ..SyncMessage::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_everything_again_and_again_costs_the_link() {
    let members = two_members();
    let said: Vec<String> = (0..600).map(|number| format!("{number} {}", "x".repeat(2_000))).collect();
    members[0].send_lines(&said);
    let everything = said.len() * 2_000;
    let before = resident_bytes(members[0].process());
    let raw = Raw::new(&members[0], 91);
    let mut link = raw.link(&members[0]).await;
    let (mut asked, mut received) = (0, 0);
    let code = loop {
        // It asks at an honest pace until it has got everything once.
        for _ in 0..if received < everything { 1 } else { 25 } {
            ask_for_all(&mut link).await;
            asked += 1;
        }
        // It reads what has arrived so far: what is still on its way is not sent twice.
        match tokio::time::timeout(Duration::from_millis(50), link.next_sync()).await {
            Ok(Ok(message)) => received += message.changes.iter().map(|change| change.len()).sum::<usize>(),
            Ok(Err(code)) => break code,
            Err(_) => {}
        }
        assert!(received < 200 << 20, "there is no end to it");
    };
    eprintln!("asked {asked} times, received {:.1} MiB", received as f64 / 1048576.0);
    assert_eq!(code, CloseCode::Ration);
    assert!(received >= everything, "an honest newcomer would not have got everything");
    flagged_for(&members[0], &raw.key(), "asked for the same again");
    at_most_more(before, members[0].process(), 4 * LINK_QUEUE_BYTES_MAX as u64, "while it was asked");
    still_talk(members.each_ref(), "afterwards");
}
