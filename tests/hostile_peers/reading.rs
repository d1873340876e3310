//! Readers that are slow, stalled or stopped: their queues are bounded, other peers are not affected, and
//! they catch up later.

use std::process::Command;

use peer_engine::limits::LINK_QUEUE_BYTES_MAX;
use peer_engine::wire::CloseCode;
use peer_engine::wire::sync_message::{Have, SyncMessage};

use crate::raw::{Raw, at_most_more, flagged_for, resident_bytes, still_talk, two_members};
use crate::support::{Member, converged, full_mesh, said, until};

/// More than the system's buffers for one connection and our own queue hold together.
fn a_lot() -> Vec<String> {
    (0..480).map(|number| format!("{number} {}", "x".repeat(60_000))).collect()
}

fn signal(member: &Member, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &member.process().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_and_does_not_read_is_cut_off_and_takes_little_memory() {
    let members = two_members();
    for part in a_lot().chunks(48) {
        members[0].send_lines(part);
    }
    let before = resident_bytes(members[0].process());
    let raw = Raw::new(&members[0], 96);
    let mut link = raw.link(&members[0]).await;
    let ask = || SyncMessage { have: vec![Have::default()], ..SyncMessage::default() };
    let mut asked = 0;
    while asked < 400 && link.sync(ask()).await {
        asked += 1;
        // Requests that arrive within one commit get one answer, so they are sent apart.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    eprintln!("asked {asked} times without reading");
    // Frames written before can still be read; the close frame follows only if it could be written.
    let code = link.closed_in_silence().await;
    assert!(matches!(code, CloseCode::Slow | CloseCode::Leaving), "{code}");
    flagged_for(&members[0], &raw.key(), "did not read");
    at_most_more(
        before,
        members[0].process(),
        4 * LINK_QUEUE_BYTES_MAX as u64,
        "for a reader that takes nothing",
    );
    still_talk(members.each_ref(), "all the while");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_dropped_and_catches_up_when_it_goes_on() {
    let ann = Member::in_group("ann", None);
    let bob = Member::in_group("bob", Some(&ann.ticket()));
    let cid = Member::in_group("cid", Some(&ann.ticket()));
    full_mesh(&[&ann, &bob, &cid]);
    let (lot, warm) = (a_lot(), 48);
    // First sends and shows some such messages, so that the memory this takes is not counted later.
    let send = |lines: &[String]| {
        lines.chunks(warm).for_each(|part| drop(ann.send_lines(part)));
    };
    send(&lot[..warm]);
    until("all have the first", || {
        [&ann, &bob, &cid].iter().all(|member| said(&member.history(), "").len() == warm)
    });
    let before = resident_bytes(ann.process());
    signal(&bob, "STOP");
    send(&lot[warm..240]);
    until("cid has it", || said(&cid.history(), "").len() == 240);
    at_most_more(before, ann.process(), 6 * LINK_QUEUE_BYTES_MAX as u64, "for a process that is stopped");
    still_talk([&ann, &cid], "without bob");
    until("bob's link is closed", || !ann.links().contains(&bob.key().to_owned()));
    signal(&bob, "CONT");
    full_mesh(&[&ann, &bob, &cid]);
    converged(&[&ann, &bob, &cid]);
}
