//! The write-ahead log stays short, and mostly without slowing down the commits that people wait for.

use std::path::Path;

use peer::limits::{CHECKPOINT_PAGES, CHECKPOINT_QUIET_PAGES, LOG_PAGES_MAX};
use peer::store::SqliteStore;
use peer_engine::store::Store;

use crate::support::{Author, Disk, genesis};

/// Entries in one transaction of the test.
const TRANSACTION_PAGES: i32 = 100;

/// Writes enough for twice the maximum pages of the log, and returns the most that it had.
fn longest_log(quiet: bool, when_due: impl Fn(&Path)) -> i32 {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    store.commit().unwrap();
    let mut log = disk.path().into_os_string();
    log.push("-wal");
    let (author, body) = (Author::new(1), "x".repeat(32 << 10));
    let mut longest = 0;
    // The body takes at least nine pages.
    for at in 0..2 * i64::from(LOG_PAGES_MAX) / 9 {
        author.say(&mut store, group, at, &body);
        store.commit().unwrap();
        let bytes = std::fs::metadata(&log).unwrap().len();
        longest = longest.max(bytes / (4096 + 24));
        if store.take_checkpoint_due(quiet) {
            when_due(store.path());
        }
    }
    i32::try_from(longest).unwrap()
}

#[test]
fn a_log_that_is_moved_when_it_is_due_stays_short() {
    for (quiet, pages) in [(false, CHECKPOINT_PAGES), (true, CHECKPOINT_QUIET_PAGES)] {
        let longest = longest_log(quiet, |path| SqliteStore::checkpoint(path).unwrap());
        assert!((pages..pages + TRANSACTION_PAGES).contains(&longest), "{longest} pages");
    }
}

#[test]
fn a_log_that_was_left_behind_is_flushed_before_anything_is_promised() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.add_group(&genesis("rust"), true).unwrap();
    assert!(store.publish().unwrap(), "not flushed yet");
    drop(store);
    let mut store = disk.open();
    assert!(store.publish().unwrap(), "whoever wrote it may not have flushed it");
    store.commit().unwrap();
    assert!(!store.publish().unwrap());
    store.close();
    assert!(!disk.open().publish().unwrap(), "there is no log");
}

#[test]
fn a_log_that_nobody_moves_is_moved_by_the_writer() {
    let longest = longest_log(false, |_| {});
    assert!(longest > CHECKPOINT_PAGES + TRANSACTION_PAGES, "{longest} pages");
    assert!(longest < LOG_PAGES_MAX + TRANSACTION_PAGES, "{longest} pages");
}
