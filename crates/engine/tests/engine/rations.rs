//! What one link may cost per tick: a link that exceeds it is closed. Honest catch-ups are not affected.

use peer_engine::change::Verified;
use peer_engine::engine::{Event, Misconduct};
use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::limits::{
    ACQUAINTED_AFTER_MS, ASKED_AGAIN_BYTES_MAX, ASKED_AGAIN_BYTES_PER_S, GOSSIP_MAX, HEARSAY_DIALS_MAX,
    NEWCOMERS_MAX, ORPHAN_BYTES_MAX, ORPHANS_BYTES_MAX, PEERS_MAX, VISIT_BYTES,
};
use peer_engine::sync::LinkId;
use peer_engine::wire::close::CloseCode;
use peer_engine::wire::frame::{Control, PeerRecord};
use peer_engine::wire::sync_message::{Have, SyncMessage};

use crate::graph::{Bench, Graph, LINK, author, chain, group, message};

fn key(number: usize) -> PeerId {
    let mut key = [0xEE; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    PeerId(key)
}

fn link_up(bench: &mut Bench, number: usize) {
    let (link, address) = (LinkId(10 + number as u64), format!("192.0.2.1:{}", 10 + number));
    let listen = vec![address.clone()];
    bench.handle(Event::LinkUp { link, peer: key(number), dialled: false, address, listen });
}

fn status(bench: &mut Bench) -> peer_engine::engine::Status {
    bench.command(|engine, now| engine.status(now))
}

#[test]
fn a_catch_up_of_everything_is_free_and_the_same_again_has_a_ration() {
    let changes = chain(1, 2_000, "hello");
    let mut bench = Bench::linked(&changes, &[]);
    let ask = || SyncMessage { have: vec![Have::default()], ..SyncMessage::default() };
    let per_ask = changes.len() as u64 * VISIT_BYTES;
    let mut times = 0;
    while bench.closed.is_none() {
        bench.hear(ask(), vec![]);
        times += 1;
        assert!(times < 10_000, "there is no end to it");
    }
    assert_eq!(bench.closed, Some(CloseCode::Ration));
    let sent: usize = bench.sent.iter().map(|message| message.changes.len()).sum();
    assert!(sent >= changes.len(), "an honest peer would not have got everything");
    // Some of the ration is spent on changes that are sent again.
    assert!(times <= 3 + ASKED_AGAIN_BYTES_MAX / per_ask, "{times}");
    assert_eq!(status(&mut bench).faults[0].1.what, Misconduct::AskedAgain);
}

#[test]
fn who_asks_again_now_and_then_keeps_its_link() {
    let changes = chain(1, 200, "hello");
    let mut bench = Bench::linked(&changes, &[]);
    let bytes: u64 = changes.iter().map(|change| change.bytes().len() as u64 + VISIT_BYTES).sum();
    let every_us = 1_000_000 * bytes / ASKED_AGAIN_BYTES_PER_S + 1_000;
    for _ in 0..2 * ASKED_AGAIN_BYTES_MAX / bytes {
        let need = changes.iter().map(Verified::hash).collect();
        bench.hear(SyncMessage { need, ..SyncMessage::default() }, vec![]);
        bench.now_us += every_us;
    }
    assert_eq!(bench.closed, None);
}

#[test]
fn what_was_here_already_has_a_ration() {
    let changes = chain(1, 12, &"x".repeat(60_000));
    let mut bench = Bench::linked(&[], &[]);
    let mut times = 0;
    while bench.closed.is_none() {
        bench.push(changes.clone());
        times += 1;
        assert!(times < 1_000, "there is no end to it");
    }
    assert_eq!(bench.closed, Some(CloseCode::Ration));
    assert_eq!(bench.history().len(), changes.len());
    assert_eq!(status(&mut bench).faults[0].1.what, Misconduct::SentAgain);
}

/// Changes that wait for one that is never sent, of the actor with this random byte.
fn adrift(random: u8, count: usize, body: &str) -> Vec<Verified> {
    let mut graph = Graph::default();
    let mut last = graph.add(graph.sign(&author(2), random, vec![group().genesis()], message(0, "ground")));
    for number in 0..count {
        last = graph.add(graph.sign(&author(2), random, vec![last], message(number as i64, body)));
    }
    graph.changes.split_off(1)
}

#[test]
fn orphans_of_all_links_together_are_bounded_and_the_largest_share_gives_way() {
    let mut bench = Bench::linked(&[], &[]);
    // Each link stays within its own share, which is 4 MiB in one group.
    let each = adrift(0, 60, &"x".repeat(60_000));
    let bytes: usize = each.iter().map(|change| change.bytes().len()).sum();
    assert!(bytes < ORPHAN_BYTES_MAX);
    let links = ORPHANS_BYTES_MAX / bytes + 2;
    for number in 0..links {
        link_up(&mut bench, number);
        let link = LinkId(10 + number as u64);
        bench.handle(Event::Control { link, control: Control::Subscribe { groups: vec![group()] } });
        let changes = each.clone();
        bench.handle(Event::Sync {
            link,
            group: group(),
            message: SyncMessage { changes, ..SyncMessage::default() },
        });
        // The small share of an honest link is kept.
        if number == 0 {
            bench.push(adrift(1, 3, "honest"));
        }
    }
    assert_eq!(bench.closed, Some(CloseCode::Orphans));
    let status = status(&mut bench);
    assert!(status.links.iter().any(|link| link.link == LINK), "the honest link was closed");
    assert!(status.links.len() > links / 2, "more were closed than had to be");
}

#[test]
fn newcomers_leave_room_for_acquaintances() {
    let mut bench = Bench::new(&[], &[]);
    let acquaintance = key(usize::MAX);
    let addresses = vec!["192.0.2.9:4040".to_owned()];
    bench.command(|engine, now| engine.introduce(acquaintance, addresses, now));
    for number in 0..PEERS_MAX {
        link_up(&mut bench, number);
    }
    assert_eq!((bench.closed, status(&mut bench).links.len()), (Some(CloseCode::Full), NEWCOMERS_MAX));
    bench.closed = None;
    let (link, address) = (LinkId(5), "192.0.2.9:4040".to_owned());
    bench.handle(Event::LinkUp { link, peer: acquaintance, dialled: true, address, listen: Vec::new() });
    assert_eq!((bench.closed, status(&mut bench).links.len()), (None, NEWCOMERS_MAX + 1));
}

#[test]
fn whose_link_has_lasted_is_an_acquaintance_in_the_next_run_too() {
    let mut bench = Bench::new(&[], &[]);
    let stored =
        |bench: &Bench| peer_engine::store::Store::peers(bench.engine.store()).expect("memory does not fail");
    link_up(&mut bench, 1);
    assert_eq!(stored(&bench)[0].last_linked_ms, 0);
    let until_us = bench.now_us + ACQUAINTED_AFTER_MS * 1000;
    while bench.now_us <= until_us {
        bench.wait(5_000_000);
        bench.handle(Event::Control { link: LinkId(11), control: Control::Peers { peers: Vec::new() } });
    }
    assert!(stored(&bench)[0].last_linked_ms > 0);
}

#[test]
fn hearsay_has_a_ration_and_dials_of_its_own() {
    let mut bench = Bench::linked(&[], &[]);
    let record =
        |number| PeerRecord { key: key(number), addresses: vec![format!("192.0.2.3:{}", number + 1)] };
    for part in Control::peers(&(0..1_000).map(record).collect::<Vec<_>>()) {
        bench.handle(Event::Control { link: LINK, control: part });
    }
    bench.pass(2_000_000);
    assert_eq!(status(&mut bench).absent.len() as u64, GOSSIP_MAX);
    assert_eq!(bench.dialled.len(), HEARSAY_DIALS_MAX);
    // A peer that a ticket names does not wait for any of them.
    let addresses = vec!["192.0.2.9:4040".to_owned()];
    bench.command(|engine, now| engine.introduce(key(5_000), addresses, now));
    assert_eq!(bench.dialled.last().map(|(peer, _)| *peer), Some(key(5_000)));
    // If dials fail at once, other peers are dialled, but never faster than the ration.
    let mut dials = 0;
    let until_us = bench.now_us + 60_000_000;
    while bench.now_us < until_us {
        for (peer, address) in std::mem::take(&mut bench.dialled) {
            dials += 1;
            bench.handle(Event::DialFailed { peer, address, refused: false });
        }
        bench.wait(1_000_000);
    }
    assert!((200..400).contains(&dials), "{dials} in a minute");
}

#[test]
fn who_keeps_announcing_and_sends_nothing_is_named_until_it_does() {
    let changes = chain(1, 1, "at last");
    let mut bench = Bench::linked(&[], &[]);
    for number in 0..20u8 {
        let heads = vec![ChangeHash([number; 32])];
        bench.hear(SyncMessage { heads, ..SyncMessage::default() }, vec![]);
        bench.wait(1_000_000);
    }
    assert_eq!(status(&mut bench).withheld, [(bench.other, bench.no)]);
    bench.push(changes);
    assert!(status(&mut bench).withheld.is_empty());
}
