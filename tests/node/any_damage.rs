//! Whatever becomes of the bytes of a database: nothing that was never said is shown, exported or sent; the peer starts
//! by itself; and what it lost comes back from a peer that has it.
//!
//! `PEER_DAMAGE_SEEDS=1000` takes a thousand kinds of damage instead of a few; `PEER_SEED` begins elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use peer::change::Body;
use peer::id::{ChangeHash, GroupName};
use peer::node::{DataDir, Draft, Node, Options};
use peer::store::{Entry, export};
use peer::wire::Ticket;
use tempfile::TempDir;

use crate::support::{group, history, join, message, start, until};

const SEEDS: u64 = 40;
const PAGE: usize = 4096;

static PANICS: AtomicU64 = AtomicU64::new(0);

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// Harms `bytes`, and says how.
fn harm(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let pages = bytes.len().div_ceil(PAGE).max(1);
    let page = dice.below(pages) * PAGE;
    let whole = |bytes: &[u8]| page..(page + PAGE).min(bytes.len());
    match dice.below(8) {
        0 => {
            let count = 1 + dice.below(64);
            for _ in 0..count {
                let at = dice.below(bytes.len());
                bytes[at] = dice.below(256) as u8;
            }
            format!("{count} bytes anywhere")
        }
        1 => {
            let range = whole(bytes);
            bytes[range].fill_with(|| dice.below(256) as u8);
            format!("page {} random", page / PAGE)
        }
        2 => {
            let range = whole(bytes);
            bytes[range].fill(0);
            format!("page {} zeroed", page / PAGE)
        }
        3 => {
            let other = dice.below(pages) * PAGE;
            let half = bytes[other..(other + PAGE / 2).min(bytes.len())].to_vec();
            let end = (page + half.len()).min(bytes.len());
            bytes[page..end].copy_from_slice(&half[..end - page]);
            format!("page {} torn over {}", page / PAGE, other / PAGE)
        }
        4 => {
            let kept = 1 + dice.below(bytes.len());
            bytes.truncate(kept);
            format!("cut off at {kept}")
        }
        5 => {
            let end = (page + (1 + dice.below(16)) * PAGE).min(bytes.len());
            bytes[page..end].fill(0);
            format!("from page {} on zeroed to {end}", page / PAGE)
        }
        6 => {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
            format!("one bit at {at}")
        }
        _ => {
            let at = page + dice.below(64.min(bytes.len() - page));
            let end = (at + 8).min(bytes.len());
            bytes[at..end].fill_with(|| dice.below(256) as u8);
            format!("the header of page {}", page / PAGE)
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    #[cfg(unix)]
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
    for file in ["secrets.json", "peer.db", "peer.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).expect("copy");
        }
    }
}

/// A group of some hundred entries by two authors, of which the last are nobody else's.
struct Truth {
    entries: Vec<ChangeHash>,
    contents: HashMap<ChangeHash, (i64, Body, i64)>,
    only_here: HashSet<ChangeHash>,
}

impl Truth {
    fn of(entries: &[Entry], only_here: HashSet<ChangeHash>) -> Self {
        let content = |entry: &Entry| (entry.id, (entry.at.millis(), entry.body.clone(), entry.eff));
        Self {
            entries: entries.iter().map(|entry| entry.id).collect(),
            contents: entries.iter().map(content).collect(),
            only_here,
        }
    }

    /// Each was said, once, and is in its place among those that are shown.
    fn holds(&self, shown: &[Entry], what: &str) {
        let places: HashMap<ChangeHash, usize> =
            self.entries.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let mut last = None;
        for entry in shown {
            // Each start of a peer that has lost its name or its groups may add entries of its own.
            let Some(content) = self.contents.get(&entry.id) else {
                assert_ne!(entry.kind, None, "{what}: {entry:?} was never said");
                continue;
            };
            assert_eq!((entry.at.millis(), &entry.body), (content.0, &content.1), "{what}");
            let place = Some(places[&entry.id]);
            assert!(place > last, "{what}: {entry:?} is out of its place");
            last = place;
        }
    }
}

async fn build(home: &TempDir, name: &GroupName) -> (Node, Truth, TempDir) {
    let bob_home = tempfile::tempdir().expect("a directory");
    let ann = start(home, "ann", None).await;
    ann.create(name).await.expect("create");
    let bob = start(&bob_home, "bob", Some(&ann.ticket())).await;
    join(&bob, name).await;
    for number in 0..60 {
        for (node, who) in [(&ann, "ann"), (&bob, "bob")] {
            let bodies = |part| match (number, part) {
                (7 | 30, 0) => format!("{who} {number} at length: {}", "long ".repeat(3000)),
                _ => format!("{who} {number} says something of the usual length, {part}"),
            };
            let drafts: Vec<Draft> = (0..3).map(|part| message(bodies(part))).collect();
            node.send(name, drafts).await.expect("send");
        }
    }
    ann.set_topic(name, "what is left").await.expect("a topic");
    until(&bob, "bob has all", async |bob| history(bob, name).await.len() == 363).await;
    until(&ann, "ann has all", async |ann| history(ann, name).await.len() == 363).await;
    bob.stop().await;
    let mut only_here = HashSet::new();
    for number in 0..10 {
        only_here.extend(ann.send(name, vec![message(format!("alone {number}"))]).await.expect("send"));
    }
    let truth = Truth::of(&history(&ann, name).await, only_here);
    (ann, truth, bob_home)
}

async fn open(data: &Path, join: &[Ticket]) -> Result<Node, peer::node::NodeError> {
    let network = !join.is_empty();
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let options = Options { listen, join: join.to_vec(), network, ..Options::default() };
    Node::start(DataDir::open(data, None)?, options).await
}

#[derive(Default, Debug)]
struct Tally {
    unnoticed: u64,
    set_aside: u64,
    rows: u64,
    alone_kept: u64,
    alone_all: u64,
}

#[ignore = "a page that is lost together with its entries' places in the order is not yet always made good"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_false_is_served_and_what_is_lost_comes_back() {
    let seeds = std::env::var("PEER_DAMAGE_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    let first = std::env::var("PEER_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    let (home, name) = (tempfile::tempdir().expect("a directory"), group("rust"));
    let (ann, truth, bob_home) = build(&home, &name).await;
    // With its write-ahead log, as after a crash; and without.
    let (crashed, stopped) = (home.path().join("crashed"), home.path().join("stopped"));
    copy(&home.path().join("data"), &crashed);
    assert!(crashed.join("peer.db-wal").exists());
    ann.stop().await;
    copy(&home.path().join("data"), &stopped);
    let bob = start(&bob_home, "bob", None).await;

    let mut tally = Tally::default();
    for seed in first..first + seeds {
        let mut dice = Dice(seed);
        let data = home.path().join(format!("seed-{seed}"));
        copy(if seed % 2 == 0 { &crashed } else { &stopped }, &data);
        let file = if seed % 2 == 0 && dice.below(2) == 0 { "peer.db-wal" } else { "peer.db" };
        let mut bytes = std::fs::read(data.join(file)).expect("read");
        let mut harms = vec![format!("seed {seed}: {file}")];
        for _ in 0..1 + dice.below(3) {
            harms.push(harm(&mut bytes, &mut dice));
        }
        std::fs::write(data.join(file), &bytes).expect("write");
        let what = harms.join(", ");
        one(&data, &what, &truth, &bob, &name, &mut tally).await;
        std::fs::remove_dir_all(&data).expect("remove");
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
    let flagged = bob.status().await.expect("status").flagged;
    assert!(flagged.is_empty(), "somebody took damage for malice: {flagged:?}");
    eprintln!("{seeds} damaged databases: {tally:?}");
    bob.stop().await;
}

async fn one(data: &Path, what: &str, truth: &Truth, bob: &Node, name: &GroupName, tally: &mut Tally) {
    // By itself: what is shown and what is exported are the truth, as far as it is there.
    let ann = open(data, &[]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let shown = history(&ann, name).await;
    truth.holds(&shown, what);
    let ids: HashSet<ChangeHash> = shown.iter().map(|entry| entry.id).collect();
    tally.alone_kept += truth.only_here.intersection(&ids).count() as u64;
    tally.alone_all += truth.only_here.len() as u64;
    exported(&ann, name, truth, what).await;
    let found = ann.read(|reader| reader.search("alone", None, 50, 1)).await;
    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(found.iter().all(|hit| truth.contents.contains_key(&hit.entry.id)), "{what}");
    ann.stop().await;

    // Among others: it all comes back, with nobody's help.
    let ann = open(data, &[bob.ticket()]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let joined = async |node: &Node| {
        let name = name.clone();
        node.read(move |reader| Ok(reader.group(&name)?.is_some_and(|group| group.joined))).await
    };
    if !joined(&ann).await.unwrap_or_else(|error| panic!("{what}: {error}")) {
        join(&ann, name).await;
    }
    until(&ann, what, async |ann| {
        let ids = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        let (here, there) = (ids(history(ann, name).await), ids(history(bob, name).await));
        here == there
            && truth.entries.iter().filter(|id| !truth.only_here.contains(id)).all(|id| here.contains(id))
    })
    .await;
    truth.holds(&history(&ann, name).await, what);
    let status = ann.status().await.expect("status");
    assert!(status.flagged.is_empty(), "{what}: {:?}", status.flagged);
    match (status.set_aside.len(), shown.len() < truth.entries.len()) {
        (0, false) => tally.unnoticed += 1,
        (0, true) => tally.rows += 1,
        _ => tally.set_aside += 1,
    }
    assert!(status.set_aside.len() <= 2, "{what}: {:?}", status.set_aside);
    ann.stop().await;
}

/// Every message in an export is one that was written; an export that cannot be had says so.
async fn exported(ann: &Node, name: &GroupName, truth: &Truth, what: &str) {
    let name = name.clone();
    let changes = ann.read(move |reader| {
        let Some(no) = reader.group(&name)?.and_then(|group| group.no) else { return Ok(Vec::new()) };
        // It holds the very changes of the log, or is none.
        if let Err(error @ export::ExportError::Automerge(_)) =
            export::automerge(&reader.genesis(no)?, reader.changes(no))
        {
            panic!("a document that cannot be read: {error}");
        }
        Ok(reader.changes(no).map_while(Result::ok).collect::<Vec<_>>())
    });
    for change in changes.await.unwrap_or_else(|error| panic!("{what}: {error}")) {
        let said = truth.contents.contains_key(&change.hash());
        assert!(said || change.content.kind.is_some(), "{what}: {change:?} was never said");
    }
}
