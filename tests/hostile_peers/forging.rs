//! Forged authors, and entries replayed from another group or mesh: they are refused, the link is closed, and
//! the key is flagged and kept away.

use std::time::{Duration, Instant};

use peer_engine::change::{Change, Genesis, Verified};
use peer_engine::id::{GroupId, MeshId};
use peer_engine::limits::FAULT_WAIT_MS_MIN;
use peer_engine::wire::CloseCode;
use peer_engine::wire::sync_message::SyncMessage;

use crate::raw::{Chain, Raw, flagged_for, flags, still_talk, two_members};
use crate::support::{GROUP, converged};

/// A change that claims another author.
fn forged(raw: &Raw, author: [u8; 32]) -> Vec<u8> {
    let honest = raw.writer(0).write("I am not who I seem");
    let victim = peer_engine::identity::Identity::from_seed(&author);
    let mut header = honest.header().clone();
    header.actor = peer_engine::id::ActorId::new(victim.peer(), [0; 8]);
    let change = honest.change();
    Change { header, content: change.content.clone(), signature: change.signature }.encode()
}

fn replayed(raw: &Raw, group: GroupId) -> Vec<u8> {
    let change: Verified = Chain::new(&raw.identity, group, 0).write("said elsewhere");
    change.bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_or_replayed_costs_the_link_and_is_nowhere() {
    let members = two_members();
    let name = |name: &str| name.parse().unwrap();
    let mesh = Raw::new(&members[0], 60).ticket.mesh;
    let other_group = Genesis::public(mesh, name("elsewhere")).id();
    let other_mesh = Genesis::public(MeshId([7; 16]), name(GROUP)).id();
    let raws = [61, 62, 63].map(|seed| Raw::new(&members[0], seed));
    let attacks =
        [forged(&raws[0], [9; 32]), replayed(&raws[1], other_group), replayed(&raws[2], other_mesh)];
    for (raw, attack) in raws.iter().zip(attacks) {
        let mut link = raw.link(&members[0]).await;
        link.next_sync().await.unwrap();
        link.sync(SyncMessage { changes: vec![attack.into()], ..SyncMessage::default() }).await;
        assert_eq!(link.closed().await, CloseCode::Change);
        flagged_for(&members[0], &raw.key(), "invalid change");
    }
    still_talk(members.each_ref(), "all is well");
    let history = converged(&[&members[0], &members[1]]);
    assert!(history.iter().all(|row| row["author"] == members[0].key() || row["author"] == members[1].key()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_closed_for_a_fault_is_turned_away_for_longer_each_time_and_then_let_in() {
    let members = two_members();
    let raw = Raw::new(&members[0], 64);
    let mut last = None;
    for fault in 1..=3 {
        let mut link = loop {
            let mut link = raw.link(&members[0]).await;
            match link.next_sync().await {
                Ok(_) => break link,
                Err(code) => assert_eq!(code, CloseCode::Later),
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        };
        let wait = Duration::from_millis(FAULT_WAIT_MS_MIN << fault >> 2);
        assert!(last.is_none_or(|last: Instant| last.elapsed() >= wait), "it came back at once");
        last = Some(Instant::now());
        link.try_bytes(vec![0xff; 10]).await;
        assert_eq!(link.closed().await, CloseCode::Protocol);
        flagged_for(&members[0], &raw.key(), "no frame of the protocol");
    }
    let flag = &flags(&members[0], &raw.key())[0];
    assert!(flag["reason"].as_str().unwrap().contains("3 times"), "{flag}");
    still_talk(members.each_ref(), "undisturbed");
}
