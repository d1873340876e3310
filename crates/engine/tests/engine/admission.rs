//! The engine's stage of the gate: changes that fit the group get in, in any order; others close the link.

use std::sync::Arc;

use peer_engine::change::{Change, Unverified, Verified};
use peer_engine::engine::{Draft, Event};
use peer_engine::id::{ActorId, ChangeHash, MeshId};
use peer_engine::limits::ORPHANS_MAX;
use peer_engine::store::Store;
use peer_engine::wire::close::CloseCode;
use peer_engine::wire::sync_message::{Have, SyncMessage};

use crate::graph::{Bench, Graph, author, genesis, group, message};
use crate::rng::Rng;

/// Two changes of author 1: one on the genesis, one on the first.
fn chain() -> Graph {
    let mut graph = Graph::default();
    let first = graph.add(graph.sign(&author(1), 0, vec![group().genesis()], message(1, "one")));
    graph.add(graph.sign(&author(1), 0, vec![first], message(2, "two")));
    graph
}

fn sign(seq: u64, start_op: u64, deps: Vec<ChangeHash>) -> Verified {
    let header =
        peer_engine::change::Header { deps, actor: ActorId::new(author(1).peer(), [0; 8]), seq, start_op };
    Change::sign(group(), header, message(3, "three"), &author(1)).expect("well formed")
}

#[test]
fn counters_that_do_not_follow_from_the_dependencies_cost_the_link() {
    let graph = chain();
    let last = &graph.changes[1];
    let (seq, start_op) = (last.header().seq + 1, last.max_op() + 1);
    for (seq, start_op) in
        [(seq + 1, start_op), (seq - 1, start_op), (1, start_op), (seq, start_op + 1), (seq, start_op - 1)]
    {
        let mut bench = Bench::linked(&graph.changes, &[]);
        bench.push(vec![sign(seq, start_op, vec![last.hash()])]);
        assert_eq!(bench.closed, Some(CloseCode::Change), "seq {seq}, start {start_op}");
        assert_eq!(bench.history().len(), 2);
    }
    let mut bench = Bench::linked(&graph.changes, &[]);
    bench.push(vec![sign(seq, start_op, vec![last.hash()])]);
    assert_eq!(bench.closed, None);
    assert_eq!(bench.history().len(), 3);
}

#[test]
fn an_author_cannot_skip_its_own_previous_change() {
    let graph = chain();
    let mut bench = Bench::linked(&graph.changes, &[]);
    // By the rules this has sequence number 1 again: a fork, not a gap.
    bench.push(vec![sign(1, 5, vec![group().genesis()])]);
    assert_eq!(bench.closed, None);
    let forks = bench.engine.store().forks().expect("memory does not fail");
    assert_eq!(forks.len(), 1);
    assert_eq!((forks[0].author, forks[0].seq), (author(1).peer(), 1));
}

#[test]
fn changes_are_admitted_in_whatever_order_they_come() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let graph = Graph::random(&mut rng, 4, 40);
        let right = {
            let bench = Bench::new(&graph.changes, &[]);
            bench.history()
        };
        let mut shuffled = graph.changes.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, rng.index(at + 1));
        }
        let mut bench = Bench::linked(&[], &[]);
        while !shuffled.is_empty() {
            let size = rng.between(1, 5).min(shuffled.len() as u64) as usize;
            bench.push(shuffled.drain(..size).collect());
        }
        assert_eq!(bench.closed, None, "seed {seed}");
        assert_eq!(bench.history(), right, "seed {seed}");
    }
}

#[test]
fn what_waits_for_something_unknown_is_asked_for_and_not_stored() {
    let graph = chain();
    let mut bench = Bench::linked(&[], &[]);
    bench.sent.clear();
    bench.push(vec![graph.changes[1].clone()]);
    assert!(bench.history().is_empty());
    while bench.sent.iter().all(|message| message.need.is_empty()) {
        assert!(bench.wait(10_000_000), "never asks");
    }
    let asked: Vec<ChangeHash> = bench.sent.iter().flat_map(|message| message.need.clone()).collect();
    assert_eq!(asked, [graph.changes[0].hash()]);
    bench.push(vec![graph.changes[0].clone()]);
    assert_eq!(bench.history().len(), 2);
}

#[test]
fn a_bad_change_costs_the_link_that_brought_it_and_not_the_one_that_completes_it() {
    let graph = chain();
    let bad = sign(7, 99, vec![graph.changes[1].hash()]);
    let mut bench = Bench::linked(&graph.changes[..1], &[]);
    let liar = peer_engine::sync::LinkId(2);
    let address = "192.0.2.2:4040".to_owned();
    let peer = author(201).peer();
    bench.handle(Event::LinkUp { link: liar, peer, dialled: true, address, listen: Vec::new() });
    let control = peer_engine::wire::frame::Control::Subscribe { groups: vec![group()] };
    bench.handle(Event::Control { link: liar, control });
    let told = SyncMessage { heads: vec![bad.hash()], changes: vec![bad], ..Default::default() };
    bench.handle(Event::Sync { link: liar, group: group(), message: told });
    assert_eq!(bench.closed, None);
    bench.push(vec![graph.changes[1].clone()]);
    assert_eq!(bench.closed, Some(CloseCode::Change));
    assert_eq!(bench.history().len(), 2);
    // The honest link still stands.
    let third = graph.sign(&author(2), 0, vec![graph.changes[1].hash()], message(4, "and on"));
    bench.push(vec![third]);
    assert_eq!(bench.history().len(), 3);
}

#[test]
fn a_change_cannot_be_replayed_into_another_group_or_mesh() {
    let graph = chain();
    let others = [
        peer_engine::change::Genesis::public(genesis().mesh, "python".parse().expect("a valid name")),
        peer_engine::change::Genesis::public(MeshId([9; 16]), genesis().name),
    ];
    for change in &graph.changes {
        let read = || Unverified::decode(change.bytes()).expect("a valid change");
        assert!(read().verify(group()).is_ok());
        for other in &others {
            assert!(read().verify(other.id()).is_err());
        }
    }
}

#[test]
fn equivocation_converges_and_is_flagged() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut graph = Graph::random(&mut rng, 3, 20);
        // Author 1 uses the same number twice, and other authors write on top of both branches.
        let base = graph.changes[rng.index(20)].hash();
        let twins: Vec<ChangeHash> = ["left", "right"]
            .map(|text| graph.add(graph.sign(&author(9), 0, vec![base], message(7, text))))
            .to_vec();
        let left = graph.add(graph.sign(&author(10), 0, vec![twins[0]], message(8, "on the left")));
        let right = graph.add(graph.sign(&author(11), 0, vec![twins[1]], message(8, "on the right")));
        graph.add(graph.sign(&author(9), 0, vec![left, twins[0]], message(9, "the left goes on")));
        graph.add(graph.sign(&author(12), 0, vec![left, right], message(9, "both")));

        let mut histories = Vec::new();
        for _ in 0..3 {
            let mut shuffled = graph.changes.clone();
            for at in (1..shuffled.len()).rev() {
                shuffled.swap(at, rng.index(at + 1));
            }
            let mut bench = Bench::linked(&[], &[]);
            bench.push(shuffled);
            assert_eq!(bench.closed, None);
            let forks = bench.engine.store().forks().expect("memory does not fail");
            assert!(forks.iter().any(|fork| fork.author == author(9).peer()), "seed {seed}: not flagged");
            assert!(forks.iter().all(|fork| fork.author == author(9).peer()), "seed {seed}: {forks:?}");
            let mut proof = [forks[0].entries.0, forks[0].entries.1];
            proof.sort_unstable();
            assert_eq!(forks[0].seq, graph.get(&proof[0]).map_or(0, |change| change.header().seq));
            histories.push(bench.history());
        }
        assert_eq!(histories[0].len(), graph.changes.len());
        assert!(histories.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}");
    }
}

#[test]
fn an_own_actor_that_somebody_else_uses_is_never_used_again() {
    let mut bench = Bench::linked(&[], &[]);
    let write = |bench: &mut Bench, body: &str| {
        let drafts = vec![Draft { body: body.to_owned(), ..Draft::default() }];
        bench.command(|engine, now| engine.write(group(), drafts, now));
    };
    write(&mut bench, "mine");
    let sent: Vec<Arc<[u8]>> = bench.sent.iter().flat_map(|message| message.changes.clone()).collect();
    let mine = match sent.last() {
        Some(bytes) => Unverified::decode(bytes).expect("a valid change").header().clone(),
        None => {
            // This peer lacks changes: the other side asks.
            let need = bench.heads();
            bench.hear(SyncMessage { heads: vec![group().genesis()], need, ..Default::default() }, vec![]);
            let bytes =
                bench.sent.iter().flat_map(|message| message.changes.clone()).next_back().expect("an answer");
            Unverified::decode(&bytes).expect("a valid change").header().clone()
        }
    };
    // A copy of this peer, with the same key and the same actor, wrote something else.
    let twin =
        Change::sign(group(), mine.clone(), message(1, "the copy's"), &author(100)).expect("well formed");
    bench.push(vec![twin.clone()]);
    assert_eq!(bench.closed, None);
    bench.sent.clear();
    write(&mut bench, "mine again");
    let need = bench.heads();
    let heads = vec![twin.hash()];
    bench.hear(SyncMessage { heads, need, ..Default::default() }, vec![]);
    let actors: Vec<ActorId> = bench
        .sent
        .iter()
        .flat_map(|message| &message.changes)
        .map(|bytes| Unverified::decode(bytes).expect("a valid change"))
        .filter(|change| {
            change.change().content.body == peer_engine::change::Body::Text("mine again".to_owned())
        })
        .map(|change| change.header().actor)
        .collect();
    assert!(!actors.is_empty());
    assert!(actors.iter().all(|actor| *actor != mine.actor && actor.author() == author(100).peer()));
}

#[test]
fn entries_of_unknown_kind_pass_through() {
    let graph = Graph::default();
    let content = peer_engine::change::Content { kind: Some("x.poll".to_owned()), ..message(1, "a or b?") };
    let change = graph.sign(&author(1), 0, vec![group().genesis()], content);
    let mut bench = Bench::linked(&[], &[]);
    bench.push(vec![change.clone()]);
    assert_eq!(bench.history(), [change.hash()]);
    // And it is passed on, byte for byte.
    bench.sent.clear();
    let ask = SyncMessage { heads: vec![group().genesis()], need: vec![change.hash()], ..Default::default() };
    bench.hear(ask, vec![]);
    let handed_on: Vec<Arc<[u8]>> = bench.sent.iter().flat_map(|message| message.changes.clone()).collect();
    assert_eq!(handed_on, [change.bytes().clone()]);
}

#[test]
fn a_peer_without_any_heads_gets_everything_and_breaks_nothing() {
    let graph = chain();
    let mut bench = Bench::linked(&graph.changes, &[]);
    bench.sent.clear();
    let have = vec![Have::default()];
    bench.hear(SyncMessage { have, ..Default::default() }, vec![]);
    let sent: usize = bench.sent.iter().map(|message| message.changes.len()).sum();
    assert_eq!(sent, 2);
}

#[test]
fn more_heads_than_a_change_can_name_are_merged_over_several() {
    let mut graph = Graph::default();
    for number in 1..=150 {
        let change =
            graph.sign(&author(number), 0, vec![group().genesis()], message(i64::from(number), "hello"));
        graph.add(change);
    }
    let mut bench = Bench::linked(&graph.changes, &[]);
    for (round, left) in [(1, 150 - 64 + 1), (2, 24), (3, 1)] {
        let drafts = vec![Draft { body: format!("merge {round}"), ..Draft::default() }];
        bench.command(|engine, now| engine.write(group(), drafts, now));
        assert_eq!(bench.heads().len(), left, "after {round}");
    }
    assert_eq!(bench.history().len(), 153);
}

#[test]
fn a_link_that_brings_more_than_can_wait_is_closed_and_what_waited_is_dropped() {
    let mut graph = Graph::default();
    let mut last = group().genesis();
    for number in 0..ORPHANS_MAX as i64 + 2 {
        last = graph.add(graph.sign(&author(1), 0, vec![last], message(number, "hello")));
    }
    let mut bench = Bench::linked(&[], &[]);
    for part in graph.changes[1..=ORPHANS_MAX].chunks(500) {
        bench.push(part.to_vec());
    }
    assert_eq!(bench.closed, None);
    bench.push(vec![graph.changes[ORPHANS_MAX + 1].clone()]);
    assert_eq!(bench.closed, Some(CloseCode::Orphans));
    assert!(bench.history().is_empty());
}

#[test]
fn a_peer_that_does_not_back_up_its_heads_is_asked_once_and_may_do_it_later() {
    let graph = chain();
    let mut bench = Bench::linked(&[], &[]);
    let heads = vec![graph.changes[1].hash()];
    let announce = |bench: &mut Bench| {
        bench.hear(SyncMessage { heads: heads.clone(), ..SyncMessage::default() }, vec![]);
    };
    let requests = |bench: &Bench| bench.sent.iter().filter(|message| !message.need.is_empty()).count();
    announce(&mut bench);
    let until_us = bench.now_us + 60_000_000;
    while bench.now_us < until_us {
        bench.wait(1_000_000);
        announce(&mut bench);
    }
    assert_eq!(requests(&bench), 1);
    // Changes that arrive late are still taken, and their missing dependencies are requested.
    bench.push(vec![graph.changes[1].clone()]);
    let asked = bench.sent.iter().flat_map(|message| message.need.clone()).next_back();
    assert_eq!((requests(&bench), asked), (2, Some(graph.changes[0].hash())));
    bench.push(vec![graph.changes[0].clone()]);
    assert_eq!(bench.history().len(), 2);
}
