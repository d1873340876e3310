//! Floods of changes whose dependencies nobody has, in several groups and with several keys: memory stays
//! bounded, and each flooder's link is closed and its key flagged.
//!
//! `PEER_HOSTILE_FULL=1` sends a million of them.

use peer_engine::id::GroupId;
use peer_engine::limits::ORPHANS_BYTES_MAX;
use peer_engine::wire::CloseCode;
use peer_engine::wire::frame::Frame;
use peer_engine::wire::sync_message::SyncMessage;

use crate::raw::{Chain, Raw, at_most_more, flagged_for, resident_bytes, still_talk, two_members};

const GROUPS: [&str; 3] = ["rust", "flood-one", "flood-two"];
const BATCH: usize = 250;

/// Floods until the link is closed; returns how many changes were sent.
async fn flood(raw: &Raw, member: &crate::support::Member) -> usize {
    let groups: Vec<GroupId> = GROUPS
        .iter()
        .map(|name| peer_engine::change::Genesis::public(raw.ticket.mesh, name.parse().unwrap()).id())
        .collect();
    let mut link = raw.link_to_groups(member, groups.clone()).await;
    link.next_sync().await.unwrap();
    let mut chains: Vec<Chain> = groups.iter().map(|&group| Chain::new(&raw.identity, group, 0)).collect();
    // The change that all others depend on is never sent.
    chains.iter_mut().for_each(|chain| drop(chain.write("the ground")));
    let mut sent = 0;
    for turn in 0.. {
        let at = turn % chains.len();
        let batch = chains[at].write_many(BATCH, "adrift");
        let changes = batch.iter().map(|change| change.bytes().clone()).collect();
        let message = SyncMessage { changes, ..SyncMessage::default() };
        if !link.try_frame(Frame::Sync { group: groups[at], message }).await {
            break;
        }
        sent += BATCH;
        assert!(sent < 1_000_000, "nobody stops it");
    }
    assert_eq!(link.closed().await, CloseCode::Orphans);
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_orphans_is_cut_off_and_takes_no_more_than_its_share() {
    let wanted = if std::env::var_os("PEER_HOSTILE_FULL").is_some() { 1_000_000 } else { 40_000 };
    let members = two_members();
    for name in &GROUPS[1..] {
        members[0].run(&["groups", "create", name]).ok();
    }
    let before = resident_bytes(members[0].process());
    let (mut sent, mut keys) = (0, 0u16);
    while sent < wanted {
        keys += 1;
        let mut seed = [93; 32];
        seed[..2].copy_from_slice(&keys.to_le_bytes());
        let raw = Raw::with_key(&members[0], seed);
        sent += flood(&raw, &members[0]).await;
        if keys == 1 {
            still_talk(members.each_ref(), "in the flood");
        }
        flagged_for(&members[0], &raw.key(), "unknown dependencies");
    }
    let most = ORPHANS_BYTES_MAX as u64 + (32 << 20);
    at_most_more(before, members[0].process(), most, &format!("{sent} orphans under {keys} keys"));
    still_talk(members.each_ref(), "after the flood");
    assert!(members[0].status()["groups"].as_array().unwrap().iter().all(|group| group["waiting"] == 0));
}
