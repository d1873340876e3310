//! Damages the bytes of a database at random. Then nothing that was never written is shown, exported or sent;
//! the peer starts without help; and what it lost comes back from a peer that has it.
//!
//! `PEER_DAMAGE_SEEDS=1000` tries a thousand kinds of damage instead of a few; `PEER_SEED` sets the first
//! seed.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use peer::node::{DataDir, Draft, Node, NodeError, Options};
use peer::store::{Entry, export};
use peer_engine::change::Body;
use peer_engine::id::{ChangeHash, GroupName};
use peer_engine::wire::Ticket;
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};

use crate::support::{group, history, join, message, send, start, summary, until};

const SEEDS: u64 = 60;
const AT_ONCE: usize = 4;
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

/// Damages `bytes`, and returns a description of the damage.
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

/// A group of some hundred entries by two authors. Only one peer has the last ones.
struct Truth {
    entries: Vec<ChangeHash>,
    contents: HashMap<ChangeHash, (i64, Body, i64)>,
    /// The entries that only one peer has, each on top of the one before.
    only_here: Vec<ChangeHash>,
    /// For each of these, the end of its row as it is stored: signature and text.
    rows: HashMap<ChangeHash, Vec<u8>>,
}

impl Truth {
    fn of(entries: &[Entry], only_here: Vec<ChangeHash>) -> Self {
        let content = |entry: &Entry| (entry.id, (entry.at.millis(), entry.body.clone(), entry.eff));
        Self {
            entries: entries.iter().map(|entry| entry.id).collect(),
            contents: entries.iter().map(content).collect(),
            only_here,
            rows: HashMap::new(),
        }
    }

    fn read_rows(&mut self, database: &Path) {
        let conn = rusqlite::Connection::open(database).expect("open the database");
        for id in &self.only_here {
            let row = conn.query_row(
                "SELECT CAST(signature || body AS BLOB) FROM log WHERE hash = ?1",
                [&id.0[..]],
                |row| row.get(0),
            );
            self.rows.insert(*id, row.expect("a row"));
        }
    }

    /// The entries that only this peer had, and that can still be found in these files.
    fn on_disk(&self, data: &Path) -> Vec<ChangeHash> {
        let files = ["peer.db", "peer.db-wal"].map(|file| std::fs::read(data.join(file)).unwrap_or_default());
        let holds = |row: &[u8]| files.iter().any(|file| file.windows(row.len()).any(|part| part == row));
        self.only_here.iter().filter(|id| holds(&self.rows[id])).copied().collect()
    }

    /// The history without the entries that follow one that is lost for good: other peers cannot tell where
    /// these belong.
    fn without_what_nobody_can_take(&self, history: &[ChangeHash]) -> Vec<ChangeHash> {
        let follows = self.only_here.iter().skip_while(|id| history.contains(id));
        let follows: Vec<&ChangeHash> = follows.collect();
        history.iter().filter(|id| !follows.contains(id)).copied().collect()
    }

    /// Asserts that each entry was written, and is shown once. Entries whose dependencies are all here must
    /// be in their place. The place of the others is uncertain until the dependencies come back: returns how
    /// many are out of place.
    fn holds(&self, shown: &[Entry], what: &str) -> u64 {
        let places: HashMap<ChangeHash, usize> =
            self.entries.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let (mut last, mut last_of_all, mut seen, mut misplaced) = (None, None, HashSet::new(), 0);
        for entry in shown {
            assert!(seen.insert(entry.id), "{what}: {entry:?} is shown twice");
            // A peer that has lost its name or its groups may add entries of its own at each start.
            let Some(content) = self.contents.get(&entry.id) else {
                assert_ne!(entry.kind, None, "{what}: {entry:?} was never said");
                continue;
            };
            assert_eq!((entry.at.millis(), &entry.body), (content.0, &content.1), "{what}");
            let place = Some(places[&entry.id]);
            if entry.arrival() > 0 {
                assert_eq!(entry.eff, content.2, "{what}: {entry:?}");
                assert!(place > last, "{what}: {entry:?} is out of its place");
                last = place;
            }
            misplaced += u64::from(place < last_of_all);
            last_of_all = last_of_all.max(place);
        }
        misplaced
    }
}

/// Ann's data directory after a crash (with its write-ahead log) and after a clean stop, and bob's.
struct Home {
    dir: TempDir,
    truth: Truth,
    name: GroupName,
}

impl Home {
    fn path(&self, what: &str) -> PathBuf {
        self.dir.path().join(what)
    }
}

async fn build() -> Home {
    let (ann_home, bob_home) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (dir, name) = (tempfile::tempdir().expect("a directory"), group("rust"));
    let ann = start(&ann_home, "ann", None).await;
    ann.create(&name).await.expect("create");
    let bob = start(&bob_home, "bob", Some(&ann.ticket())).await;
    join(&bob, &name).await;
    for number in 0..60 {
        for (node, who) in [(&ann, "ann"), (&bob, "bob")] {
            let bodies = |part| match (number, part) {
                (7 | 30, 0) => format!("{who} {number} at length: {}", "long ".repeat(3000)),
                _ => format!("{who} {number} says something of the usual length, {part}"),
            };
            let drafts: Vec<Draft> = (0..3).map(|part| message(bodies(part))).collect();
            send(node, &name, drafts).await;
        }
    }
    ann.set_topic(&summary(&ann, &name).await, "what is left").await.expect("a topic");
    until(&bob, "bob has all", async |bob| history(bob, &name).await.len() == 363).await;
    until(&ann, "ann has all", async |ann| history(ann, &name).await.len() == 363).await;
    bob.stop().await;
    let mut only_here = Vec::new();
    for number in 0..10 {
        only_here.extend(send(&ann, &name, vec![message(format!("alone {number}"))]).await);
    }
    let mut truth = Truth::of(&history(&ann, &name).await, only_here);
    copy(&ann_home.path().join("data"), &dir.path().join("crashed"));
    assert!(dir.path().join("crashed/peer.db-wal").exists());
    ann.stop().await;
    copy(&ann_home.path().join("data"), &dir.path().join("stopped"));
    copy(&bob_home.path().join("data"), &dir.path().join("bob"));
    truth.read_rows(&dir.path().join("stopped/peer.db"));
    Home { dir, truth, name }
}

async fn open(data: &Path, join: Option<&Ticket>, what: &str) -> Node {
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let join: Vec<Ticket> = join.cloned().into_iter().collect();
    let options = Options { listen, network: true, join, ..Options::default() };
    let node = async { Node::start(DataDir::open(data, None)?, options).await };
    node.await.unwrap_or_else(|error: NodeError| panic!("{what}: {error}"))
}

#[derive(Default, Debug)]
struct Tally {
    unnoticed: u64,
    set_aside: u64,
    rows: u64,
    /// Entries that only this peer had: readable on the disk, shown at once, and in total.
    alone_on_disk: u64,
    alone_shown: u64,
    alone_all: u64,
    /// Entries that were shown above one that they follow, until their missing dependencies came back.
    misplaced: u64,
    /// Cases in which nothing was lost, and cases in which only entries that one peer alone had were lost.
    whole: u64,
    with_loss: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_false_is_served_and_what_is_lost_comes_back() {
    let seeds = std::env::var("PEER_DAMAGE_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    let first = std::env::var("PEER_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    let home = Rc::new(build().await);
    let tally = Rc::new(RefCell::new(Tally::default()));
    let mut failed = Vec::new();
    let all = async {
        let mut running = JoinSet::new();
        for seed in first..first + seeds {
            if running.len() == AT_ONCE {
                failed.extend(running.join_next().await.and_then(Result::err));
            }
            let (home, tally) = (Rc::clone(&home), Rc::clone(&tally));
            running.spawn_local(async move { one(seed, &home, &tally).await });
        }
        while let Some(done) = running.join_next().await {
            failed.extend(done.err());
        }
    };
    LocalSet::new().run_until(all).await;
    eprintln!("{seeds} damaged databases, {} failed: {:?}", failed.len(), tally.borrow());
    if !failed.is_empty() {
        let home = Rc::into_inner(home).expect("nobody else has it").dir.keep();
        panic!("{} of {seeds} failed; they are kept in {}", failed.len(), home.display());
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
}

async fn one(seed: u64, home: &Home, tally: &RefCell<Tally>) {
    let Home { truth, name, .. } = home;
    let mut dice = Dice(seed);
    let (data, bob_data, kept) = (
        home.path(&format!("{seed}-ann")),
        home.path(&format!("{seed}-bob")),
        home.path(&format!("{seed}-damaged")),
    );
    copy(&home.path(if seed.is_multiple_of(2) { "crashed" } else { "stopped" }), &data);
    copy(&home.path("bob"), &bob_data);
    let file = if seed.is_multiple_of(2) && dice.below(2) == 0 { "peer.db-wal" } else { "peer.db" };
    let mut bytes = std::fs::read(data.join(file)).expect("read");
    let mut harms = vec![format!("seed {seed}: {file}")];
    for _ in 0..1 + dice.below(3) {
        harms.push(harm(&mut bytes, &mut dice));
    }
    std::fs::write(data.join(file), &bytes).expect("write");
    copy(&data, &kept);
    let what = harms.join(", ");

    // Ann alone: what she shows and exports is true, as far as it is there.
    let ann = open(&data, None, &what).await;
    let shown = history(&ann, name).await;
    let misplaced = truth.holds(&shown, &what);
    exported(&ann, name, truth, &what).await;
    let found = ann.read(|reader| reader.search("alone", None, 50, 1)).await;
    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(found.iter().all(|hit| truth.contents.contains_key(&hit.entry.id)), "{what}");
    ann.stop().await;

    // With others: everything comes back without help.
    let bob = open(&bob_data, None, &what).await;
    let ann = open(&data, Some(&bob.ticket()), &what).await;
    let joined = async |node: &Node| {
        let name = name.clone();
        node.read(move |reader| Ok(reader.group(&name)?.is_some_and(|group| group.joined))).await
    };
    if !joined(&ann).await.unwrap_or_else(|error| panic!("{what}: {error}")) {
        join(&ann, name).await;
    }
    let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
    let shown = ids(&shown);
    until(&ann, &what, async |ann| {
        let (here, there) = (ids(&history(ann, name).await), ids(&history(&bob, name).await));
        shown.iter().all(|id| !truth.contents.contains_key(id) || here.contains(id))
            && truth.entries.iter().all(|id| here.contains(id) || truth.only_here.contains(id))
            && there == truth.without_what_nobody_can_take(&here)
    })
    .await;
    let here = history(&ann, name).await;
    truth.holds(&here, &what);
    let held = ids(&here);
    let lost = truth.only_here.iter().any(|id| !held.contains(id));
    for (node, of_ann) in [(&ann, false), (&bob, true)] {
        let mut flagged = node.status().await.expect("status").flagged;
        // Ann may still announce an entry that only she had, but cannot send it if its content is lost.
        flagged.retain(|flagged| !(of_ann && lost && flagged.reason.contains("has not sent")));
        assert!(flagged.is_empty(), "{what}: damage was taken for malice: {flagged:?}");
    }
    let set_aside = ann.status().await.expect("status").set_aside;
    assert!(set_aside.len() <= 2, "{what}: {set_aside:?}");
    ann.stop().await;
    bob.stop().await;

    let mut tally = tally.borrow_mut();
    let on_disk = truth.on_disk(&kept);
    let hidden = on_disk.iter().filter(|id| !shown.contains(id)).count();
    if hidden > 0 {
        eprintln!("{what}: {hidden} of {} that are on the disk are not shown", on_disk.len());
    }
    tally.misplaced += misplaced;
    tally.alone_on_disk += on_disk.len() as u64;
    match (set_aside.len(), shown.len() < truth.entries.len()) {
        (0, false) => tally.unnoticed += 1,
        (0, true) => tally.rows += 1,
        _ => tally.set_aside += 1,
    }
    tally.alone_shown += truth.only_here.iter().filter(|id| shown.contains(id)).count() as u64;
    tally.alone_all += truth.only_here.len() as u64;
    if here.iter().filter(|entry| truth.contents.contains_key(&entry.id)).count() == truth.entries.len() {
        tally.whole += 1;
    } else {
        tally.with_loss += 1;
    }
    for path in [data, bob_data, kept] {
        std::fs::remove_dir_all(path).expect("remove");
    }
}

/// Asserts that every message in an export was written, or that the export fails with a reason.
async fn exported(ann: &Node, name: &GroupName, truth: &Truth, what: &str) {
    let name = name.clone();
    let changes = ann.read(move |reader| {
        let Some(no) = reader.group(&name)?.and_then(|group| group.no) else { return Ok(Vec::new()) };
        // An export either holds exactly the changes of the log, or fails.
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
