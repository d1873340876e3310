//! Files that a store opens, and files that it refuses.

use std::fs;

use peer::store::{Page, Reader, SqliteStore, StoreError};
use peer_engine::group::{ChangeGraph, EntryNo};
use peer_engine::store::Store;

use crate::support::{Author, Disk, MESH, genesis, message, own};

fn refused(disk: &Disk) -> StoreError {
    let error = SqliteStore::open(&disk.path(), own()).unwrap_err();
    assert!(Reader::open(&disk.path(), MESH).is_err());
    error
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let disk = Disk::new();
    let text = "a letter to somebody\n".repeat(500);
    fs::write(disk.path(), &text).unwrap();
    let error = refused(&disk);
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.is_damage(), "{error}");
    assert_eq!(fs::read_to_string(disk.path()).unwrap(), text);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let disk = Disk::new();
    disk.tamper("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);");
    let before = fs::read(disk.path()).unwrap();
    let error = refused(&disk);
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(disk.path()).unwrap(), before);
}

#[test]
fn a_newer_format_is_refused() {
    let disk = Disk::new();
    drop(disk.open());
    disk.tamper("PRAGMA user_version = 1000");
    let error = refused(&disk);
    assert!(matches!(error, StoreError::Newer { found: 1000, .. }), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[test]
fn an_older_format_is_refused_and_left_alone() {
    let disk = Disk::new();
    drop(disk.open());
    disk.tamper("PRAGMA user_version = 1");
    let before = fs::read(disk.path()).unwrap();
    let error = refused(&disk);
    assert!(matches!(error, StoreError::Older { found: 1, .. }), "{error}");
    assert!(error.to_string().contains("join the mesh again"), "{error}");
    assert_eq!(fs::read(disk.path()).unwrap(), before);
}

#[test]
fn a_path_that_cannot_be_is_refused() {
    let disk = Disk::new();
    for path in [disk.dir.path().to_owned(), disk.dir.path().join("absent").join("peer.db")] {
        let error = SqliteStore::open(&path, own()).unwrap_err();
        assert!(matches!(error, StoreError::Unopenable { .. }), "{error}");
    }
    // A reader does not create a file.
    assert!(matches!(Reader::open(&disk.path(), MESH), Err(StoreError::Unopenable { .. })));
    assert!(!disk.path().exists());
}

#[test]
fn a_cut_off_file_is_an_error_and_no_panic() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for at in 1..200 {
        Author::again(1, at).write(&mut store, group, message(at as i64, &"long ".repeat(99)));
        store.commit().unwrap();
    }
    store.close();
    let whole = fs::read(disk.path()).unwrap();
    for kept in [1000, 4096, 3 * 4096, whole.len() / 2, whole.len() - 5000] {
        fs::write(disk.path(), &whole[..kept]).unwrap();
        let read = SqliteStore::open(&disk.path(), own()).and_then(|store| {
            store.nodes_below(group, EntryNo(u64::MAX), 999)?;
            store.reader(MESH)?.history(group, Page::Newest, 999)
        });
        let error = read.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{kept}: {error}");
    }
}

#[test]
#[cfg(unix)]
fn a_read_only_database_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let disk = Disk::new();
    drop(disk.open());
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(disk.path(), mode(0o444)).unwrap();
    fs::set_permissions(disk.dir.path(), mode(0o555)).unwrap();
    // Some users bypass file permissions: if writing works, so must opening.
    let binds = fs::File::create(disk.dir.path().join("probe")).is_err();
    let opened = SqliteStore::open(&disk.path(), own());
    fs::set_permissions(disk.dir.path(), mode(0o755)).unwrap();
    match opened {
        Ok(_) => assert!(!binds),
        Err(error) => {
            assert!(binds && matches!(error, StoreError::ReadOnly { .. }), "{error}");
        }
    }
}

/// What a killed process leaves behind: the files as they are at that moment.
#[test]
fn a_copy_of_the_files_holds_what_was_committed_and_nothing_else() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let id = Author::new(1).say(&mut store, group, 1, "kept");
    store.commit().unwrap();
    // More than the writer keeps in memory, so that much of it is in the files already.
    let text = "x".repeat(60_000);
    for at in 2..250 {
        let author = Author::again(2, at);
        let admitted = author.write_on(&store, group, &[EntryNo(1)], message(at as i64, &text));
        store.append(group, &admitted).unwrap();
    }

    let copy = Disk::new();
    let mut bytes = 0;
    for file in fs::read_dir(disk.dir.path()).unwrap() {
        let file = file.unwrap();
        bytes += fs::copy(file.path(), copy.dir.path().join(file.file_name())).unwrap();
    }
    assert!(bytes > 1_000_000);
    let mut restored = copy.open();
    assert_eq!(restored.groups().unwrap()[0].heads, [EntryNo(1)]);
    assert_eq!(restored.find(group, &id).unwrap(), Some(EntryNo(1)));
    Author::new(1).say(&mut restored, group, 2, "goes on");
    restored.commit().unwrap();
    assert_eq!(copy.reader().history(group, Page::Newest, 9).unwrap().len(), 2);
}
