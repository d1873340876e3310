//! What a catch-up requests if the other side gets more changes meanwhile.

use peer_engine::change::{Unverified, Verified};
use peer_engine::engine::Event;
use peer_engine::id::ChangeHash;
use peer_engine::limits::ORPHAN_BYTES_MAX;
use peer_engine::sync::LinkId;
use peer_engine::wire::frame::Control;
use peer_engine::wire::sync_message::SyncMessage;

use crate::graph::{Bench, author, chain, group};

const THIRD: LinkId = LinkId(2);

/// Passes the messages of one side to the other.
fn relay(from: &mut Bench, to: &mut Bench) -> usize {
    let messages = std::mem::take(&mut from.sent);
    for message in &messages {
        let verify =
            |bytes: &std::sync::Arc<[u8]>| Unverified::decode(bytes).unwrap().verify(group()).unwrap();
        let changes = message.changes.iter().map(verify).collect();
        to.hear(message.clone(), changes);
    }
    messages.len()
}

/// Adds a link to a third peer, which the test plays too.
fn link_third(bench: &mut Bench) {
    let (peer, address) = (author(201).peer(), "192.0.2.2:4040".to_owned());
    bench.handle(Event::LinkUp { link: THIRD, peer, dialled: false, address, listen: Vec::new() });
    bench.handle(Event::Control { link: THIRD, control: Control::Subscribe { groups: vec![group()] } });
}

fn hear_third(bench: &mut Bench, changes: Vec<Verified>) {
    bench.handle(Event::Sync {
        link: THIRD,
        group: group(),
        message: SyncMessage { changes, ..SyncMessage::default() },
    });
}

#[test]
fn a_long_stretch_that_the_other_side_gets_meanwhile_is_not_asked_for_one_by_one() {
    // Each side has changes that the other lacks, so this side sends a filter once; the answer takes a while.
    let ours = chain(1, 3, "a");
    let theirs = chain(2, 40, &"b".repeat(60_000));
    let (mut here, mut there) = (Bench::linked(&ours, &[]), Bench::linked(&theirs, &[]));
    link_third(&mut here);
    link_third(&mut there);
    // More than fits among the orphans while their dependencies are missing.
    let stretch = chain(3, 2 * ORPHAN_BYTES_MAX / 60_000, &"x".repeat(60_000));
    // Keeps the other side from ever knowing all heads of this one.
    let mut steady = chain(4, 400, "c").into_iter();
    let mut more = Some(stretch.clone());
    let came = |here: &Bench| {
        let history = here.history();
        stretch.iter().filter(|change| history.contains(&change.hash())).count()
    };
    while came(&here) < stretch.len() {
        hear_third(&mut here, steady.by_ref().take(1).collect());
        let described = here.sent.iter().any(|message| !message.have.is_empty());
        let said = relay(&mut here, &mut there) + relay(&mut there, &mut here);
        if described && let Some(changes) = more.take() {
            hear_third(&mut there, changes);
        }
        assert_eq!((here.closed, there.closed), (None, None), "{} have come", came(&here));
        if said == 0 {
            here.wait(1_000_000);
            there.wait(1_000_000);
        }
        assert!(steady.len() > 0, "{} of {} have come", came(&here), stretch.len());
    }
    assert!(more.is_none(), "nothing was described");
}

#[test]
fn who_answers_with_one_change_at_a_time_has_little_described() {
    let theirs = chain(2, 2_000, "b");
    let by_hash = |hash: &ChangeHash| theirs.iter().find(|change| change.hash() == *hash).cloned();
    let mut bench = Bench::linked(&chain(1, 3, "a"), &[]);
    let announced = || SyncMessage {
        heads: theirs.last().map(Verified::hash).into_iter().collect(),
        ..SyncMessage::default()
    };
    bench.hear(announced(), vec![]);
    let (mut descriptions, mut by_name) = (0, 0);
    while bench.history().len() < 3 + theirs.len() {
        let asked = std::mem::take(&mut bench.sent);
        assert!(!asked.is_empty(), "{by_name} requests");
        for request in asked {
            descriptions += request.have.len();
            by_name += request.need.len();
            let changes = request.need.iter().filter_map(by_hash).collect();
            bench.hear(announced(), changes);
        }
    }
    assert_eq!(by_name, theirs.len());
    assert!((5..=11).contains(&descriptions), "{descriptions}");
}
