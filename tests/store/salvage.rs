//! Salvages of damaged databases: the new log has no gaps, and entries above a gap are shown until they can
//! follow.

use std::fs::{self, File};

use peer::store::{Bytes, Entry, Page, Salvaged, SqliteStore};
use peer_engine::change::Body;
use peer_engine::group::{ChangeGraph, EntryNo, GroupNo, Verdict, admit};
use peer_engine::id::ChangeHash;
use peer_engine::kinds::group::GROUP;
use peer_engine::store::{Sent, Store};

use crate::support::{Author, Disk, MESH, directory, genesis, of_kind, own};

/// Six entries, each depending on the one before; the third cannot be rebuilt.
fn damaged() -> (Disk, GroupNo, Vec<Entry>, Vec<u8>) {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for at in 1..=4 {
        Author::new(1).say(&mut store, group, at, &format!("number {at}"));
    }
    Author::new(1).write(&mut store, group, of_kind(5, "topic", "above the gap"));
    Author::new(2).say(&mut store, group, 6, "number 6");
    store.set_read_mark(group, EntryNo(6)).unwrap();
    store.commit().unwrap();
    let lost = store.change(group, EntryNo(3)).unwrap();
    let whole = disk.reader().history(group, Page::Newest, 9).unwrap();
    store.close();
    disk.tamper("UPDATE log SET body = 'forged' WHERE id & 0xffff = 3");
    (disk, group, whole, lost)
}

fn salvage(disk: &Disk) -> (Disk, SqliteStore, Salvaged) {
    let new = Disk::new();
    let mut file = File::open(disk.path()).unwrap();
    let mut log = File::open(disk.path().with_extension("db-wal")).ok();
    let log = log.as_mut().map(|log| log as &mut dyn Bytes);
    let done = SqliteStore::salvage(&mut file, log, &new.path(), own(), MESH).unwrap();
    let store = new.open();
    (new, store, done)
}

fn ids(entries: &[Entry]) -> Vec<ChangeHash> {
    entries.iter().map(|entry| entry.id).collect()
}

/// Appends `change` and all changes that it releases, as the engine does.
fn take_in(store: &mut SqliteStore, group: GroupNo, change: &[u8]) {
    let id = store.groups().unwrap().remove(0).id;
    let change = peer_engine::change::Unverified::decode(change).unwrap().verify(id).unwrap();
    let mut judged = vec![change];
    while let Some(change) = judged.pop() {
        let Verdict::Admitted(admitted) = admit(store, group, change).unwrap() else { continue };
        store.append(group, &admitted).unwrap();
        judged.extend(store.released_by(group, &admitted.verified().hash()).unwrap());
    }
    store.commit().unwrap();
}

#[test]
fn what_is_above_a_gap_is_shown_and_is_no_part_of_the_log() {
    let (disk, group, whole, _) = damaged();
    let (new, store, done) = salvage(&disk);
    assert_eq!(done, Salvaged { entries: 5, stranded: 3 });
    let row = store.groups().unwrap().remove(0);
    assert_eq!((row.entries, row.heads), (2, vec![EntryNo(2)]));
    assert_eq!(store.nodes_below(group, EntryNo(u64::MAX), 9).unwrap().len(), 3);

    let reader = new.reader();
    let shown = reader.history(group, Page::Newest, 9).unwrap();
    let left = [0, 1, 3, 4, 5].map(|place: usize| whole[place].id);
    assert_eq!(ids(&shown), left);
    assert_eq!(shown.iter().map(Entry::arrival).collect::<Vec<_>>(), [1, 2, 0, 0, 0]);
    assert_eq!(store.find(group, &left[2]).unwrap(), None, "nothing is to be built on it");
    assert_eq!(reader.entry_of(group, left[2]).unwrap().unwrap().body, Body::Text("number 4".to_owned()));
    assert_eq!(ids(&reader.history(group, Page::Before(left[4]), 2).unwrap()), left[2..4]);
    assert_eq!(reader.search("number 6", None, 9, 1).unwrap()[0].before[0].id, left[3]);
    assert_eq!(
        reader.group(&"rust".parse().unwrap()).unwrap().unwrap().topic.as_deref(),
        Some("above the gap")
    );
    assert_eq!(reader.changes(group).count(), 2);
    assert_eq!(reader.stranded(group).unwrap(), 3);
}

#[test]
fn what_is_above_a_gap_follows_when_the_gap_is_filled() {
    let (disk, group, whole, lost) = damaged();
    let (new, store, _) = salvage(&disk);
    // It is still known after a restart, and after another salvage.
    store.close();
    let (newer, store, done) = salvage(&new);
    assert_eq!(done, Salvaged { entries: 5, stranded: 3 });
    store.close();
    let mut store = newer.open();
    take_in(&mut store, group, &lost);

    let row = store.groups().unwrap().remove(0);
    assert_eq!((row.entries, row.heads), (6, vec![EntryNo(6)]));
    let again = newer.reader().history(group, Page::Newest, 9).unwrap();
    let place = |entry: &Entry| (entry.id, entry.eff, entry.body.clone(), entry.no);
    assert_eq!(again.iter().map(place).collect::<Vec<_>>(), whole.iter().map(place).collect::<Vec<_>>());
    for text in ["number 1", "number 3", "number 4", "number 6"] {
        assert_eq!(newer.reader().search(text, None, 9, 0).unwrap().len(), 1, "{text}");
    }
    assert_eq!(newer.reader().changes(group).count(), 6);
    // All was read before, so none of it is unread.
    assert_eq!(newer.attention(group, &own()).unread, 0);
    Author::new(2).say(&mut store, group, 7, "this is");
    store.commit().unwrap();
    assert_eq!(newer.attention(group, &own()).unread, 1);
}

/// Otherwise a client that missed the answer and sends again would have its message twice.
#[test]
fn under_what_key_an_entry_was_sent_is_known_as_long_as_the_entry() {
    let (disk, _, whole, _) = damaged();
    let mut store = disk.open();
    for (key, entry) in [("first", &whole[0]), ("lost", &whole[2]), ("last", &whole[5])] {
        store.put_sent(key, &Sent { digest: [7; 32], id: entry.id }).unwrap();
    }
    store.close();
    let known = |disk: &Disk| {
        let (_new, store, _) = salvage(disk);
        ["first", "lost", "last"].map(|key| store.sent(key).unwrap().map(|sent| sent.id))
    };
    assert_eq!(known(&disk), [Some(whole[0].id), None, Some(whole[5].id)]);
    disk.tamper("UPDATE log SET body = 'number 3' WHERE body = 'forged'");
    assert_eq!(known(&disk), [0, 2, 5].map(|place: usize| Some(whole[place].id)));
}

/// Log and display order may give different hashes for a damaged row: an entry that depends on it tells which
/// is right.
#[test]
fn what_names_a_lost_entry_tells_its_hash() {
    for damage in [
        "UPDATE entry SET hash = zeroblob(32) WHERE no = 3",
        "UPDATE log SET hash = zeroblob(32) WHERE id & 0xffff = 3",
    ] {
        let (disk, group, whole, lost) = damaged();
        disk.tamper(damage);
        let store = disk.open();
        assert!(store.hash_by_order(group, EntryNo(3)).unwrap_err().is_damage(), "{damage}");
        store.close();
        let (new, mut store, done) = salvage(&disk);
        assert_eq!(done, Salvaged { entries: 5, stranded: 3 }, "{damage}");
        take_in(&mut store, group, &lost);
        let again = new.reader().history(group, Page::Newest, 9).unwrap();
        assert_eq!(ids(&again), ids(&whole), "{damage}");
    }
}

/// The actor that the peer last wrote with is also stored separately.
#[test]
fn what_this_peer_wrote_last_outlives_the_actors() {
    let (disk, group, whole, _) = damaged();
    let mut store = disk.open();
    let value = [&[0; 32], &Author::new(1).actor().0[..], &5u64.to_le_bytes()].concat();
    store.set_value(&format!("writer/{}", group.0), &value).unwrap();
    store.commit().unwrap();
    store.close();
    disk.tamper("DELETE FROM actor");
    let (new, _, done) = salvage(&disk);
    assert_eq!(done, Salvaged { entries: 4, stranded: 2 });
    let left = [0, 1, 3, 4].map(|place: usize| whole[place].id);
    assert_eq!(ids(&new.reader().history(group, Page::Newest, 9).unwrap()), left);
}

#[test]
fn what_is_stranded_is_derived_again_with_the_rest() {
    let (disk, group, _, lost) = damaged();
    let (new, mut store, _) = salvage(&disk);
    let shown = new.reader().history(group, Page::Newest, 9).unwrap();
    store.rebuild().unwrap();
    assert_eq!(new.reader().history(group, Page::Newest, 9).unwrap(), shown);
    assert_eq!(new.reader().search("number", None, 9, 0).unwrap().len(), 4);
    take_in(&mut store, group, &lost);
    assert_eq!(new.reader().search("number", None, 9, 0).unwrap().len(), 5);
}

/// An entry is signed for its group, so the group is found; its dependencies tell where it is shown.
#[test]
fn groups_and_places_that_were_lost_are_found_again() {
    let disk = Disk::new();
    let mut store = disk.open();
    let names = store.add_group(&directory(), true).unwrap();
    let groups = ["attic", "boats", "rust"].map(|name| store.add_group(&genesis(name), true).unwrap());
    for (at, name) in [(1, "attic"), (2, "boats"), (3, "rust")] {
        Author::new(1).write(&mut store, names, of_kind(at, GROUP, name));
    }
    for at in 1..=9 {
        for group in groups {
            Author::new(1).say(&mut store, group, 10 * at, &format!("number {at} of {}", group.0));
        }
    }
    store.commit().unwrap();
    let shown = |disk: &Disk| groups.map(|group| disk.reader().history(group, Page::Newest, 20).unwrap());
    let whole = shown(&disk);
    store.close();
    // It is still between its neighbours.
    disk.tamper(
        "UPDATE log SET eff = eff + 1 WHERE id & 0xffff = 4 AND id >> 40 = 3;
         UPDATE entry SET eff = eff + 1 WHERE no = 4 AND grp = 3;",
    );
    let misplaced = disk.reader().history(groups[1], Page::Newest, 20).unwrap_err();
    assert!(misplaced.is_damage(), "{misplaced}");
    disk.tamper("DELETE FROM grp WHERE no > 1");
    let (new, store, done) = salvage(&disk);
    assert_eq!(done, Salvaged { entries: 30, stranded: 0 });
    assert_eq!(shown(&new), whole);
    assert_eq!(store.groups().unwrap().len(), 4);
}

/// If the newest version of a row is damaged, an intact older one is used.
#[test]
fn an_older_version_of_a_row_is_better_than_none() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let ids: Vec<_> = (1..=3)
        .map(|at| {
            let id = Author::new(1).say(&mut store, group, at, &format!("number {at}"));
            store.commit().unwrap();
            id
        })
        .collect();
    let log = disk.path().with_extension("db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let last = bytes.windows(8).rposition(|part| part == b"number 1").unwrap();
    bytes[last] = b'N';
    let other = Disk::new();
    fs::copy(disk.path(), other.path()).unwrap();
    fs::write(other.path().with_extension("db-wal"), bytes).unwrap();
    let (new, ..) = salvage(&other);
    assert_eq!(self::ids(&new.reader().history(group, Page::Newest, 9).unwrap()), ids);
}

/// SQLite reads a log up to the first damaged frame, and would truncate it there.
#[test]
fn a_log_that_breaks_off_is_kept_and_read_to_its_end() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for at in 1..=9 {
        Author::new(1).say(&mut store, group, at, &format!("number {at}"));
        store.commit().unwrap();
    }
    let other = Disk::new();
    let log = other.path().with_extension("db-wal");
    fs::copy(disk.path(), other.path()).unwrap();
    let mut bytes = fs::read(disk.path().with_extension("db-wal")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();

    // Whether the damage is noticed in the readable part or behind it.
    let noticed = SqliteStore::open_unclosed(&other.path(), own(), &mut File::open(&log).unwrap());
    assert!(noticed.unwrap_err().is_damage());
    assert_eq!(fs::read(&log).unwrap(), bytes);
    let (new, ..) = salvage(&other);
    assert_eq!(new.reader().history(group, Page::Newest, 99).unwrap().len(), 9);
}

#[test]
fn a_schema_that_is_damaged_is_noticed_at_opening() {
    for damage in [
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'max_op', 'max_oq') WHERE name = 'log'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'columnsize', 'columnsise') WHERE name = 'words'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'diacritics', 'diacritica') WHERE name = 'words'",
        "UPDATE words_config SET v = 0 WHERE k = 'version'",
    ] {
        let (disk, ..) = damaged();
        let conn = rusqlite::Connection::open(disk.path()).unwrap();
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        conn.execute_batch(damage).unwrap();
        drop(conn);
        let error = SqliteStore::open(&disk.path(), own()).unwrap_err();
        assert!(error.is_damage(), "{damage}: {error}");
    }
}

#[test]
fn what_was_not_read_is_not_read_in_the_new_database_either() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [read, unread] = ["rust", "c"].map(|name| store.add_group(&genesis(name), true).unwrap());
    for at in 1..=9 {
        Author::new(1).say(&mut store, read, at, "hello");
        Author::new(1).say(&mut store, unread, at, "hello");
    }
    store.set_read_mark(read, EntryNo(7)).unwrap();
    store.commit().unwrap();
    store.close();
    let (new, ..) = salvage(&disk);
    let me = Author::new(2).key();
    assert_eq!(new.attention(read, &me).read, EntryNo(7));
    assert_eq!(new.attention(unread, &me).read, EntryNo(0));
}
