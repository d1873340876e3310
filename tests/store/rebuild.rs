//! A rebuild derives everything again from the log, as it was.

use peer::store::{Page, Snapshot, SqliteStore, StoreError};
use peer_engine::change::Body;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::kinds::join::JOINED;
use peer_engine::kinds::name::NAME;
use peer_engine::kinds::topic::TOPIC;
use peer_engine::store::Store;

use crate::support::{Author, Disk, directory, filler, genesis, message, of_kind};

/// Two groups with branches, a fork, registers, late entries, sealed bodies and relayed names.
fn varied(disk: &Disk) -> (SqliteStore, [GroupNo; 2]) {
    let mut store = disk.open();
    let groups = [&directory(), &genesis("rust")].map(|genesis| store.add_group(genesis, true).unwrap());
    store.set_caught_up(groups[1]).unwrap();
    for group in groups {
        let mut last: [Option<EntryNo>; 5] = [None; 5];
        for step in 0..60u64 {
            let by = (step * 7 % 5) as usize;
            let author = Author::new(by as u8);
            let mut content = match step % 6 {
                0 => of_kind(1000 - step as i64, TOPIC, &format!("topic {step}")),
                1 => of_kind(900 + step as i64, NAME, &format!("name {step}")),
                2 => of_kind(900, JOINED, ""),
                3 => of_kind(900, "unknown.kind", "kept"),
                _ => message(500 + (step as i64 * 37) % 100, &format!("message number {step}")),
            };
            if step % 10 == 9 {
                content.from = Some("relayed".to_owned());
                content.re = Some(peer_engine::id::ChangeHash([step as u8; 32]));
                content.body = Body::Sealed(vec![step as u8; 9]);
            }
            let mut deps: Vec<EntryNo> = last[by].into_iter().collect();
            deps.extend(last[(by + 1) % 5]);
            deps.dedup();
            if deps.is_empty() {
                deps.push(EntryNo::GENESIS);
            }
            let admitted = author.write_on(&store, group, &deps, content);
            last[by] = Some(store.append(group, &admitted).unwrap());
            if step % 13 == 0 {
                store.commit().unwrap();
            }
        }
        let twin = Author::new(2).write_on(&store, group, &[EntryNo::GENESIS], message(1, "twin"));
        assert!(twin.forks());
        store.append(group, &twin).unwrap();
    }
    Author::new(1).say(&mut store, groups[1], 2000, &filler());
    store.commit().unwrap();
    (store, groups)
}

/// All rows of all tables that hold the log or derive from it, and all words of the full-text index.
fn dump(disk: &Disk) -> Vec<String> {
    let conn = rusqlite::Connection::open(disk.path()).unwrap();
    conn.execute_batch("CREATE VIRTUAL TABLE temp.instances USING fts5vocab(main, words, instance)").unwrap();
    let mut out = Vec::new();
    let by_hash = "(SELECT * FROM by_hash UNION ALL SELECT * FROM by_hash_recent ORDER BY beginning, log)";
    for table in ["grp", "actor", "log", "entry", "register", "fork", by_hash, "instances"] {
        let mut statement = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let before = out.len();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            out.push(format!("{table} {}", values.collect::<Vec<_>>().join(" ")));
        }
        assert!(out.len() > before, "{table} is empty");
    }
    out
}

#[test]
fn a_rebuild_changes_nothing() {
    let disk = Disk::new();
    let (mut store, groups) = varied(&disk);
    let (rows, before) = (store.groups().unwrap(), dump(&disk));
    assert!(disk.reader().history(groups[1], Page::Newest, 99).unwrap().iter().any(|entry| entry.late));
    store.rebuild().unwrap();
    assert_eq!(dump(&disk), before);
    assert_eq!(store.groups().unwrap(), rows);
}

#[test]
fn what_was_derived_wrongly_is_put_right() {
    let disk = Disk::new();
    let (store, _) = varied(&disk);
    let (rows, before) = (store.groups().unwrap(), dump(&disk));
    drop(store);
    disk.tamper(
        "DELETE FROM entry WHERE no % 3 = 0; UPDATE entry SET no = 1;
         UPDATE register SET value = 'wrong', eff = 1e15; DELETE FROM fork;
         UPDATE actor SET last_seq = 7, last_no = 1;
         UPDATE log SET seq = 9, max_op = 9, eff = 9;
         DELETE FROM by_hash_recent WHERE log % 2 = 0; INSERT INTO by_hash VALUES (x'0102030405060708', 1);
         INSERT INTO words (words) VALUES ('delete-all');
         INSERT INTO words (rowid, body) VALUES (99, 'wrong');",
    );
    let mut store = disk.open();
    store.rebuild().unwrap();
    assert_eq!(dump(&disk), before);
    assert_eq!(store.groups().unwrap(), rows);
}

#[test]
fn a_rebuild_over_damage_fails_and_changes_nothing() {
    for damage in [
        "UPDATE log SET body = 'forged' WHERE id & 0xffff = 11",
        "DELETE FROM log WHERE id & 0xffff = 11",
        "DELETE FROM actor WHERE id = 3",
    ] {
        let disk = Disk::new();
        let (store, _) = varied(&disk);
        drop(store);
        disk.tamper(damage);
        let before = dump(&disk);
        let mut store = disk.open();
        let error = store.rebuild().unwrap_err();
        assert!(matches!(error, StoreError::Row { .. }), "{damage}: {error}");
        drop(store);
        assert_eq!(dump(&disk), before, "{damage}");
    }
}

#[test]
fn the_last_snapshot_is_kept() {
    let disk = Disk::new();
    let (mut store, [_, group]) = varied(&disk);
    assert_eq!(disk.reader().snapshot(group).unwrap(), None);
    for entries in [3, 9] {
        store.put_snapshot(group, &Snapshot { entries, bytes: vec![entries as u8; 10_000] }).unwrap();
    }
    store.commit().unwrap();
    let kept = disk.reader().snapshot(group).unwrap().unwrap();
    assert_eq!((kept.entries, kept.bytes), (9, vec![9; 10_000]));
}
