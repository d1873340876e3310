//! Pages of history, late marks, and reading during writes.

use peer::store::{Entry, Page, Reader, StoreError};
use peer_engine::change::Body;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::ChangeHash;
use peer_engine::store::Store;
use proptest::prelude::*;

use crate::support::{Author, Disk, genesis, message, own};

fn texts(entries: &[Entry]) -> Vec<&str> {
    let text = |entry| match entry {
        &Entry { body: Body::Text(ref text), .. } => text.as_str(),
        _ => panic!("sealed"),
    };
    entries.iter().map(text).collect()
}

#[test]
fn a_page_shows_entries_oldest_first() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    let ids: Vec<ChangeHash> = (1..=5).map(|at| author.say(&mut store, group, at, &at.to_string())).collect();
    store.commit().unwrap();

    let reader = disk.reader();
    let page = |page, limit| reader.history(group, page, limit).unwrap();
    assert_eq!(texts(&page(Page::Newest, 3)), ["3", "4", "5"]);
    assert_eq!(texts(&page(Page::Newest, 9)), ["1", "2", "3", "4", "5"]);
    assert_eq!(texts(&page(Page::Newest, 0)), [""; 0]);
    assert_eq!(texts(&page(Page::Before(ids[3]), 2)), ["2", "3"]);
    assert_eq!(texts(&page(Page::Before(ids[0]), 2)), [""; 0]);
    assert_eq!(texts(&page(Page::After(ids[1]), 2)), ["3", "4"]);
    assert_eq!(texts(&page(Page::After(ids[4]), 2)), [""; 0]);
    let start = genesis("rust").id().genesis();
    assert_eq!(texts(&page(Page::After(start), 2)), ["1", "2"]);
    assert_eq!(texts(&page(Page::Before(start), 2)), [""; 0]);

    let entry = &page(Page::Newest, 1)[0];
    assert_eq!((entry.no, entry.id, entry.group.as_str()), (EntryNo(5), ids[4], "rust"));
    assert_eq!((entry.at.millis(), entry.eff, entry.author), (5, 5, author.key()));
    assert_eq!((&entry.name, &entry.kind, entry.late), (&None, &None, false));

    let unknown = ChangeHash([1; 32]);
    let error = reader.history(group, Page::After(unknown), 1).unwrap_err();
    assert!(matches!(error, StoreError::NoEntry(id) if id == unknown), "{error}");
    assert!(error.to_string().contains(&unknown.to_string()), "{error}");
    assert!(matches!(reader.history(GroupNo(2), Page::Newest, 1), Err(StoreError::NoGroup(_))));
}

#[test]
fn changes_are_read_as_they_arrived_and_the_newest_are_named_as_they_are_shown() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let other = store.add_group(&genesis("c"), true).unwrap();
    for (author, at, text) in [(1, 9, "first"), (2, 3, "second"), (3, 6, "third")] {
        let admitted = Author::new(author).write_on(&store, group, &[EntryNo::GENESIS], message(at, text));
        store.append(group, &admitted).unwrap();
        Author::new(1).say(&mut store, other, at, "elsewhere");
    }
    store.commit().unwrap();
    let reader = disk.reader();
    assert_eq!(texts(&reader.history(group, Page::Newest, 9).unwrap()), ["second", "third", "first"]);
    let newest = |limit| store.newest(group, limit).unwrap();
    assert_eq!(newest(2), [EntryNo(3), EntryNo(1)]);
    assert_eq!((newest(9), newest(0)), (vec![EntryNo(2), EntryNo(3), EntryNo(1)], vec![]));
    let raw: Vec<_> = reader.changes(group).map(|change| change.unwrap().encode()).collect();
    let stored: Vec<_> = (1..=3).map(|no| store.change(group, EntryNo(no)).unwrap()).collect();
    assert_eq!(raw, stored);
}

#[test]
fn what_arrives_below_newer_entries_is_late() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let write = |store: &mut peer::store::SqliteStore, author: &Author, at: i64, text: &str| {
        let admitted = author.write_on(store, group, &[EntryNo::GENESIS], message(at, text));
        store.append(group, &admitted).unwrap();
    };
    write(&mut store, &Author::new(1), 100, "newest");
    store.commit().unwrap();
    write(&mut store, &Author::new(2), 50, "before it was level");
    store.commit().unwrap();
    store.set_caught_up(group).unwrap();
    write(&mut store, &Author::new(3), 60, "late");
    write(&mut store, &Author::new(4), 300, "new");
    write(&mut store, &Author::new(5), 200, "below one of the same batch");
    write(&mut store, &Author::again(0, 1), 70, "own");
    store.commit().unwrap();
    assert_eq!(Author::new(0).key(), own());
    write(&mut store, &Author::new(6), 210, "late too");
    store.commit().unwrap();
    drop(store);
    let mut store = disk.open();
    write(&mut store, &Author::new(7), 220, "late after a restart");
    store.commit().unwrap();

    let late: Vec<_> = disk.reader().history(group, Page::Newest, 99).unwrap();
    let late: Vec<_> = late.into_iter().filter(|entry| entry.late).collect();
    assert_eq!(texts(&late), ["late", "late too", "late after a restart"]);
}

#[test]
fn readers_see_the_last_commit_and_do_not_wait_for_the_next() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    author.say(&mut store, group, 1, "committed");
    store.commit().unwrap();
    author.say(&mut store, group, 2, "not yet");

    let path = store.path().to_owned();
    let reader = std::thread::spawn(move || {
        let reader = Reader::open(&path, crate::support::MESH).unwrap();
        let seen = texts(&reader.history(group, Page::Newest, 9).unwrap()).join(",");
        (reader, seen)
    });
    let (reader, seen) = reader.join().unwrap();
    assert_eq!(seen, "committed");
    store.commit().unwrap();
    assert_eq!(texts(&reader.history(group, Page::Newest, 9).unwrap()), ["committed", "not yet"]);
    assert!(reader.size() > 4096);
}

fn pages_up(reader: &Reader, group: GroupNo, limit: usize) -> Vec<ChangeHash> {
    let mut ids: Vec<ChangeHash> = Vec::new();
    let mut page = Page::Newest;
    loop {
        let entries = reader.history(group, page, limit).unwrap();
        let Some(first) = entries.first() else { return ids };
        page = Page::Before(first.id);
        ids.splice(0..0, entries.iter().map(|entry| entry.id));
    }
}

fn pages_down(reader: &Reader, group: GroupNo, limit: usize) -> Vec<ChangeHash> {
    let mut ids: Vec<ChangeHash> = Vec::new();
    let mut page = Page::After(genesis("rust").id().genesis());
    loop {
        let entries = reader.history(group, page, limit).unwrap();
        let Some(last) = entries.last() else { return ids };
        page = Page::After(last.id);
        ids.extend(entries.iter().map(|entry| entry.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Few different times and many branches, so that most entries share their effective time with others.
    #[test]
    fn pages_in_both_directions_are_the_sorted_history(
        writes in prop::collection::vec((1..4i64, any::<prop::sample::Index>()), 1..120),
        limit in 1..40usize,
    ) {
        let disk = Disk::new();
        let mut store = disk.open();
        let group = store.add_group(&genesis("rust"), true).unwrap();
        let mut expected = Vec::new();
        for (stretch, (at, dep)) in writes.into_iter().enumerate() {
            // Half of them depend on the genesis only: their effective time is the one they were given.
            let dep = EntryNo((dep.index(2 * stretch + 2) as u64).saturating_sub(stretch as u64 + 1));
            let author = Author::again(1, stretch as u64);
            let admitted = author.write_on(&store, group, &[dep], message(at, "x"));
            store.append(group, &admitted).unwrap();
            expected.push((admitted.eff(), admitted.verified().hash()));
        }
        store.commit().unwrap();
        expected.sort();
        let expected: Vec<ChangeHash> = expected.into_iter().map(|(_, id)| id).collect();
        let reader = disk.reader();
        prop_assert_eq!(&pages_up(&reader, group, limit), &expected);
        prop_assert_eq!(&pages_down(&reader, group, limit), &expected);
    }
}
