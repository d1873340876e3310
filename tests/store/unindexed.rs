//! Messages that are not in the full-text index yet are found all the same, and only once.

use peer::store::{Reader, SqliteStore};
use peer_engine::change::Body;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::store::Store;

use crate::support::{Author, Disk, MESH, filler, genesis, message, of_kind, older};

/// The numbers of the messages found by this word.
fn found(reader: &Reader, word: &str) -> Vec<usize> {
    let number = |body: &Body| match body {
        Body::Text(text) => text.split(' ').next().unwrap().parse().unwrap(),
        Body::Sealed(_) => panic!("sealed"),
    };
    let hits = reader.search(word, None, 2000, 0).unwrap();
    let mut numbers: Vec<usize> = hits.iter().map(|hit| number(&hit.entry.body)).collect();
    numbers.sort_unstable();
    numbers
}

/// The rows that the index on disk has for this word, each as often as it is mentioned.
fn indexed(disk: &Disk, word: &str) -> Vec<i64> {
    let conn = rusqlite::Connection::open(disk.path()).unwrap();
    conn.execute_batch("CREATE VIRTUAL TABLE temp.instances USING fts5vocab(main, words, instance)").unwrap();
    let mut rows = conn.prepare("SELECT doc FROM instances WHERE term = ?1").unwrap();
    rows.query_map([word], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn joined(store: &mut SqliteStore) -> [GroupNo; 2] {
    ["rust", "c"].map(|name| store.add_group(&genesis(name), true).unwrap())
}

/// A group with this many messages, committed at once.
fn needles(count: i64) -> (Disk, SqliteStore, GroupNo) {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    for number in 0..count {
        Author::new(1).say(&mut store, group, number, &format!("{number} needle"));
    }
    store.commit().unwrap();
    (disk, store, group)
}

#[test]
fn every_message_is_found_in_every_state_by_old_readers_and_new_ones() {
    let disk = Disk::new();
    let mut store = disk.open();
    let groups = joined(&mut store);
    let authors = [Author::new(1), Author::new(2)];
    let old = store.reader(MESH).unwrap();
    let mut written = 0;
    for (step, commit) in [1, 1, 40, 3, 200, 30, 1, 300, 1, 250, 5, 1].into_iter().enumerate() {
        for _ in 0..commit {
            let at = written % 2;
            let text = format!("{written} needle w{}", written % 7);
            authors[at].say(&mut store, groups[at], written as i64, &text);
            authors[at].write(&mut store, groups[at], of_kind(written as i64, "topic", "needle"));
            written += 1;
        }
        assert_eq!(found(&old, "needle").len(), written - commit, "what is not committed is not found");
        store.commit().unwrap();
        if step % 3 == 2 {
            // As after a crash: the store is not closed.
            drop(store);
            store = disk.open();
        }
        let all: Vec<usize> = (0..written).collect();
        for reader in [&old, &disk.reader()] {
            assert_eq!(found(reader, "needle"), all, "step {step}");
            assert_eq!(found(reader, "w3"), (0..written).filter(|n| n % 7 == 3).collect::<Vec<_>>());
        }
    }
    Author::again(1, 9).say(&mut store, groups[0], 9999, &filler());
    store.commit().unwrap();
    let mut rows = indexed(&disk, "needle");
    assert_eq!(rows.len(), written, "each once");
    rows.dedup();
    assert_eq!(rows.len(), written);
}

#[test]
fn what_a_failed_transaction_had_indexed_waits_again() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    Author::new(1).say(&mut store, group, 1, "0 needle");
    store.commit().unwrap();
    for at in 0..5000 {
        Author::new(2).say(&mut store, group, at, "9 lost");
    }
    let next = Author::new(2).write_on(&store, group, &[EntryNo::GENESIS], message(2, "y"));
    store.append(GroupNo(9), &next).unwrap_err();
    Author::new(1).say(&mut store, group, 2, "1 needle");
    store.commit().unwrap();
    assert_eq!((found(&disk.reader(), "needle"), found(&disk.reader(), "lost")), (vec![0, 1], vec![]));
}

#[test]
fn a_name_in_what_waits_is_a_mention() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let (me, other) = (Author::new(1), Author::new(2));
    me.write(&mut store, group, of_kind(1, "name", "Ann Lee"));
    let directory = store.add_group(&crate::support::directory(), true).unwrap();
    me.write(&mut store, directory, of_kind(1, "name", "Ann Lee"));
    let mut mentions = 0;
    for at in 2..900 {
        let text = if at % 3 == 0 { "0 hello ann lee" } else { "0 hello ann" };
        other.say(&mut store, group, at, text);
        mentions += u64::from(at % 3 == 0);
        if at % 50 == 0 {
            store.commit().unwrap();
            assert_eq!(disk.attention(group, &me.key()).mentions, mentions, "{at}");
        }
    }
}

#[test]
fn a_message_that_was_damaged_before_it_was_indexed_is_found_once_it_is_repaired() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let admitted = Author::new(1).write_on(&store, group, &[EntryNo::GENESIS], message(1, "0 needle"));
    store.append(group, &admitted).unwrap();
    store.commit().unwrap();
    drop(store);
    disk.tamper("UPDATE log SET body = 5");
    let mut store = disk.open();
    for number in 1..600 {
        Author::new(2).say(&mut store, group, number, &format!("{number} hay"));
    }
    store.commit().unwrap();
    assert_eq!(found(&disk.reader(), "needle"), [0; 0]);
    for _ in 0..2 {
        store.repair(group, EntryNo(1), admitted.verified()).unwrap();
        store.commit().unwrap();
        assert_eq!(found(&disk.reader(), "needle"), [0]);
        assert_eq!(indexed(&disk, "needle").len(), 1);
    }
}

#[test]
fn what_waits_in_an_older_database_goes_on_waiting() {
    let (disk, mut store, group) = needles(300);
    Author::again(1, 2).say(&mut store, group, 1000, "300 needle");
    store.commit().unwrap();
    store.close();
    assert_eq!(indexed(&disk, "needle").len(), 300, "the last waits");
    disk.tamper(&older(4));
    drop(disk.open());
    assert_eq!(found(&disk.reader(), "needle"), (0..=300).collect::<Vec<_>>());
}

#[test]
fn an_older_database_has_all_in_its_index() {
    let (disk, store, group) = needles(300);
    drop(store);
    disk.tamper(&older(3));
    let mut store = disk.open();
    Author::again(1, 2).say(&mut store, group, 1000, "300 needle");
    store.commit().unwrap();
    assert_eq!(found(&disk.reader(), "needle"), (0..=300).collect::<Vec<_>>());
    Author::again(1, 3).say(&mut store, group, 1001, &filler());
    store.commit().unwrap();
    assert_eq!(indexed(&disk, "needle").len(), 301);
}

#[test]
fn a_mark_that_is_damaged_hides_nothing() {
    for mark in
        ["DELETE FROM value WHERE key = 'words'", "UPDATE value SET value = x'ff' WHERE key = 'words'"]
            .map(str::to_owned)
            .into_iter()
            .chain([-1_000_000, -1, 1_000_000, i64::MAX, i64::MIN].map(|mark| {
                let bytes: String = mark.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                format!("UPDATE value SET value = x'{bytes}' WHERE key = 'words'")
            }))
    {
        let (disk, mut store, group) = needles(300);
        for number in 300..320 {
            Author::again(1, number as u64).say(&mut store, group, number, &format!("{number} needle"));
            store.commit().unwrap();
        }
        drop(store);
        assert_eq!(indexed(&disk, "needle").len(), 300, "the others wait");
        disk.tamper(&mark);
        let mut store = disk.open();
        for number in 320..322 {
            Author::again(1, number as u64).say(&mut store, group, number, &format!("{number} needle"));
            store.commit().unwrap();
            let found = found(&disk.reader(), "needle");
            assert_eq!(found, (0..=number as usize).collect::<Vec<_>>(), "{mark}");
        }
        assert_eq!(indexed(&disk, "needle").len(), 321, "each once: {mark}");
    }
}

#[test]
fn what_waits_is_indexed_where_nothing_else_is_to_be_done() {
    let (disk, mut store, _) = needles(100);
    assert_eq!(indexed(&disk, "needle").len(), 0);
    while store.tidy().unwrap() {}
    assert_eq!(indexed(&disk, "needle").len(), 100);
    assert_eq!(found(&disk.reader(), "needle").len(), 100);
}
