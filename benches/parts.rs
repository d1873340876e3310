//! The cost of single parts, and how it grows with the history: from 1,000 entries to 100,000, or to the
//! number in `PEER_BENCH_ENTRIES` (a million takes minutes to write first).

mod history;

use divan::{Bencher, black_box};
use peer::store::Page;
use peer_engine::change::Unverified;
use peer_engine::group::{EntryNo, Verdict, admit};
use peer_engine::id::PeerId;
use peer_engine::store::{MemoryStore, Store};
use peer_engine::sync::{LinkBudget, Marks, Session};
use peer_engine::time::Now;
use peer_engine::wire::SyncMessage;

use history::{Author, Disk, genesis, sizes};

fn main() {
    divan::main();
}

#[divan::bench]
fn build_and_sign(bencher: Bencher<'_, '_>) {
    let mut author = Author::new();
    bencher.bench_local(|| author.write());
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let change = Author::new().write();
    bencher.bench(|| Unverified::decode(black_box(change.bytes())).unwrap());
}

#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let change = Author::new().write();
    bencher
        .with_inputs(|| Unverified::decode(change.bytes()).unwrap())
        .bench_values(|change| change.verify(genesis().id()).unwrap());
}

/// The last stage of the gate and the display order, without a disk.
#[divan::bench]
fn admit_and_order(bencher: Bencher<'_, '_>) {
    let mut author = Author::new();
    let mut store = MemoryStore::default();
    let group = store.add_group(&genesis(), true).unwrap();
    bencher.bench_local(|| {
        let Verdict::Admitted(admitted) = admit(&store, group, author.write()).unwrap() else { panic!() };
        store.append(group, &admitted).unwrap()
    });
}

/// One entry with a flush of its own.
#[divan::bench(args = sizes())]
fn commit_one(bencher: Bencher<'_, '_>, entries: u64) {
    let mut disk = Disk::of(entries);
    bencher.bench_local(|| {
        disk.append(1);
        disk.store.commit().unwrap();
    });
}

/// A hundred entries with one flush, including their signing.
#[divan::bench(args = sizes(), sample_count = 20)]
fn commit_a_hundred(bencher: Bencher<'_, '_>, entries: u64) {
    let mut disk = Disk::of(entries);
    bencher.bench_local(|| {
        disk.append(100);
        disk.store.commit().unwrap();
    });
}

#[divan::bench(args = sizes())]
fn newest_page(bencher: Bencher<'_, '_>, entries: u64) {
    let disk = Disk::of(entries);
    let reader = disk.reader();
    bencher.bench_local(|| reader.history(disk.group, Page::Newest, 50).unwrap());
}

#[divan::bench(args = sizes())]
fn page_in_the_middle(bencher: Bencher<'_, '_>, entries: u64) {
    let disk = Disk::of(entries);
    let reader = disk.reader();
    let middle = disk.hash(entries / 2);
    bencher.bench_local(|| reader.history(disk.group, Page::After(middle), 50).unwrap());
}

#[divan::bench(args = sizes())]
fn count_unread(bencher: Bencher<'_, '_>, entries: u64) {
    let mut disk = Disk::of(entries);
    disk.store.set_read_mark(disk.group, EntryNo(entries / 2)).unwrap();
    disk.store.commit().unwrap();
    let reader = disk.reader();
    let groups = reader.groups(None).unwrap();
    bencher.bench_local(|| reader.attention(&groups, &PeerId([8; 32])).unwrap());
}

/// Searches for a word in every message, for one in every hundredth, and for one in none.
#[divan::bench(args = sizes(), consts = [0, 1, 2])]
fn search<const WORD: usize>(bencher: Bencher<'_, '_>, entries: u64) {
    let disk = Disk::of(entries);
    let reader = disk.reader();
    let word = ["everywhere", "hundredth", "nowhere"][WORD];
    bencher.bench_local(|| reader.search(word, None, 20, 2).unwrap());
}

/// Finds which changes a peer lacks and reads them: the answering side of a sync session.
#[divan::bench(args = sizes(), consts = [1, 100])]
fn serve_missing<const MISSING: u64>(bencher: Bencher<'_, '_>, entries: u64) {
    let disk = Disk::of(entries);
    let theirs = disk.hash(entries - MISSING);
    let wanted = disk.hash(entries);
    let ours = [EntryNo(entries)];
    let asked: SyncMessage =
        SyncMessage { heads: vec![theirs], need: vec![wanted], have: Vec::new(), changes: Vec::new() };
    bencher.bench_local(|| {
        let mut session = Session::new(Vec::new(), Marks::default());
        let mut budget = LinkBudget::new(Now::default());
        session.hear(&disk.store, disk.group, &ours, &asked, &mut budget, Now::default()).unwrap();
        let read = |no| disk.store.change(disk.group, no).map(|bytes| Some(bytes.into()));
        let sent = session.take_batch(&mut budget, Now::default(), read).unwrap();
        assert_eq!(sent.len() as u64, MISSING);
    });
}

#[divan::bench(args = sizes())]
fn open(bencher: Bencher<'_, '_>, entries: u64) {
    let disk = Disk::of(entries);
    bencher.bench_local(|| disk.reopen());
}
