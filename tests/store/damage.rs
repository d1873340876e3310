//! A row that was altered outside the store is noticed wherever it is read, and never served.

use peer::store::{FeedPlace, FeedWhat, Page, StoreError};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::store::Store;

use crate::support::{Author, Disk, genesis, message};

fn three_messages(disk: &Disk) -> GroupNo {
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for (at, text) in [(1, "one"), (2, "two"), (3, "three")] {
        let mut content = message(at, text);
        content.from = Some("somebody".to_owned());
        Author::new(1).write(&mut store, group, content);
    }
    store.commit().unwrap();
    group
}

#[test]
fn every_altered_value_is_noticed() {
    for damage in [
        "body = 'forged'",
        "body = CAST(body AS BLOB)",
        "body = CAST(x'ff' AS TEXT)",
        "body = 5",
        "at = at + 1",
        "at = -1",
        "kind = 'topic'",
        "sender = NULL",
        "sender = 'else'",
        "re = zeroblob(32)",
        "re = zeroblob(31)",
        "signature = zeroblob(64)",
        "signature = zeroblob(63)",
        "seq = seq + 1",
        "seq = -1",
        "max_op = 0",
        "max_op = -1",
        "max_op = max_op + 1",
        "deps = x'02'",
        "deps = x''",
        "deps = x'00'",
        "deps = x'80'",
        "deps = x'ffffffffffffffffffffff01'",
        "hash = zeroblob(32)",
        "hash = x''",
    ] {
        let disk = Disk::new();
        let group = three_messages(&disk);
        disk.tamper(&format!("UPDATE log SET {damage} WHERE id & 0xffff = 2"));

        let store = disk.open();
        let reader = disk.reader();
        let refused = |error: StoreError| {
            assert!(matches!(error, StoreError::Row { no: EntryNo(2), .. }), "{damage}: {error}");
        };
        refused(store.change(group, EntryNo(2)).unwrap_err());
        // It is never shown, and does not keep the others from being shown.
        let shown =
            |entries: Vec<peer::store::Entry>| entries.iter().map(|entry| entry.no.0).collect::<Vec<_>>();
        assert!(!shown(reader.history(group, Page::Newest, 9).unwrap()).contains(&2), "{damage}");
        let feed = reader.feed_after(FeedPlace::default(), 9).unwrap().unwrap();
        let told = feed.iter().filter_map(|item| match &item.what {
            FeedWhat::Entry(entry) => Some(entry.no.0),
            _ => None,
        });
        let told: Vec<u64> = told.collect();
        assert!(told.contains(&1) && !told.contains(&2), "{damage}: {told:?}");
        assert_eq!(reader.search("two", None, 9, 0).unwrap(), [], "{damage}");
        refused(reader.changes(group).find_map(Result::err).unwrap());
        let genesis = reader.genesis(group).unwrap();
        match peer::store::export::automerge(&genesis, reader.changes(group)) {
            Err(peer::store::export::ExportError::Store(error)) => refused(error),
            other => panic!("{damage}: {other:?}"),
        }
        // The others are served.
        assert!(store.change(group, EntryNo(1)).is_ok(), "{damage}");
    }
}

#[test]
fn an_author_cannot_be_swapped() {
    let disk = Disk::new();
    let group = three_messages(&disk);
    disk.tamper("UPDATE actor SET bytes = zeroblob(40)");
    assert!(matches!(disk.open().change(group, EntryNo(1)), Err(StoreError::Row { .. })));
    disk.tamper("DELETE FROM actor");
    assert_eq!(disk.reader().history(group, Page::Newest, 9).unwrap(), []);
}

#[test]
fn a_missing_row_is_noticed() {
    let disk = Disk::new();
    let group = three_messages(&disk);
    disk.tamper("DELETE FROM log WHERE id & 0xffff = 2");
    let shown = disk.reader().history(group, Page::Newest, 2).unwrap();
    // The third cannot be rebuilt without the hash of the second.
    assert_eq!(shown, []);
    let error = disk.open().change(group, EntryNo(2)).unwrap_err();
    assert!(matches!(error, StoreError::Row { no: EntryNo(2), .. }), "{error}");
    assert!(matches!(disk.open().change(group, EntryNo(3)), Err(StoreError::Row { .. })));
}

#[test]
fn a_change_whose_row_lost_its_hash_is_not_shown_twice() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let admitted = Author::new(1).write_on(&store, group, &[EntryNo::GENESIS], message(1, "x"));
    store.append(group, &admitted).unwrap();
    store.commit().unwrap();
    disk.tamper("UPDATE log SET hash = zeroblob(32)");
    assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(1));
    store.commit().unwrap();
    assert_eq!(store.groups().unwrap()[0].entries, 1);
}

/// A group with more or fewer entries than its own row says.
#[test]
fn a_group_that_does_not_end_where_its_log_ends_is_noticed_at_opening() {
    for damage in [
        "DELETE FROM log WHERE id & 0xffff = 3",
        "UPDATE grp SET entries = 2",
        "UPDATE grp SET entries = 9",
        "UPDATE grp SET heads = x'02'",
        "UPDATE grp SET heads = x''",
    ] {
        let disk = Disk::new();
        three_messages(&disk);
        disk.tamper(damage);
        let error = peer::store::SqliteStore::open(&disk.path(), crate::support::own()).unwrap_err();
        assert!(error.is_damage(), "{damage}: {error}");
    }
}

/// If display order and log disagree, no history is shown.
#[test]
fn an_order_that_is_not_the_logs_is_noticed() {
    for damage in [
        "UPDATE entry SET no = 1 WHERE no = 2",
        "UPDATE entry SET eff = eff + 100 WHERE no = 1",
        "UPDATE log SET eff = eff + 100 WHERE id & 0xffff = 2",
    ] {
        let disk = Disk::new();
        let group = three_messages(&disk);
        disk.tamper(damage);
        let error = disk.reader().history(group, Page::Newest, 9).unwrap_err();
        assert!(error.is_damage(), "{damage}: {error}");
    }
}

#[test]
fn a_group_that_is_not_what_its_first_change_says_is_noticed_at_opening() {
    for damage in ["id = zeroblob(32)", "name = 'rusty'", "genesis = x'00'", "genesis = zeroblob(100)"] {
        let disk = Disk::new();
        three_messages(&disk);
        disk.tamper(&format!("UPDATE grp SET {damage}"));
        let error = peer::store::SqliteStore::open(&disk.path(), crate::support::own()).unwrap_err();
        assert!(error.is_damage(), "{damage}: {error}");
    }
}
