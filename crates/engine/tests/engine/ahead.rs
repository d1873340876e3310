//! Previews, the newest entries ahead of the rest: who sends them to whom, and what happens to them.

use std::sync::Arc;

use peer_engine::change::{Change, Genesis, Header, Verified};
use peer_engine::engine::{Effect, Engine, Event, Settings};
use peer_engine::group::{Verdict, admit};
use peer_engine::id::{ActorId, ChangeHash, GroupId, PeerId};
use peer_engine::limits::{
    BATCH_BYTES, BODY_BYTES_MAX, LINK_IN_FLIGHT_BYTES_MAX, LINK_QUEUE_BYTES_MAX, PREVIEW_BYTES_SENT,
    PREVIEW_ENTRIES, PREVIEW_FROM, PREVIEW_LINK_BYTES_MAX, PULL_STALL_MS,
};
use peer_engine::store::Store;
use peer_engine::sync::LinkId;
use peer_engine::wire::close::CloseCode;
use peer_engine::wire::frame::{Control, Frame};
use peer_engine::wire::sync_message::SyncMessage;

use crate::graph::{Bench, Graph, LINK, author, chain, genesis, group, message};

const OTHER: LinkId = LinkId(2);

fn hashes(changes: &[Verified]) -> Vec<ChangeHash> {
    changes.iter().map(Verified::hash).collect()
}

fn newest(bench: &mut Bench) {
    bench.handle(Event::Control { link: LINK, control: Control::Preview { group: group() } });
}

/// The previews that were sent, frame by frame.
fn sent_ahead(bench: &mut Bench) -> Vec<Vec<ChangeHash>> {
    let sent = |effect| match effect {
        Effect::Send { link: LINK, frame: Frame::Preview { group: to, changes } } if to == group() => {
            let hash =
                |bytes: &Arc<[u8]>| peer_engine::change::Unverified::decode(bytes).expect("a change").hash();
            Some(changes.iter().map(hash).collect())
        }
        _ => None,
    };
    std::mem::take(&mut bench.effects).into_iter().filter_map(sent).collect()
}

/// The links that were asked for a preview.
fn asked(bench: &mut Bench) -> Vec<LinkId> {
    let asked = |effect| match effect {
        Effect::Send { link, frame: Frame::Control(Control::Preview { group: of }) } if of == group() => {
            Some(link)
        }
        _ => None,
    };
    std::mem::take(&mut bench.effects).into_iter().filter_map(asked).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Ahead(PeerId, Vec<ChangeHash>),
    Over,
}

/// The changes of the group's preview, as watchers see them.
fn seen(bench: &mut Bench) -> Vec<Seen> {
    let seen = |effect| match effect {
        Effect::Preview { group, peer, changes } if group == bench.no => {
            Some(Seen::Ahead(peer, hashes(&changes)))
        }
        Effect::PreviewOver { group } if group == bench.no => Some(Seen::Over),
        _ => None,
    };
    std::mem::take(&mut bench.effects).into_iter().filter_map(seen).collect()
}

fn link_up(bench: &mut Bench, link: LinkId, peer: PeerId) {
    let address = "192.0.2.2:4040".to_owned();
    bench.handle(Event::LinkUp { link, peer, dialled: true, address, listen: Vec::new() });
    bench.handle(Event::Control { link, control: Control::Subscribe { groups: vec![group()] } });
}

fn announce(bench: &mut Bench, link: LinkId, changes: &[Verified]) {
    let heads = changes.last().map(Verified::hash).into_iter().collect();
    bench.handle(Event::Sync {
        link,
        group: group(),
        message: SyncMessage { heads, ..SyncMessage::default() },
    });
}

fn ahead(bench: &mut Bench, link: LinkId, group: GroupId, changes: &[Verified]) {
    bench.handle(Event::Preview { link, group, changes: changes.to_vec() });
}

/// A newcomer that has learnt of all these changes on the first link, and has asked for a preview.
fn newcomer(changes: &[Verified]) -> Bench {
    let mut bench = Bench::linked(&[], &[]);
    announce(&mut bench, LINK, changes);
    assert_eq!(asked(&mut bench), [LINK]);
    bench
}

/// Another link announces these changes, and the catch-up moves to it.
fn move_on(bench: &mut Bench, changes: &[Verified]) {
    link_up(bench, OTHER, author(201).peer());
    announce(bench, OTHER, changes);
    while asked(bench) != [OTHER] {
        assert!(bench.wait(60_000_000), "nobody else is asked");
    }
}

fn waiting(bench: &mut Bench) -> u64 {
    bench.command(|engine, now| engine.status(now)).rooms.iter().map(|room| room.waiting).sum()
}

#[test]
fn the_newest_fifty_are_sent_as_they_are_displayed_oldest_first() {
    // Two chains that do not know of each other: the entries of one are sorted between those of the other.
    let mut graph = Graph::default();
    for (who, odd) in [(1, 0), (2, 1)] {
        let mut last = group().genesis();
        for number in 0..700 {
            let content = message(1_000 + 2 * number + odd, "hello");
            last = graph.add(graph.sign(&author(who), 0, vec![last], content));
        }
    }
    let (first, second) = graph.changes.split_at(700);
    let both = first.iter().zip(second).flat_map(|(one, other)| [one.hash(), other.hash()]);
    let expected: Vec<ChangeHash> = both.skip(1_400 - PREVIEW_ENTRIES).collect();

    let mut bench = Bench::linked(&graph.changes, &[]);
    newest(&mut bench);
    assert_eq!(sent_ahead(&mut bench), [expected]);
}

#[test]
fn of_long_entries_as_many_are_sent_as_fit_and_one_at_least() {
    let changes = chain(1, PREVIEW_FROM as usize, &"x".repeat(PREVIEW_BYTES_SENT * 3 / 10));
    let mut bench = Bench::linked(&changes, &[]);
    newest(&mut bench);
    assert_eq!(sent_ahead(&mut bench), [hashes(&changes[changes.len() - 3..])]);

    let mut graph = Graph::default();
    let mut last = group().genesis();
    for number in 0..PREVIEW_FROM as i64 {
        let bytes = if number + 1 == PREVIEW_FROM as i64 { BODY_BYTES_MAX } else { 1 };
        last = graph.add(graph.sign(&author(1), 0, vec![last], message(number, &"x".repeat(bytes))));
    }
    let mut bench = Bench::linked(&graph.changes, &[]);
    newest(&mut bench);
    assert_eq!(sent_ahead(&mut bench), [[last]]);
}

#[test]
fn a_group_that_soon_arrives_is_not_sent_ahead() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let mut bench = Bench::linked(&changes[..changes.len() - 1], &[]);
    newest(&mut bench);
    assert!(sent_ahead(&mut bench).is_empty());
    let mut bench = Bench::linked(&changes, &[]);
    newest(&mut bench);
    assert_eq!(sent_ahead(&mut bench).len(), 1);
}

#[test]
fn a_link_is_answered_once_and_its_sessions_do_not_make_it_more() {
    let mut bench = Bench::linked(&chain(1, PREVIEW_FROM as usize, "hello"), &[]);
    newest(&mut bench);
    newest(&mut bench);
    for control in
        [Control::Unsubscribe { groups: vec![group()] }, Control::Subscribe { groups: vec![group()] }]
    {
        bench.handle(Event::Control { link: LINK, control });
        newest(&mut bench);
    }
    assert_eq!(sent_ahead(&mut bench).len(), 1);
    // Asking again is not free, either.
    let mut times = 0;
    while bench.closed.is_none() {
        newest(&mut bench);
        times += 1;
        assert!(times < 100_000, "there is no end to it");
    }
    assert_eq!(bench.closed, Some(CloseCode::Ration));
    assert!(times > 1_000, "{times}");
    assert!(sent_ahead(&mut bench).is_empty());
}

#[test]
fn who_takes_no_part_in_the_group_is_sent_nothing() {
    let mut bench = Bench::new(&chain(1, PREVIEW_FROM as usize, "hello"), &[]);
    let (peer, address) = (bench.other, "192.0.2.1:4040".to_owned());
    bench.handle(Event::LinkUp { link: LINK, peer, dialled: true, address, listen: Vec::new() });
    newest(&mut bench);
    assert!(sent_ahead(&mut bench).is_empty());
    // The request before the subscription did not use up the one preview.
    bench.handle(Event::Control { link: LINK, control: Control::Subscribe { groups: vec![group()] } });
    newest(&mut bench);
    assert_eq!(sent_ahead(&mut bench).len(), 1);
}

/// A link may ask in any number of groups: the previews together have to fit into its queue.
#[test]
fn what_one_link_is_sent_ahead_has_a_ration() {
    let bench = Bench::new(&[], &[]);
    let (mut store, mut groups) = (bench.engine.into_store(), Vec::new());
    for number in 0..PREVIEW_LINK_BYTES_MAX / PREVIEW_BYTES_SENT as u64 + 10 {
        let genesis = Genesis::public(genesis().mesh, format!("group-{number}").parse().expect("a name"));
        let no = store.add_group(&genesis, true).expect("memory does not fail");
        let (who, mut last, mut start_op) = (author(1), genesis.id().genesis(), Genesis::MAX_OP + 1);
        for seq in 1..=PREVIEW_FROM {
            let body = if seq + 3 > PREVIEW_FROM { "x".repeat(20_000) } else { "x".to_owned() };
            let actor = ActorId::new(who.peer(), [0; 8]);
            let header = Header { deps: vec![last], actor, seq, start_op };
            let change = Change::sign(genesis.id(), header, message(0, &body), &who).expect("a valid change");
            (last, start_op) = (change.hash(), change.max_op() + 1);
            let Ok(Verdict::Admitted(admitted)) = admit(&store, no, change) else { panic!("refused") };
            store.append(no, &admitted).expect("memory does not fail");
        }
        groups.push(genesis.id());
    }
    let settings =
        Settings { identity: author(100), mesh: genesis().mesh, writer_stamp: [1; 32], seed: [2; 32] };
    let mut bench =
        Bench { engine: Engine::new(store, settings).expect("memory does not fail"), ..Bench::new(&[], &[]) };
    let (peer, address) = (bench.other, "192.0.2.1:4040".to_owned());
    bench.handle(Event::LinkUp { link: LINK, peer, dialled: true, address, listen: Vec::new() });
    bench.handle(Event::Control { link: LINK, control: Control::Subscribe { groups: groups.clone() } });
    for group in groups {
        bench.handle(Event::Control { link: LINK, control: Control::Preview { group } });
    }
    let bytes = bench.effects.iter().map(|effect| match effect {
        Effect::Send { frame: Frame::Preview { changes, .. }, .. } => {
            changes.iter().map(|change| change.len()).sum()
        }
        _ => 0,
    });
    let bytes: usize = bytes.sum();
    let most = PREVIEW_LINK_BYTES_MAX as usize;
    assert!((most..most + BATCH_BYTES).contains(&bytes), "{bytes}");
    assert!(bytes + LINK_IN_FLIGHT_BYTES_MAX < LINK_QUEUE_BYTES_MAX);
    assert_eq!(bench.closed, None);
}

#[test]
fn a_newcomer_asks_before_it_pulls_and_shows_what_comes() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let last = &changes[changes.len() - PREVIEW_ENTRIES..];
    let mut bench = newcomer(&changes);
    let pulls: Vec<SyncMessage> = std::mem::take(&mut bench.sent);
    assert_eq!(pulls.last().map(|pull| pull.need.clone()), Some(hashes(&last[PREVIEW_ENTRIES - 1..])));
    ahead(&mut bench, LINK, group(), last);
    let other = bench.other;
    assert_eq!(seen(&mut bench), [Seen::Ahead(other, hashes(last))]);
    assert_eq!(bench.closed, None);
}

#[test]
fn what_comes_ahead_enters_nothing_and_the_catch_up_brings_it_again() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let catch_up = |preview: bool| {
        let mut bench = newcomer(&changes);
        if preview {
            ahead(&mut bench, LINK, group(), &changes[changes.len() - PREVIEW_ENTRIES..]);
            assert_eq!((bench.history(), bench.heads()), (vec![], vec![group().genesis()]));
            assert_eq!(waiting(&mut bench), 0);
        }
        for part in changes.chunks(300) {
            let heads = vec![changes[changes.len() - 1].hash()];
            bench.hear(SyncMessage { heads, ..SyncMessage::default() }, part.to_vec());
        }
        assert_eq!(bench.history(), hashes(&changes));
        bench
    };
    let (mut with, without) = (catch_up(true), catch_up(false));
    assert_eq!(with.sent, without.sent, "the catch-up is another");
    assert_eq!((with.closed, seen(&mut with).last()), (None, Some(&Seen::Over)));
}

#[test]
fn who_has_much_of_a_group_or_was_level_once_does_not_ask() {
    let changes = chain(1, PREVIEW_FROM as usize + 1, "hello");
    for held in [PREVIEW_FROM as usize - 1, PREVIEW_FROM as usize] {
        let mut bench = Bench::linked(&changes[..held], &[]);
        announce(&mut bench, LINK, &changes);
        assert_eq!(asked(&mut bench).len(), usize::from(held < PREVIEW_FROM as usize), "{held}");
    }
    let mut bench = Bench::linked(&changes[..1], &[]);
    announce(&mut bench, LINK, &changes[..1]);
    announce(&mut bench, LINK, &changes);
    bench.pass(1_000_000);
    assert!(asked(&mut bench).is_empty());
}

#[test]
fn who_sends_ahead_unasked_loses_its_link() {
    let changes = chain(1, 2, "hello");
    let mut bench = Bench::linked(&[], &[]);
    ahead(&mut bench, LINK, group(), &changes);
    assert_eq!(bench.closed, Some(CloseCode::Protocol));

    // A preview of a group that was not asked for, or a second one.
    for of in [GroupId([7; 32]), group()] {
        let mut bench = newcomer(&changes);
        if of == group() {
            ahead(&mut bench, LINK, of, &changes[1..]);
            assert_eq!(bench.closed, None);
        }
        ahead(&mut bench, LINK, of, &changes);
        assert_eq!(bench.closed, Some(CloseCode::Protocol));
    }
}

#[test]
fn what_comes_too_late_is_dropped_and_nobody_is_blamed() {
    let changes = chain(1, 2, "hello");
    let mut bench = newcomer(&changes);
    bench.push(changes.clone());
    ahead(&mut bench, LINK, group(), &changes);
    assert_eq!((seen(&mut bench), bench.closed), (vec![], None));

    // The group's session has ended meanwhile.
    let mut bench = newcomer(&changes);
    bench.handle(Event::Control { link: LINK, control: Control::Unsubscribe { groups: vec![group()] } });
    ahead(&mut bench, LINK, group(), &changes);
    assert_eq!((seen(&mut bench), bench.closed), (vec![], None));
}

#[test]
fn what_is_stored_by_then_is_left_out_and_nothing_is_shown_twice() {
    let changes = chain(1, 4, "hello");
    let mut bench = newcomer(&changes);
    bench.hear(
        SyncMessage { heads: vec![changes[3].hash()], ..SyncMessage::default() },
        changes[..2].to_vec(),
    );
    ahead(&mut bench, LINK, group(), &[&changes[1..], &changes[2..3]].concat());
    let other = bench.other;
    assert_eq!(seen(&mut bench), [Seen::Ahead(other, hashes(&changes[2..]))]);
}

#[test]
fn a_link_that_ends_takes_its_preview_along_and_the_next_one_is_asked() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let last = &changes[changes.len() - PREVIEW_ENTRIES..];
    let mut bench = newcomer(&changes);
    link_up(&mut bench, OTHER, author(201).peer());
    announce(&mut bench, OTHER, &changes);
    assert!(asked(&mut bench).is_empty(), "one at a time");
    ahead(&mut bench, LINK, group(), last);
    bench.effects.clear();
    bench.handle(Event::LinkDown { link: LINK });
    let effects = std::mem::take(&mut bench.effects);
    let over = effects.iter().filter(|effect| matches!(effect, Effect::PreviewOver { .. })).count();
    bench.effects = effects;
    assert_eq!((over, asked(&mut bench)), (1, vec![OTHER]));
    ahead(&mut bench, OTHER, group(), last);
    assert_eq!(seen(&mut bench), [Seen::Ahead(author(201).peer(), hashes(last))]);
}

#[test]
fn a_link_that_the_catch_up_has_left_is_not_waited_for() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let mut bench = newcomer(&changes);
    move_on(&mut bench, &changes);
    ahead(&mut bench, OTHER, group(), &changes[1..2]);
    ahead(&mut bench, LINK, group(), &changes[..1]);
    let shown = Seen::Ahead(author(201).peer(), hashes(&changes[1..2]));
    assert_eq!((seen(&mut bench), bench.closed), (vec![shown], None));
}

/// So a peer that sends a preview, and nothing of the rest, does not keep the others from sending theirs.
#[test]
fn where_the_catch_up_moves_to_another_link_its_preview_takes_the_place_of_the_first() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let mut bench = newcomer(&changes);
    ahead(&mut bench, LINK, group(), &changes[..1]);
    move_on(&mut bench, &changes);
    ahead(&mut bench, OTHER, group(), &changes[999..]);
    assert_eq!(seen(&mut bench), [Seen::Ahead(author(201).peer(), hashes(&changes[999..]))]);
    // The new preview does not end with the link that sent the first one.
    bench.handle(Event::LinkDown { link: LINK });
    assert_eq!(seen(&mut bench), []);
}

#[test]
fn a_preview_ends_when_all_that_its_sender_has_is_here_whoever_brought_it() {
    let changes = chain(1, 4, "hello");
    let mut bench = newcomer(&changes);
    ahead(&mut bench, LINK, group(), &changes[2..]);
    bench.effects.clear();
    link_up(&mut bench, OTHER, author(201).peer());
    let message = SyncMessage {
        heads: vec![changes[3].hash(), ChangeHash([0xee; 32])],
        changes: changes.clone(),
        ..SyncMessage::default()
    };
    bench.handle(Event::Sync { link: OTHER, group: group(), message });
    let mut news = seen(&mut bench);
    news.truncate(1);
    assert_eq!(news, [Seen::Over]);
}

#[test]
fn who_leaves_the_group_sees_no_preview_any_more() {
    let changes = chain(1, 4, "hello");
    let mut bench = newcomer(&changes);
    ahead(&mut bench, LINK, group(), &changes[2..]);
    bench.effects.clear();
    let no = bench.no;
    bench.command(|engine, now| engine.leave(no, now));
    assert_eq!(seen(&mut bench), [Seen::Over]);
}

/// The peer has sent a preview and announces heads that it never sends, and everything else has arrived from
/// another one. A new change at that moment keeps its preview up for no longer than one pull.
#[test]
fn who_sends_nothing_of_what_it_announced_does_not_keep_its_preview_up() {
    for something_new in [false, true] {
        let changes = chain(1, PREVIEW_FROM as usize, "hello");
        let mut bench = newcomer(&changes);
        ahead(&mut bench, LINK, group(), &changes[..1]);
        move_on(&mut bench, &changes[..9]);
        if something_new {
            bench.hear(
                SyncMessage { heads: vec![changes[999].hash()], ..SyncMessage::default() },
                changes[500..501].to_vec(),
            );
        }
        let message = SyncMessage {
            heads: vec![changes[8].hash()],
            changes: changes[..9].to_vec(),
            ..SyncMessage::default()
        };
        bench.handle(Event::Sync { link: OTHER, group: group(), message });
        let mut told = seen(&mut bench);
        assert_eq!(told.is_empty(), something_new);
        bench.pass(2 * PULL_STALL_MS * 1000);
        told.extend(seen(&mut bench));
        assert_eq!(told, [Seen::Over]);
    }
}

#[test]
fn an_answer_that_comes_after_another_link_was_asked_is_better_than_none() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let mut bench = newcomer(&changes);
    move_on(&mut bench, &changes);
    ahead(&mut bench, LINK, group(), &changes[999..]);
    assert_eq!(seen(&mut bench), [Seen::Ahead(bench.other, hashes(&changes[999..]))]);
}

#[test]
fn the_time_that_it_takes_on_a_slow_line_is_not_held_against_the_catch_up() {
    let changes = chain(1, PREVIEW_FROM as usize, "hello");
    let mut bench = newcomer(&changes);
    link_up(&mut bench, OTHER, author(201).peer());
    announce(&mut bench, OTHER, &changes);
    bench.pass(PULL_STALL_MS * 1000 - 1);
    ahead(&mut bench, LINK, group(), &changes[999..]);
    bench.effects.clear();
    bench.pass(PULL_STALL_MS * 1000 - 1);
    assert_eq!(asked(&mut bench), []);
    bench.pass(2);
    assert_eq!(asked(&mut bench), [OTHER]);
}
