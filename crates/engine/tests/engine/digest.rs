//! The digest in every ping, computed here again as `sync-protocol.md` describes it.

use peer_engine::change::Verified;
use peer_engine::engine::{Draft, Event, StoredOn};
use peer_engine::id::ChangeHash;
use peer_engine::limits::COMPARE_EVERY_MS;
use peer_engine::sync::LinkId;
use peer_engine::wire::frame::Control;
use peer_engine::wire::sync_message::SyncMessage;
use sha2::{Digest, Sha256};

use crate::graph::{Bench, Graph, LINK, author, group};
use crate::rng::Rng;

/// The digest of a link on which only this group has a session.
fn digest(heads: &[ChangeHash]) -> u64 {
    let mut inner = Sha256::new_with_prefix(group().0);
    heads.iter().for_each(|head| inner.update(head.0));
    let outer = Sha256::digest(inner.finalize());
    u64::from_le_bytes(outer[..8].try_into().expect("eight bytes"))
}

fn linked() -> Bench {
    let mut rng = Rng::new(1);
    let graph = Graph::random(&mut rng, 3, 20);
    let mut bench = Bench::linked(&graph.changes, &[]);
    bench.hear(SyncMessage { heads: bench.heads(), ..SyncMessage::default() }, Vec::new());
    bench.sent.clear();
    bench
}

/// Receives `change` over another link.
fn hear_beside(bench: &mut Bench, change: Verified) {
    let (link, address) = (LinkId(2), "192.0.2.2:4040".to_owned());
    let peer = author(201).peer();
    bench.handle(Event::LinkUp { link, peer, dialled: true, address, listen: Vec::new() });
    bench.handle(Event::Control { link, control: Control::Subscribe { groups: vec![group()] } });
    let message = SyncMessage { heads: vec![change.hash()], changes: vec![change], ..SyncMessage::default() };
    bench.handle(Event::Sync { link, group: group(), message });
}

/// On how many peers the newest entry is known to be.
fn holders(bench: &mut Bench) -> u32 {
    let entries = bench.heads();
    let group = bench.no;
    let answers = bench.command(|engine, _| engine.stored_on(group, &entries));
    answers.iter().map(|StoredOn { peers, .. }| *peers).min().unwrap_or(0)
}

fn write(bench: &mut Bench) {
    let drafts = vec![Draft { body: "news".to_owned(), ..Draft::default() }];
    bench.command(|engine, now| engine.write(group(), drafts, now));
}

fn ping(bench: &mut Bench, digest: Option<u64>) {
    bench.handle(Event::Control { link: LINK, control: Control::Ping { nonce: 1, digest } });
}

#[test]
fn an_equal_digest_is_as_good_as_heads() {
    let mut bench = linked();
    write(&mut bench);
    assert_eq!(holders(&mut bench), 1);
    let level = digest(&bench.heads());
    ping(&mut bench, Some(level));
    assert_eq!(holders(&mut bench), 2);
}

#[test]
fn an_old_digest_shows_nothing_and_costs_nothing_where_all_was_told() {
    let mut bench = linked();
    let before = digest(&bench.heads());
    write(&mut bench);
    bench.sent.clear();
    ping(&mut bench, Some(before));
    bench.now_us += COMPARE_EVERY_MS * 1000;
    ping(&mut bench, None);
    assert_eq!(holders(&mut bench), 1);
    assert_eq!(bench.sent, []);
}

#[test]
fn another_digest_or_none_is_answered_with_heads_that_were_not_told() {
    for other in [Some(7), None] {
        let mut rng = Rng::new(1);
        let graph = Graph::random(&mut rng, 3, 20);
        let mut bench = Bench::linked(&graph.changes[..19], &[]);
        bench.sent.clear();
        hear_beside(&mut bench, graph.changes[19].clone());
        assert_eq!(bench.sent, []);
        ping(&mut bench, other);
        let heads = bench.heads();
        assert_eq!(bench.sent, [SyncMessage { heads, ..SyncMessage::default() }]);
    }
}

#[test]
fn digests_of_a_flood_of_pings_are_not_looked_at() {
    let mut bench = linked();
    ping(&mut bench, None);
    write(&mut bench);
    let level = digest(&bench.heads());
    ping(&mut bench, Some(level));
    assert_eq!(holders(&mut bench), 1);
    bench.now_us += COMPARE_EVERY_MS * 1000;
    ping(&mut bench, Some(level));
    assert_eq!(holders(&mut bench), 2);
}
