//! What is unread, and which of it mentions the person at this peer.

use peer::limits::{UNREAD_MAX, UNREAD_VISITS_MAX};
use peer::store::{Attention, Page, SqliteStore};
use peer_engine::change::Content;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::store::Store;

use crate::support::{Author, Disk, directory, genesis, message, of_kind, own};

fn begun(disk: &Disk) -> (SqliteStore, GroupNo) {
    let mut store = disk.open();
    let mesh = store.add_group(&directory(), true).unwrap();
    Author::new(0).write(&mut store, mesh, of_kind(1, "name", "Ann Lee"));
    let group = store.add_group(&genesis("rust"), true).unwrap();
    (store, group)
}

fn attention(disk: &Disk, group: GroupNo) -> Attention {
    disk.attention(group, &own())
}

#[test]
fn a_mention_is_the_whole_name_or_a_reply_and_never_ones_own() {
    let disk = Disk::new();
    let (mut store, group) = begun(&disk);
    let (ann, ben) = (Author::new(0), Author::new(2));
    let mine = ann.say(&mut store, group, 1, "i am Ann Lee");
    let theirs = ben.say(&mut store, group, 2, "hello");
    let texts = [
        ("@ann lee: look", true),
        ("ANN LEE!", true),
        ("ánn lee?", true),
        ("ann", false),
        ("annual leeway", false),
        ("lee ann", false),
    ];
    for (text, _) in texts {
        ben.say(&mut store, group, 3, text);
    }
    ben.write(&mut store, group, Content { re: Some(mine), ..message(4, "a reply to her") });
    ben.write(&mut store, group, Content { re: Some(theirs), ..message(5, "a reply to himself") });
    ben.write(&mut store, group, of_kind(6, "topic", "ann lee"));
    ann.write(&mut store, group, Content { re: Some(mine), ..message(7, "ann lee answers herself") });
    store.commit().unwrap();
    let reader = disk.reader();
    let entries = reader.history(group, Page::Newest, 99).unwrap();
    let mentions = reader.mentions(group, &own(), &entries).unwrap();
    let marked: Vec<bool> = entries.iter().map(|entry| mentions.contains(&entry.no)).collect();
    let expected: Vec<bool> = [false, false]
        .into_iter()
        .chain(texts.map(|(_, mention)| mention))
        .chain([true, false, false, false])
        .collect();
    let numbers: std::collections::BTreeMap<_, _> =
        entries.iter().map(|entry| entry.no).zip(marked).collect();
    assert_eq!(numbers.into_values().collect::<Vec<_>>(), expected);
    let counted = attention(&disk, group);
    assert_eq!((counted.unread, counted.mentions), (1 + texts.len() as u64 + 2, 4));
}

#[test]
fn what_was_read_counts_no_more_also_after_a_restart() {
    let disk = Disk::new();
    let (mut store, group) = begun(&disk);
    for text in ["one", "two, Ann Lee", "three"] {
        Author::new(2).say(&mut store, group, 3, text);
    }
    store.commit().unwrap();
    assert_eq!((attention(&disk, group).unread, attention(&disk, group).mentions), (3, 1));
    store.set_read_mark(group, EntryNo(2)).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut store = disk.open();
    assert_eq!((attention(&disk, group).unread, attention(&disk, group).mentions), (1, 0));
    store.set_read_mark(group, EntryNo(u64::MAX)).unwrap();
    store.commit().unwrap();
    let counted = attention(&disk, group);
    assert_eq!((counted.read, counted.unread), (EntryNo(3), 0));
    assert!(store.set_read_mark(GroupNo(9), EntryNo(1)).is_err());
}

#[test]
fn many_groups_are_counted_as_each_alone() {
    let disk = Disk::new();
    let (mut store, first) = begun(&disk);
    let ben = Author::new(2);
    let mut groups = vec![first];
    groups.extend(["one", "two", "three"].map(|name| store.add_group(&genesis(name), true).unwrap()));
    for (number, &group) in groups.iter().enumerate() {
        for text in ["Ann Lee", "nobody", "to Ann Lee again", "hello"] {
            ben.say(&mut store, group, 1, text);
        }
        store.set_read_mark(group, EntryNo(number as u64)).unwrap();
    }
    store.commit().unwrap();
    let reader = disk.reader();
    let all = reader.groups(None).unwrap();
    let mentions = |no: GroupNo| {
        let counted = reader.attention(&all, &own()).unwrap();
        let place = all.iter().position(|group| group.no == Some(no)).unwrap();
        counted[place]
    };
    for (&group, (unread, named)) in groups.iter().zip([(4, 2), (3, 1), (2, 1), (1, 0)]) {
        let counted = mentions(group);
        assert_eq!((counted.unread, counted.mentions), (unread, named));
        assert_eq!(counted, attention(&disk, group));
    }
}

#[test]
fn counting_is_bounded() {
    let disk = Disk::new();
    let (mut store, group) = begun(&disk);
    let mut last = EntryNo::GENESIS;
    let ben = Author::new(2);
    let say = |store: &mut SqliteStore, content, last: &mut EntryNo| {
        let admitted = ben.write_on(store, group, &[*last], content);
        *last = store.append(group, &admitted).unwrap();
    };
    for number in 0..UNREAD_MAX + 1 {
        say(&mut store, message(number as i64, "Ann Lee"), &mut last);
    }
    store.commit().unwrap();
    assert_eq!((attention(&disk, group).unread, attention(&disk, group).mentions), (UNREAD_MAX, UNREAD_MAX));
    store.set_read_mark(group, last).unwrap();
    for number in 0..UNREAD_VISITS_MAX {
        say(&mut store, of_kind(number as i64, "join", ""), &mut last);
    }
    store.commit().unwrap();
    // Entries beyond the limit were not examined: as many may be there.
    assert_eq!(attention(&disk, group).unread, UNREAD_MAX);
}
