//! Our sync session against the library's `sync::State` on a real document, from any pair of states.

use std::collections::VecDeque;

use automerge::Automerge;
use automerge::sync::{Message, State, SyncDoc};
use peer_engine::change::{Unverified, Verified};
use peer_engine::engine::{Draft, Event};
use peer_engine::id::ChangeHash;
use peer_engine::limits::PULL_STALL_MS;
use peer_engine::wire::frame::Control;
use peer_engine::wire::sync_message::SyncMessage;

use crate::graph::{Bench, Graph, LINK, genesis, group};
use crate::rng::Rng;

/// The library's side of the link.
struct Library {
    document: Automerge,
    state: State,
}

impl Library {
    fn new(changes: &[Verified], shared: &[ChangeHash]) -> Self {
        let mut file = genesis().bytes();
        changes.iter().for_each(|change| file.extend_from_slice(change.bytes()));
        let document = Automerge::load(&file).expect("valid changes load");
        // As it is after a restart: only the common heads were kept.
        let kept = State { shared_heads: foreign(shared), ..State::new() };
        let state = State::decode(&kept.encode()).expect("what is written can be read");
        Self { document, state }
    }

    fn generate(&mut self) -> Option<Vec<u8>> {
        self.document.generate_sync_message(&mut self.state).map(Message::encode)
    }

    fn receive(&mut self, message: &SyncMessage) {
        let message = Message::decode(&message.encode()).expect("the library reads what we write");
        self.document.receive_sync_message(&mut self.state, message).expect("the library takes it in");
    }

    fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<ChangeHash> =
            self.document.get_heads().iter().map(|head| ChangeHash(head.0)).collect();
        heads.sort_unstable();
        heads
    }
}

fn foreign(hashes: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
    hashes.iter().map(|hash| automerge::ChangeHash(hash.0)).collect()
}

#[derive(Debug, Default)]
struct Traffic {
    ours: usize,
    theirs: usize,
    bodies: usize,
    waited_us: u64,
}

/// Passes messages between both sides, each with a delay, until neither has anything to send.
fn converse(
    bench: &mut Bench,
    library: &mut Library,
    rng: &mut Rng,
    mut write: impl FnMut(&mut Bench, &mut Library, &mut Rng),
) -> Traffic {
    let (mut to_us, mut to_them) = (VecDeque::new(), VecDeque::new());
    let mut traffic = Traffic::default();
    let mut quiet = 0;
    to_us.extend(library.generate());
    loop {
        assert_eq!(bench.closed, None);
        to_them.extend(bench.sent.drain(..));
        match (to_us.is_empty(), to_them.is_empty()) {
            (true, true) => {
                let before_us = bench.now_us;
                bench.handle(Event::Control {
                    link: LINK,
                    control: Control::Pong { nonce: 0, wall_ms: 0, digest: None },
                });
                bench.wait(2 * PULL_STALL_MS * 1000);
                if bench.sent.is_empty() && bench.heads() == library.heads() {
                    quiet += 1;
                } else {
                    quiet = 0;
                    traffic.waited_us += bench.now_us - before_us;
                }
                if quiet == 3 {
                    return traffic;
                }
                assert!(traffic.waited_us < 60_000_000, "they never become level: {traffic:?}");
            }
            (false, empty) if empty || rng.chance(50) => {
                let bytes: Vec<u8> = to_us.pop_front().unwrap_or_default();
                let message = SyncMessage::decode(&bytes).expect("we read what the library writes");
                let verify = |bytes: &std::sync::Arc<[u8]>| {
                    let change = Unverified::decode(bytes).expect("the library sends what it was given");
                    change.verify(group()).expect("and every signature holds")
                };
                let changes = message.changes.iter().map(verify).collect();
                traffic.theirs += 1;
                bench.hear(message, changes);
            }
            _ => {
                let message: SyncMessage = to_them.pop_front().unwrap_or_default();
                traffic.ours += 1;
                traffic.bodies += message.changes.len();
                library.receive(&message);
                to_us.extend(library.generate());
            }
        }
        if rng.chance(10) {
            write(bench, library, rng);
            to_us.extend(library.generate());
        }
        assert!(traffic.ours + traffic.theirs < 400, "they talk for ever: {traffic:?}");
    }
}

/// A pair of states, and the heads that each side takes for shared, which may be right, outdated, or wrong.
fn states(rng: &mut Rng) -> (Graph, [Vec<Verified>; 2], [Vec<ChangeHash>; 2]) {
    let (authors, size) = (rng.between(1, 5) as u8, rng.between(1, 80) as usize);
    let graph = Graph::random(rng, authors, size);
    let (ours, theirs) = (graph.part(rng), graph.part(rng));
    let pick = |rng: &mut Rng, from: &[Verified]| -> Vec<ChangeHash> {
        match from.len() {
            0 => Vec::new(),
            len => vec![from[rng.index(len)].hash()],
        }
    };
    let both: Vec<Verified> = ours
        .iter()
        .filter(|change| theirs.iter().any(|other| other.hash() == change.hash()))
        .cloned()
        .collect();
    let shared = match rng.between(0, 3) {
        0 => [Vec::new(), Vec::new()],
        1 => [pick(rng, &both), pick(rng, &both)],
        // One side was restored from a backup and has lost the shared heads.
        _ => [pick(rng, &ours), pick(rng, &theirs)],
    };
    (graph, [ours, theirs], shared)
}

#[test]
fn the_library_converges_with_us_from_any_pair_of_states() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (_, [ours, theirs], [our_shared, their_shared]) = states(&mut rng);
        let mut bench = Bench::linked(&ours, &our_shared);
        let mut library = Library::new(&theirs, &their_shared);
        let traffic = converse(&mut bench, &mut library, &mut rng, |_, _, _| {});
        assert_eq!(bench.heads(), library.heads(), "seed {seed}: {traffic:?}");
        assert!(traffic.ours + traffic.theirs <= 30, "seed {seed}: {traffic:?}");
        assert!(traffic.waited_us < 1_000_000, "seed {seed} stalls: {traffic:?}");
    }
}

#[test]
fn the_library_converges_with_us_while_both_sides_write() {
    for seed in 1000..1300 {
        let mut rng = Rng::new(seed);
        let (mut graph, [ours, theirs], [our_shared, their_shared]) = states(&mut rng);
        let mut bench = Bench::linked(&ours, &our_shared);
        let mut library = Library::new(&theirs, &their_shared);
        let mut left = 12;
        let traffic = converse(&mut bench, &mut library, &mut rng, |bench, library, rng| {
            if left == 0 {
                return;
            }
            left -= 1;
            if rng.chance(50) {
                let drafts = vec![Draft { body: format!("ours {left}"), ..Draft::default() }];
                bench.command(|engine, now| engine.write(group(), drafts, now));
            } else {
                let heads = library.heads();
                let known = heads.iter().all(|head| *head == group().genesis() || graph.get(head).is_some());
                if known {
                    let who = crate::graph::author(150);
                    let change = graph.sign(&who, left, heads, crate::graph::message(5, "theirs"));
                    library.document.load_incremental(change.bytes()).expect("a valid change");
                    graph.add(change);
                }
            }
        });
        assert_eq!(bench.heads(), library.heads(), "seed {seed}: {traffic:?}");
        assert!(traffic.ours + traffic.theirs <= 120, "seed {seed}: {traffic:?}");
    }
}
