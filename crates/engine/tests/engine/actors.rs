//! A peer continues the actor of its last run only if it is certain that no other copy has used it since.

use peer_engine::change::Unverified;
use peer_engine::engine::{Draft, Engine, Settings};
use peer_engine::group::ChangeGraph;
use peer_engine::id::ActorId;
use peer_engine::store::{MemoryStore, Store};
use peer_engine::time::Now;

use crate::graph::{Bench, author, genesis, group};

const STAMP: [u8; 32] = [1; 32];

/// A run that writes one entry. Returns its actor and number, and the store afterwards.
fn run(store: MemoryStore, seed: u8, stamp: [u8; 32], in_order: bool) -> ((ActorId, u64), MemoryStore) {
    let settings =
        Settings { identity: author(100), mesh: genesis().mesh, writer_stamp: stamp, seed: [seed; 32] };
    let mut bench = Bench::new(&[], &[]);
    bench.engine = Engine::new(store, settings).unwrap();
    let drafts = vec![Draft { body: "hello".to_owned(), ..Draft::default() }];
    bench.command(|engine, now| engine.write(group(), drafts, now));
    if in_order {
        bench.engine.keep_writers().unwrap();
        bench.engine.commit(Now::default()).unwrap();
    }
    let (no, last) = (bench.no, bench.heads()[0]);
    let store = bench.engine.into_store();
    let last = store.change(no, store.find(no, &last).unwrap().unwrap()).unwrap();
    let header = Unverified::decode(&last).unwrap().header().clone();
    ((header.actor, header.seq), store)
}

fn new_store() -> MemoryStore {
    Bench::new(&[], &[]).engine.into_store()
}

#[test]
fn who_stopped_in_order_goes_on_with_the_actor() {
    let ((first, _), store) = run(new_store(), 2, STAMP, true);
    let (second, store) = run(store, 3, STAMP, true);
    assert_eq!(second, (first, 2));
    assert_eq!(run(store, 4, STAMP, true).0, (first, 3));
}

#[test]
fn who_did_not_takes_another() {
    let ((first, _), store) = run(new_store(), 2, STAMP, false);
    assert_ne!(run(store, 3, STAMP, true).0.0, first);

    // What was kept is older than what was written.
    let ((first, _), store) = run(new_store(), 2, STAMP, true);
    let (second, store) = run(store, 3, STAMP, false);
    assert_eq!(second, (first, 2));
    assert_ne!(run(store, 4, STAMP, true).0.0, first);
}

#[test]
fn in_another_place_it_is_another() {
    let ((first, _), store) = run(new_store(), 2, STAMP, true);
    let ((second, _), store) = run(store, 3, [9; 32], true);
    assert_ne!(second, first);
    // The first actor was given up.
    assert_eq!(run(store, 4, [9; 32], true).0, (second, 2));
}
