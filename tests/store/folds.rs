//! The tables hold the results of the pure folds of `peer_engine::kinds`, after every arrival and after a
//! rebuild.

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::kinds::{self, Folded, KINDS, Opened};
use peer_engine::store::Store;
use rusqlite::Connection;

use crate::support::{Author, Disk, genesis, of_kind};

/// The values of the group in the database.
fn in_tables(disk: &Disk, group: GroupNo) -> Vec<(String, Vec<u8>, String)> {
    let conn = Connection::open(disk.path()).unwrap();
    let sql = "SELECT slot, key, value FROM register WHERE grp = ?1 ORDER BY slot, key";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([group.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// The values of the group, folded in memory from the log.
fn in_memory(store: &impl Store, group: GroupNo, entries: u64) -> Vec<(String, Vec<u8>, String)> {
    let mut folded = Folded::default();
    for no in (1..=entries).map(EntryNo) {
        let node = store.node(group, no).unwrap().unwrap();
        let change = peer_engine::change::Unverified::decode(&store.change(group, no).unwrap()).unwrap();
        let (author, content) = (node.actor.unwrap().author(), &change.change().content);
        let entry = Opened::public(node.hash, node.eff, author, content).unwrap();
        if let Some(fold) = kinds::fold(&entry) {
            folded.set((entry.eff, entry.id), fold);
        }
    }
    let registers = folded.registers();
    registers.map(|(slot, key, value)| (slot.to_owned(), key.to_vec(), value.to_owned())).collect()
}

#[test]
fn tables_hold_what_the_kinds_come_to() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    // Each author depends on its own entries only, and some clocks are behind: the last to arrive is often
    // not the last in display order.
    let mut authors = [0, 700, 300].map(|behind| (Author::new(behind as u8), EntryNo::GENESIS, behind));
    let mut entries = 0;
    for round in 0..60 {
        let kind = KINDS[round % KINDS.len()];
        let body = kind.examples()[round % kind.examples().len()];
        let (author, last, behind) = &mut authors[round % 3];
        let content = of_kind(1_000 + 10 * round as i64 - *behind, kind.name(), body);
        let admitted = author.write_on(&store, group, &[*last], content);
        *last = store.append(group, &admitted).unwrap();
        entries += 1;
        store.commit().unwrap();
        assert_eq!(in_tables(&disk, group), in_memory(&store, group, entries), "after round {round}");
    }
    store.rebuild().unwrap();
    store.commit().unwrap();
    assert_eq!(in_tables(&disk, group), in_memory(&store, group, entries));
}
