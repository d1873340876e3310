//! The cost of salvaging a large database: time grows with its size, memory hardly does.
//!
//! `PEER_SALVAGE_ENTRIES=100000` uses that many entries instead of a few thousand. `--nocapture` shows the
//! figures.

use std::fs::File;
use std::time::Instant;

use peer::store::{Bytes, SqliteStore};
use peer_engine::group::EntryNo;
use peer_engine::store::Store;

use crate::support::{Author, Disk, MESH, genesis, message, own};

const ENTRIES: u64 = 3000;
const AUTHORS: u64 = 20;
const PAGE: usize = 4096;
const TEXT: &str = "the words of number";

/// The authors write in turn; each entry depends on the last one and on its author's own last.
fn large(entries: u64) -> Disk {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let authors: Vec<Author> = (0..AUTHORS).map(|seed| Author::new(seed as u8 + 1)).collect();
    for number in 0..entries {
        let mut deps = vec![EntryNo(number)];
        deps.extend(number.checked_sub(AUTHORS - 1).filter(|own| *own > 0).map(EntryNo));
        let text = format!("{TEXT} {number}, and what else there is to say about it");
        let author = &authors[(number % AUTHORS) as usize];
        let admitted = author.write_on(&store, group, &deps, message(1000 + number as i64, &text));
        store.append(group, &admitted).unwrap();
        if number % 1000 == 0 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    store.close();
    disk
}

/// The number of a page of the log's table (`true`) or of an index, in the middle of the file.
fn zero_a_page(bytes: &mut [u8], of_table: bool) {
    let is_meant = |page: &[u8]| match of_table {
        true => page[0] == 0x0d && page.windows(TEXT.len()).any(|part| part == TEXT.as_bytes()),
        false => page[0] == 0x0a,
    };
    let middle = bytes.len() / PAGE / 2;
    let page = bytes.chunks_mut(PAGE).skip(middle).find(|page| is_meant(page)).unwrap();
    page.fill(0);
}

/// The largest resident memory since the last call, in kilobytes.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn a_salvage_carries_over_a_large_group() {
    let entries = std::env::var("PEER_SALVAGE_ENTRIES").map_or(ENTRIES, |entries| entries.parse().unwrap());
    let disk = large(entries);
    let sound = std::fs::read(disk.path()).unwrap();
    for of_table in [false, true] {
        let mut bytes = sound.clone();
        zero_a_page(&mut bytes, of_table);
        std::fs::write(disk.path(), bytes).unwrap();
        let new = Disk::new();
        peak_kb();
        let before = peak_kb();
        let begun = Instant::now();
        let mut file = File::open(disk.path()).unwrap();
        let log: Option<&mut dyn Bytes> = None;
        let done = SqliteStore::salvage(&mut file, log, &new.path(), own(), MESH).unwrap();
        let took = begun.elapsed();
        let peak = peak_kb().saturating_sub(before);
        let size = std::fs::metadata(new.path()).unwrap().len() / 1024;
        eprintln!("{entries} entries, {} kB: {done:?} in {took:?}, {peak} kB; {size} kB", sound.len() / 1024);
        assert!(done.entries + 40 >= entries, "{done:?}");
        assert_eq!(done.stranded > 0, of_table, "{done:?}");
        if of_table {
            let begun = Instant::now();
            peak_kb();
            let before = peak_kb();
            drop(new.open());
            eprintln!("  opened in {:?}, {} kB", begun.elapsed(), peak_kb().saturating_sub(before));
        }
    }
}
