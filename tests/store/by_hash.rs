//! Every entry is found by its hash as soon as it is written, and no other entry is.

use peer::store::{SqliteStore, StoreError};
use peer_engine::group::{ChangeGraph, EntryNo, GroupNo};
use peer_engine::id::ChangeHash;
use peer_engine::store::Store;

use crate::support::{Author, Disk, genesis, message, older};

/// Entries in each of two groups: more than the writer keeps in memory.
const ENTRIES: u64 = 1_700;
/// More than the small index holds.
const VERY_MANY: u64 = 18_000;

fn joined(store: &mut SqliteStore) -> [GroupNo; 2] {
    ["rust", "c"].map(|name| store.add_group(&genesis(name), true).unwrap())
}

/// Each entry depends on the one before.
fn say(store: &mut SqliteStore, group: GroupNo, numbers: std::ops::RangeInclusive<u64>) -> Vec<ChangeHash> {
    let author = Author::new(1);
    let write = |no: u64| {
        let admitted = author.write_on(store, group, &[EntryNo(no - 1)], message(no as i64, "found"));
        assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(no));
        if no.is_multiple_of(700) {
            store.commit().unwrap();
        }
        admitted.verified().hash()
    };
    numbers.map(write).collect()
}

fn check(state: &str, store: &SqliteStore, group: GroupNo, hashes: &[ChangeHash]) {
    for (hash, no) in hashes.iter().zip(1..) {
        assert_eq!(store.find(group, hash).unwrap(), Some(EntryNo(no)), "{state}");
    }
}

fn rows(disk: &Disk, table: &str) -> u64 {
    let conn = rusqlite::Connection::open(disk.path()).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

#[test]
fn an_entry_is_found_in_its_transaction_and_after_it_by_everybody() {
    let disk = Disk::new();
    let mut store = disk.open();
    let groups = joined(&mut store);
    store.commit().unwrap();
    let author = Author::new(1);
    let mut written = [Vec::new(), Vec::new()];
    for no in 1..=ENTRIES {
        for (group, written) in groups.into_iter().zip(&mut written) {
            let content = message(no as i64, "found");
            let admitted = author.write_on(&store, group, &[EntryNo(no - 1)], content);
            store.append(group, &admitted).unwrap();
            written.push(admitted);
        }
    }
    let hashes = written.each_ref().map(|written| {
        written.iter().map(|admitted| admitted.verified().hash()).collect::<Vec<ChangeHash>>()
    });
    let check = |state: &str, store: &SqliteStore| {
        for (group, hashes) in groups.into_iter().zip(&hashes) {
            check(state, store, group, hashes);
        }
        assert_eq!(store.find(groups[1], &hashes[0][0]).unwrap(), None, "{state}: of another group");
        assert_eq!(store.find(groups[0], &ChangeHash([1; 32])).unwrap(), None, "{state}");
    };

    check("in the transaction", &store);
    // A repair empties the writer's memory, and looks up the dependencies.
    store.repair(groups[0], EntryNo(ENTRIES), written[0].last().unwrap().verified()).unwrap();
    check("after a repair", &store);
    assert!(disk.reader().entry_of(groups[0], hashes[0][0]).is_err(), "not by others yet");
    store.commit().unwrap();
    check("after the commit", &store);
    let shown = disk.reader().entry_of(groups[0], hashes[0][9]).unwrap();
    assert_eq!(shown.map(|entry| entry.no), Some(EntryNo(10)));
    drop(store);
    check("opened again", &disk.open());
    disk.tamper(&older(4));
    check("of an older version", &disk.open());
}

#[test]
fn of_very_many_each_is_found_in_either_level() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let mut hashes = say(&mut store, group, 1..=16_000);
    store.commit().unwrap();
    assert_eq!(rows(&disk, "by_hash"), 0, "there was room");
    while store.tidy().unwrap() {}
    let tidied = rows(&disk, "by_hash");
    assert!(tidied > 0, "room is made in quiet moments");
    hashes.extend(say(&mut store, group, 16_001..=VERY_MANY));
    store.commit().unwrap();
    assert!(rows(&disk, "by_hash") > tidied, "and by a commit that has none");
    assert_eq!(rows(&disk, "by_hash") + rows(&disk, "by_hash_recent"), VERY_MANY);
    check("in either level", &store, group, &hashes);
}

/// The index of an older format is converted step by step, and is used meanwhile.
#[test]
fn what_is_not_taken_over_yet_is_found_by_the_older_index() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let mut hashes = say(&mut store, group, 1..=9_000);
    store.commit().unwrap();
    store.close();
    disk.tamper(&older(4));
    let mut store = disk.open();
    let mut steps = 0;
    for no in 9_001.. {
        assert!(rows(&disk, "by_hash") < no, "nothing twice");
        check("while it is taken over", &store, group, &hashes);
        assert!(disk.reader().entry_of(group, *hashes.last().unwrap()).unwrap().is_some());
        hashes.extend(say(&mut store, group, no..=no));
        store.commit().unwrap();
        if !store.tidy().unwrap() {
            break;
        }
        steps += 1;
        if steps == 1 {
            drop(store);
            store = disk.open();
        }
    }
    assert!(steps > 1, "in more than one step");
    assert!(rows(&disk, "by_hash") >= 9_000);
    assert_eq!(rows(&disk, "sqlite_schema WHERE name = 'log_hash'"), 0);
    assert_eq!(rows(&disk, "value WHERE key = 'by_hash'"), 0);
    check("afterwards", &store, group, &hashes);
}

#[test]
fn an_entry_that_the_index_has_lost_is_in_it_again_when_it_arrives_again() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let admitted = Author::new(1).write_on(&store, group, &[EntryNo::GENESIS], message(1, "lost"));
    store.append(group, &admitted).unwrap();
    store.commit().unwrap();
    drop(store);
    disk.tamper("DELETE FROM by_hash_recent");
    let mut store = disk.open();
    let hash = admitted.verified().hash();
    assert_eq!(store.find(group, &hash).unwrap(), None);
    assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(1));
    assert_eq!(store.find(group, &hash).unwrap(), Some(EntryNo(1)));
}

#[test]
fn an_entry_that_is_gone_from_the_log_is_damage_and_not_unknown() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [group, _] = joined(&mut store);
    let hashes = say(&mut store, group, 1..=3);
    store.commit().unwrap();
    drop(store);
    disk.tamper("DELETE FROM log WHERE id & 0xffff = 2");
    let error = disk.open().find(group, &hashes[1]).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}
