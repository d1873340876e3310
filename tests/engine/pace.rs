//! When things are said: at once where nothing was said before, in a burst together.

use peer::change::Verified;
use peer::engine::{Command, Draft, Event};
use peer::id::ChangeHash;
use peer::limits::{ACKNOWLEDGE_EVERY_MS, PUSH_EVERY_MS};
use peer::wire::sync_message::SyncMessage;

use crate::graph::{Bench, Graph, group};
use crate::rng::Rng;

/// Linked with a peer that is level, some time ago; and what else its author could send next.
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
    bench.handle(Event::Command { token: 1, command: Command::Write { group: group(), drafts } });
}

/// How many changes each message carries that was sent since this was last asked.
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
