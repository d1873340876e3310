//! When the engine sends: at once if nothing was sent before, and together in a burst.

use peer_engine::change::Verified;
use peer_engine::engine::{Draft, Effect, Event};
use peer_engine::id::ChangeHash;
use peer_engine::limits::{ACKNOWLEDGE_EVERY_MS, PUBLISHED_MS_MAX, PUSH_EVERY_MS};
use peer_engine::time::{Now, Timestamp};
use peer_engine::wire::sync_message::SyncMessage;

use crate::graph::{Bench, Graph, LINK, group};
use crate::rng::Rng;

/// A link with a peer that has held the same entries for some time; and more changes of its author.
fn level(more: usize) -> (Bench, Vec<Verified>) {
    let mut changes = Graph::random(&mut Rng::new(7), 1, 10 + more).changes;
    let next = changes.split_off(10);
    let mut bench = Bench::linked(&changes, &[]);
    bench.hear(SyncMessage { heads: bench.heads(), ..SyncMessage::default() }, Vec::new());
    while bench.wait(1_000_000) {}
    bench.sent.clear();
    (bench, next)
}

fn write(bench: &mut Bench, body: &str) {
    let drafts = vec![Draft { body: body.to_owned(), ..Draft::default() }];
    bench.command(|engine, now| engine.write(group(), drafts, now));
}

/// The number of changes in each message that was sent since the last call.
fn sent(bench: &mut Bench) -> Vec<usize> {
    std::mem::take(&mut bench.sent).iter().map(|message| message.changes.len()).collect()
}

#[test]
fn the_first_of_a_burst_is_pushed_at_once_and_the_others_together() {
    let (mut bench, _) = level(0);
    write(&mut bench, "first");
    assert_eq!(sent(&mut bench), [1]);
    for body in ["second", "third", "fourth"] {
        write(&mut bench, body);
    }
    assert_eq!(sent(&mut bench), [0; 0]);
    assert!(bench.wait(PUSH_EVERY_MS * 1000));
    assert_eq!(sent(&mut bench), [3]);
    bench.now_us += PUSH_EVERY_MS * 1000;
    write(&mut bench, "later");
    assert_eq!(sent(&mut bench), [1]);
}

#[test]
fn what_waits_to_be_pushed_is_sent_once_to_who_asks_for_it_meanwhile() {
    let (mut bench, _) = level(0);
    let before = bench.heads();
    write(&mut bench, "first");
    write(&mut bench, "second");
    assert_eq!(sent(&mut bench), [1]);
    let need: Vec<ChangeHash> = bench.heads();
    bench.hear(SyncMessage { heads: before, need, ..SyncMessage::default() }, Vec::new());
    assert_eq!(sent(&mut bench).iter().sum::<usize>(), 1);
    bench.now_us += PUSH_EVERY_MS * 1000;
    bench.handle(Event::Tick);
    assert_eq!(sent(&mut bench).iter().sum::<usize>(), 0);
}

#[test]
fn single_entries_are_acknowledged_at_once_or_together() {
    let (mut bench, next) = level(4);
    let mut next = next.into_iter();
    let mut hear = |bench: &mut Bench| bench.push(next.by_ref().take(1).collect());
    hear(&mut bench);
    assert_eq!(sent(&mut bench), [0], "nothing was said for long");
    hear(&mut bench);
    hear(&mut bench);
    assert_eq!(sent(&mut bench), [0; 0]);
    assert!(bench.wait(ACKNOWLEDGE_EVERY_MS * 1000));
    let heads = bench.heads();
    assert_eq!(bench.sent.last().map(|message| &message.heads), Some(&heads));
    assert_eq!(sent(&mut bench), [0]);
}

#[test]
fn what_is_said_anyhow_acknowledges() {
    let (mut bench, next) = level(2);
    let mut next = next.into_iter();
    let mut hear = |bench: &mut Bench| bench.push(next.by_ref().take(1).collect());
    hear(&mut bench);
    hear(&mut bench);
    assert_eq!(sent(&mut bench), [0]);
    write(&mut bench, "an answer");
    assert_eq!(sent(&mut bench), [1]);
    bench.wait(ACKNOWLEDGE_EVERY_MS * 1000);
    assert_eq!(sent(&mut bench), [0; 0], "that has shown it");
}

#[test]
fn what_others_wrote_is_shown_at_once_and_flushed_before_anybody_is_told() {
    let (mut bench, next) = level(1);
    let (message, change) = (SyncMessage::default(), next[0].clone());
    let now = Now { wall: Timestamp::clamped(0), ticks_us: bench.now_us };
    bench.engine.handle(bench.event(message, vec![change.clone()]), now).unwrap();
    bench.engine.publish(now).unwrap();
    assert!(bench.history().contains(&change.hash()));
    let told: Vec<Effect> = std::iter::from_fn(|| bench.engine.poll_effect()).collect();
    assert!(!told.is_empty() && told.iter().all(|effect| !matches!(effect, Effect::Send { .. })));
    assert!(!after_a_power_cut(&bench).contains(&change.hash()));

    bench.engine.flush(now).unwrap();
    let told: Vec<Effect> = std::iter::from_fn(|| bench.engine.poll_effect()).collect();
    assert!(told.iter().any(|effect| matches!(effect, Effect::Send { .. })), "{told:?}");
    assert!(after_a_power_cut(&bench).contains(&change.hash()));
}

#[test]
fn what_nobody_is_told_of_is_flushed_soon_all_the_same() {
    let (mut bench, next) = level(2);
    for change in &next {
        bench.push(vec![change.clone()]);
    }
    let last = next[1].hash();
    assert_eq!(sent(&mut bench), [0], "the second is not acknowledged yet");
    assert!(bench.history().contains(&last) && !after_a_power_cut(&bench).contains(&last));
    // And it never will be.
    bench.handle(Event::LinkDown { link: LINK });
    bench.pass(PUBLISHED_MS_MAX * 1000);
    assert_eq!(sent(&mut bench), [0; 0]);
    assert!(after_a_power_cut(&bench).contains(&last));
}

fn after_a_power_cut(bench: &Bench) -> Vec<ChangeHash> {
    let mut store = bench.engine.store().clone();
    store.crash();
    store.history(bench.no)
}
