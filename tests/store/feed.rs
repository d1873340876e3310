//! The order of arrival in all groups: a place in it is found again, or the client is told that it may have
//! missed entries.

use peer::limits::FEED_MAX;
use peer::store::{FeedPlace, FeedWhat, Reader};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::store::Store;

use crate::support::{Author, Disk, directory, genesis, of_kind, older};

/// The items after the place, as group and number, or as the kind in the directory; and the place after them.
fn after(reader: &Reader, place: FeedPlace) -> Option<(Vec<String>, FeedPlace)> {
    let items = reader.feed_after(place, 9).unwrap()?;
    let end = items.last().map_or(place, |item| item.place);
    let told = items.into_iter().map(|item| match item.what {
        FeedWhat::Entry(entry) => format!("{} {}", entry.group, entry.no.0),
        FeedWhat::Directory(kind) => kind.unwrap(),
        FeedWhat::Elsewhere => "elsewhere".to_owned(),
    });
    Some((told.collect(), end))
}

#[test]
fn what_arrived_is_told_once_whatever_was_restarted_or_joined_meanwhile() {
    let disk = Disk::new();
    let ann = Author::new(1);
    let mut store = disk.open();
    let mesh = store.add_group(&directory(), true).unwrap();
    let rust = store.add_group(&genesis("rust"), true).unwrap();
    assert_eq!(disk.reader().feed_end().unwrap(), FeedPlace::default());
    ann.say(&mut store, rust, 5, "a");
    ann.write(&mut store, mesh, of_kind(6, "name", "ann"));
    store.commit().unwrap();
    let (told, place) = after(&disk.reader(), FeedPlace::default()).unwrap();
    assert_eq!(told, ["rust 1", "name"]);
    assert_eq!(disk.reader().feed_end().unwrap(), place);
    drop(store);

    let mut store = disk.open();
    let other = store.add_group(&genesis("c"), true).unwrap();
    Author::new(2).say(&mut store, other, 1, "b");
    ann.say(&mut store, rust, 2, "c");
    store.commit().unwrap();
    let (told, end) = after(&disk.reader(), place).unwrap();
    assert_eq!(told, ["c 1", "rust 2"]);
    assert_eq!(after(&disk.reader(), end).unwrap().0, [""; 0]);

    store.set_joined(other, false).unwrap();
    store.commit().unwrap();
    assert_eq!(after(&disk.reader(), place).unwrap().0, ["elsewhere", "rust 2"]);
}

#[test]
fn a_place_of_another_history_is_unknown() {
    let (disk, other) = (Disk::new(), Disk::new());
    for (disk, text) in [(&disk, "a"), (&other, "b")] {
        let mut store = disk.open();
        let group = store.add_group(&genesis("rust"), true).unwrap();
        Author::new(1).say(&mut store, group, 1, text);
        store.commit().unwrap();
    }
    let place = other.reader().feed_end().unwrap();
    assert!(after(&disk.reader(), place).is_none());
    let ahead = FeedPlace { seq: 2, ..disk.reader().feed_end().unwrap() };
    assert!(after(&disk.reader(), ahead).is_none());
}

#[test]
fn only_so_much_is_kept_and_an_older_place_is_unknown() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    Author::new(1).say(&mut store, group, 1, "first");
    store.commit().unwrap();
    let first = disk.reader().feed_end().unwrap();
    drop(store);
    // As if this many entries had come before, so that the next but one triggers the removal of old rows.
    let look = (FEED_MAX / 1024 + 2) * 1024;
    disk.tamper(&format!("INSERT INTO feed (seq, log) SELECT {}, log FROM feed", look - 2));
    assert!(after(&disk.reader(), first).is_some());
    let mut store = disk.open();
    Author::new(1).say(&mut store, group, 2, "second");
    store.commit().unwrap();
    Author::new(1).say(&mut store, group, 3, "third");
    store.commit().unwrap();
    let third = disk.reader().feed_end().unwrap();
    assert_eq!(third.seq, look);
    assert!(after(&disk.reader(), first).is_none());
    assert!(after(&disk.reader(), FeedPlace::default()).is_none());
    assert!(after(&disk.reader(), third).is_some());
}

#[test]
fn a_database_without_a_feed_gets_one() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    Author::new(1).say(&mut store, group, 1, "old");
    store.commit().unwrap();
    drop(store);
    disk.tamper(&older(2));
    let mut store = disk.open();
    assert_eq!(store.groups().unwrap()[0].entries, 1);
    Author::new(1).say(&mut store, GroupNo(1), 2, "new");
    store.commit().unwrap();
    assert_eq!(after(&disk.reader(), FeedPlace::default()).unwrap().0, ["rust 2"]);
    assert_eq!(disk.attention(group, &Author::new(9).key()).read, EntryNo(0));
}
