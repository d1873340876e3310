//! Every entry is found by its hash from the moment when it is written, and no other.

use peer::group::{ChangeGraph, EntryNo, GroupNo};
use peer::id::ChangeHash;
use peer::store::{SqliteStore, Store};

use crate::support::{Author, Disk, genesis, older};

/// More than the writer keeps in memory.
const ENTRIES: usize = 2_500;

fn found(store: &SqliteStore, group: GroupNo, hashes: &[ChangeHash]) -> Vec<Option<EntryNo>> {
    hashes.iter().map(|hash| store.find(group, hash).unwrap()).collect()
}

#[test]
fn an_entry_is_found_in_its_transaction_and_after_it_by_everybody() {
    let disk = Disk::new();
    let mut store = disk.open();
    let [rust, c] = ["rust", "c"].map(|name| store.add_group(&genesis(name), true).unwrap());
    store.commit().unwrap();
    let author = Author::new(1);
    let hashes: Vec<ChangeHash> =
        (0..ENTRIES).map(|at| author.say(&mut store, rust, at as i64, "found")).collect();
    let numbers: Vec<_> = (1..=ENTRIES as u64).map(|no| Some(EntryNo(no))).collect();

    assert_eq!(found(&store, rust, &hashes), numbers, "in the transaction");
    assert!(disk.reader().entry_of(rust, hashes[0]).is_err(), "by nobody else");
    store.commit().unwrap();
    for state in ["as it was made", "opened again", "of an older version", "rebuilt"] {
        drop(store);
        if state == "of an older version" {
            disk.tamper(&older(4));
        }
        store = disk.open();
        if state == "rebuilt" {
            store.rebuild().unwrap();
        }
        assert_eq!(found(&store, rust, &hashes), numbers, "{state}");
        assert!(found(&store, c, &hashes).iter().all(Option::is_none), "{state}");
        assert_eq!(store.find(rust, &ChangeHash([1; 32])).unwrap(), None, "{state}");
        let shown = disk.reader().entry_of(rust, hashes[ENTRIES - 1]).unwrap();
        assert_eq!(shown.map(|entry| entry.no), numbers[ENTRIES - 1], "{state}");
    }
}
