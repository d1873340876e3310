//! Altered changes. `PEER_MUTANTS=100000` sets the number of random mutants, and also tries every one-byte
//! mutant of a change that is signed again; without it there are fewer.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc};
use peer_engine::change::{Body, Change, Content, Header, Unverified, Verified};
use peer_engine::id::{ActorId, ChangeHash};
use peer_engine::identity::Identity;
use peer_engine::time::Timestamp;

use crate::door::{Door, Fate, chunk, frame_with, genesis, group, identity, mend};
use crate::measure::Cost;
use crate::rng::Rng;

const BYTES_MAX: u64 = 8 * 1024 * 1024;
const RANDOM: u64 = 10_000;
/// The number of bytes before the contents: in each of these changes the length takes two bytes.
const CONTENTS_AT: usize = 11;
const SIGNATURE_BYTES: usize = 64;

fn asked() -> Option<u64> {
    let asked = std::env::var("PEER_MUTANTS").ok()?;
    Some(asked.parse().expect("PEER_MUTANTS is a number"))
}

/// A valid change, and the changes that a peer holds before it takes this one.
struct Sample {
    name: &'static str,
    held: Vec<Verified>,
    change: Verified,
}

fn samples() -> Vec<Sample> {
    let text = |text: &str| Content {
        at: Timestamp::clamped(1_700_000_000_123),
        kind: None,
        body: Body::Text(text.to_owned()),
        re: None,
        from: None,
    };
    let sign = |who: &Identity, held: &[&Verified], content: Content| {
        let actor = ActorId::new(who.peer(), [9; 8]);
        let mut deps: Vec<ChangeHash> = held.iter().map(|change| change.hash()).collect();
        if deps.is_empty() {
            deps.push(group().genesis());
        }
        deps.sort_unstable();
        let seq = 1 + held.iter().filter(|change| change.author() == who.peer()).count() as u64;
        let start_op = 1 + held.iter().map(|change| change.max_op()).max().unwrap_or(4);
        Change::sign(group(), Header { deps, actor, seq, start_op }, content, who).expect("a valid change")
    };
    let anna = identity();
    let first = sign(&anna, &[], text("hello"));
    let ben = sign(&Identity::from_seed(&[8; 32]), &[], text("hi"));
    let cid = sign(&Identity::from_seed(&[9; 32]), &[], text("hey"));
    let join = Content { kind: Some("join".to_owned()), ..text("") };
    let full = Content {
        kind: Some("topic".to_owned()),
        re: Some(ben.hash()),
        from: Some("bridge".to_owned()),
        ..text("Grüße 🦀")
    };
    let sealed = Content { body: Body::Sealed(vec![0xee; 32]), re: Some(ben.hash()), ..text("") };
    let merge = sign(&anna, &[&first, &ben, &cid], text("together"));
    let on_first = |content| sign(&anna, &[&first], content);
    let (join, full, sealed) = (sign(&anna, &[], join), on_first(full), on_first(sealed));
    let all = vec![first.clone(), ben, cid];
    vec![
        Sample { name: "first of an actor", held: vec![], change: first },
        Sample { name: "join on the genesis", held: all[1..].to_vec(), change: join },
        Sample { name: "merge of three heads", held: all.clone(), change: merge },
        Sample { name: "kind, reference and relayed name", held: all.clone(), change: full },
        Sample { name: "sealed", held: all, change: sealed },
    ]
}

/// A peer before one sample. It is created again as soon as a change has reached its engine.
struct Gate<'a> {
    sample: &'a Sample,
    door: Option<Door>,
    cost: Cost,
    fates: BTreeMap<&'static str, u64>,
}

impl<'a> Gate<'a> {
    fn new(sample: &'a Sample) -> Self {
        let taken = Door::new(&sample.held).hear(&frame_with(sample.change.bytes()));
        assert_eq!(taken, Fate::Taken(1), "{}: unaltered", sample.name);
        Self { sample, door: None, cost: Cost::default(), fates: BTreeMap::new() }
    }

    fn hear(&mut self, change: &[u8]) -> Fate {
        let frame = frame_with(change);
        let mut door = self.door.take().unwrap_or_else(|| Door::new(&self.sample.held));
        let fate = self.cost.of(BYTES_MAX, || door.hear(&frame));
        let (name, untouched) = match fate {
            Fate::NoFrame(_) => ("not a frame", true),
            Fate::NoChange => ("not a change", true),
            Fate::NotSigned => ("not signed", true),
            Fate::Closed(_) => ("does not fit the group", false),
            Fate::Taken(0) => ("waits", false),
            Fate::Taken(_) => ("taken", false),
        };
        *self.fates.entry(name).or_default() += 1;
        self.door = untouched.then_some(door);
        fate
    }

    /// Without the author's key, a mutant is refused before the engine: it is not even kept as an orphan.
    fn refuses(&mut self, change: &[u8], what: impl Fn() -> String) {
        let fate = self.hear(change);
        assert!(
            matches!(fate, Fate::NoFrame(_) | Fate::NoChange | Fate::NotSigned),
            "{}, {}: {fate:?}",
            self.sample.name,
            what()
        );
    }

    /// A change that the author has signed may be taken, but only if the document can be loaded with it.
    fn survives(&mut self, change: &[u8], what: impl Fn() -> String) {
        if let Fate::Taken(1..) = self.hear(change) {
            assert!(loads(&self.sample.held, change), "{}, {}: taken", self.sample.name, what());
        }
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        eprintln!("{}: {}; {:?}", self.sample.name, self.cost, self.fates);
    }
}

/// Whether the document can be saved and loaded again without a loss.
fn loads(held: &[Verified], change: &[u8]) -> bool {
    let mut bytes = genesis().bytes();
    held.iter().for_each(|held| bytes.extend_from_slice(held.bytes()));
    bytes.extend_from_slice(change);
    let Ok(document) = Automerge::load(&bytes) else { return false };
    let Ok(again) = Automerge::load(&document.save()) else { return false };
    let hash = Unverified::decode(change).expect("it was taken").hash();
    again.get_changes(&[]).len() == held.len() + 2
        && again.get_change_by_hash(&automerge::ChangeHash(hash.0)).is_some()
}

/// Signs any contents with the key of the samples' author.
fn signed(contents: &[u8]) -> Vec<u8> {
    let input = [b"peer/change/1\0", &group().0[..], contents].concat();
    chunk(&[contents, &identity().sign(&input)].concat())
}

fn signed_part(change: &Verified) -> &[u8] {
    let bytes = change.bytes();
    let part = &bytes[CONTENTS_AT..bytes.len() - SIGNATURE_BYTES];
    assert_eq!(signed(part), bytes[..], "signing is what the author did");
    part
}

#[test]
fn no_other_value_of_any_byte_gets_in() {
    for sample in &samples() {
        let mut gate = Gate::new(sample);
        for position in 0..sample.change.bytes().len() {
            for flip in 1..=255 {
                let mut bytes = sample.change.bytes().to_vec();
                bytes[position] ^= flip;
                let what = || format!("byte {position} xor {flip:#04x}");
                assert!(Unverified::decode(&bytes).is_err(), "{}, {}", sample.name, what());
                if !(4..8).contains(&position) {
                    mend(&mut bytes);
                    gate.refuses(&bytes, what);
                }
            }
        }
        // Both stages refused many mutants; otherwise this test would prove little.
        assert!(gate.fates["not a change"] > 1000 && gate.fates["not signed"] > 1000);
    }
}

#[test]
fn what_its_author_has_signed_wrongly_breaks_no_document() {
    for sample in &samples() {
        let mut gate = Gate::new(sample);
        let part = signed_part(&sample.change);
        for position in 0..part.len() {
            for flip in 1..=255u8 {
                if asked().is_none() && !flip.is_power_of_two() && !matches!(flip, 0x03 | 0x7f | 0xff) {
                    continue;
                }
                let mut part = part.to_vec();
                part[position] ^= flip;
                gate.survives(&signed(&part), || format!("byte {position} xor {flip:#04x}"));
            }
        }
        assert!(gate.fates["taken"] > 0 && gate.fates["does not fit the group"] > 0);
    }
}

#[test]
fn random_damage_gets_nothing_in_and_breaks_no_document() {
    let samples = samples();
    let others: Vec<&[u8]> = samples.iter().map(|sample| signed_part(&sample.change)).collect();
    let share = asked().unwrap_or(RANDOM).div_ceil(2 * samples.len() as u64);
    for (number, sample) in samples.iter().enumerate() {
        let mut gate = Gate::new(sample);
        for seed in 0..share {
            let mut rng = Rng::new(seed << 8 | number as u64);
            let what = || format!("seed {seed}");
            let part = damaged(signed_part(&sample.change), &others, &mut rng);
            gate.survives(&signed(&part), what);
            let contents = &sample.change.bytes()[CONTENTS_AT..];
            let damaged = damaged(contents, &others, &mut rng);
            if damaged != contents {
                gate.refuses(&chunk(&damaged), what);
            }
        }
    }
}

/// Replaces, removes, doubles or inserts bytes, at two to nine places; mostly at two.
fn damaged(whole: &[u8], others: &[&[u8]], rng: &mut Rng) -> Vec<u8> {
    const NUMBERS: &[&[u8]] =
        &[&[0], &[1], &[0x7f], &[0x80, 1], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0x0f]];
    let mut bytes = whole.to_vec();
    let places = if rng.chance(70) { 2 } else { rng.between(3, 9) };
    for _ in 0..places {
        if bytes.is_empty() {
            break;
        }
        let at = rng.index(bytes.len());
        let until = (at + rng.between(1, 12) as usize).min(bytes.len());
        match rng.between(0, 9) {
            0..=4 => bytes[at] = rng.next() as u8,
            5 => drop(bytes.splice(at..=at, NUMBERS[rng.index(NUMBERS.len())].iter().copied())),
            6 => drop(bytes.drain(at..until)),
            7 => {
                let doubled = bytes[at..until].to_vec();
                drop(bytes.splice(at..at, doubled));
            }
            8 => {
                let other = others[rng.index(others.len())];
                let from = rng.index(other.len());
                let taken = &other[from..(from + until - at).min(other.len())];
                drop(bytes.splice(at..until, taken.iter().copied()));
            }
            _ => bytes.truncate(until.max(bytes.len().saturating_sub(8))),
        }
    }
    bytes
}
