//! Every kind in the list folds to the same result on all peers: in any order of arrival, in any portions,
//! once or twice.

use std::collections::BTreeSet;

use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::kinds::{self, Fold, Folded, KINDS, Mark, Opened};
use peer_engine::limits::KIND_BYTES_MAX;
use proptest::prelude::*;
use proptest::sample::Index;

/// The parts of an entry that folds use.
#[derive(Clone, Debug)]
struct Written {
    id: ChangeHash,
    eff: i64,
    author: PeerId,
    kind: &'static str,
    re: Option<ChangeHash>,
    body: String,
}

impl Written {
    fn opened(&self) -> Opened<'_> {
        let Self { id, eff, author, kind, re, body } = self;
        Opened { id: *id, eff: *eff, author: *author, kind: Some(kind), re: *re, body }
    }
}

/// Few authors, targets and times, so that entries often meet in one slot, also at the same time.
fn written() -> impl Strategy<Value = Written> {
    let entry = (0..KINDS.len(), any::<[u8; 32]>(), 0..4_i64, 0..3_u8, proptest::option::of(0..3_u8));
    let body = (any::<Index>(), proptest::option::weighted(0.2, ".{0,600}"));
    (entry, body).prop_map(|((kind, id, eff, author, re), (example, other))| Written {
        id: ChangeHash(id),
        eff,
        author: PeerId([author; 32]),
        kind: KINDS[kind].name(),
        re: re.map(|target| ChangeHash([target; 32])),
        body: other.unwrap_or_else(|| (*example.get(KINDS[kind].examples())).to_owned()),
    })
}

fn folded<'a>(entries: impl IntoIterator<Item = &'a Written>) -> Folded {
    let mut folded = Folded::default();
    for entry in entries {
        if let Some(fold) = kinds::fold(&entry.opened()) {
            folded.set((entry.eff, entry.id), fold);
        }
    }
    folded
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (entries, shuffled) in proptest::collection::vec(written(), 0..40)
            .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        again in any::<Index>(),
    ) {
        let once = folded(&entries);
        prop_assert_eq!(&folded(&shuffled), &once);
        // Entries may be folded again: when a key opens a part of the log, or after a restart.
        let from = again.index(entries.len() + 1);
        prop_assert_eq!(&folded(shuffled.iter().chain(&entries[from..])), &once);
    }

    #[test]
    fn the_last_in_display_order_counts(entries in proptest::collection::vec(written(), 1..40)) {
        let mut in_order = entries.clone();
        in_order.sort_by_key(|entry| (entry.eff, entry.id));
        // In display order, each entry simply replaces the value before it.
        let mut last = std::collections::BTreeMap::new();
        for entry in &in_order {
            if let Some(Fold::Register(set)) = kinds::fold(&entry.opened()) {
                last.insert((set.slot, set.key), set.value);
            }
        }
        let state = folded(&entries);
        let held = state.registers().map(|(slot, key, value)| ((slot, key.to_vec()), value.to_owned()));
        prop_assert_eq!(held.collect::<Vec<_>>(), last.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn any_body_is_read_without_a_panic(kind in 0..KINDS.len(), body in ".*") {
        let _ = KINDS[kind].sentence(&body);
    }
}

#[test]
fn kinds_have_names_of_their_own_that_fit_a_change() {
    let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), KINDS.len());
    assert!(!names.contains(kinds::MESSAGE));
    for name in names {
        assert!((1..=KIND_BYTES_MAX).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_lowercase()));
        assert_eq!(kinds::of(name).unwrap().name(), name);
    }
}

#[test]
fn every_example_makes_sense() {
    for kind in KINDS {
        assert!(!kind.examples().is_empty(), "{}", kind.name());
        for body in kind.examples() {
            let (id, re) = (ChangeHash([1; 32]), Some(ChangeHash([2; 32])));
            let entry = Opened { id, eff: 1, author: PeerId([3; 32]), kind: Some(kind.name()), re, body };
            assert!(
                kinds::fold(&entry).is_some() && kind.sentence(body).is_some(),
                "{} {body:?}",
                kind.name()
            );
        }
    }
}

#[test]
fn marks_lie_on_their_entry_and_can_be_taken_away() {
    let (target, other, ann, bob) =
        (ChangeHash([1; 32]), ChangeHash([2; 32]), PeerId([1; 32]), PeerId([2; 32]));
    let mark = |target, author, value: &str| {
        let (tag, value) = ("+1".to_owned(), value.to_owned());
        Mark { slot: "reaction", target, author, tag, value }
    };
    let mut state = Folded::default();
    let mut set = |eff, mark: &Mark| state.set((eff, ChangeHash([9; 32])), Fold::Mark(mark.clone()));
    set(3, &mark(target, ann, ""));
    set(2, &mark(target, ann, "on"));
    set(2, &mark(target, bob, "on"));
    set(2, &mark(other, bob, "on"));
    assert_eq!(state.marks(target).collect::<Vec<_>>(), [mark(target, bob, "on")]);
}
