use peer_engine::change::{Body, Change, Content, Header};
use peer_engine::group::{Verdict, admit};
use peer_engine::identity::Identity;
use peer_engine::time::Timestamp;
use rusqlite::params;

use super::*;
use crate::store::Page;

const MESH: MeshId = MeshId([7; 16]);

fn store(dir: &tempfile::TempDir) -> (SqliteStore, GroupNo) {
    let mut store = SqliteStore::open(&dir.path().join("peer.db"), PeerId([0; 32])).unwrap();
    let group = store.add_group(&Genesis::public(MESH, "rust".parse().unwrap()), true).unwrap();
    store.commit().unwrap();
    (store, group)
}

fn message(store: &SqliteStore, group: GroupNo, stretch: u64, text: &str) -> Admitted {
    let identity = Identity::from_seed(&[1; 32]);
    let key = store.key(group).unwrap();
    let header = Header {
        deps: vec![key.id.genesis()],
        actor: ActorId::new(identity.peer(), stretch.to_be_bytes()),
        seq: 1,
        start_op: Genesis::MAX_OP + 1,
    };
    let at = Timestamp::clamped(1);
    let content = Content { at, kind: None, body: Body::Text(text.to_owned()), re: None, from: None };
    let verified = Change::sign(key.id, header, content, &identity).unwrap();
    match admit(store, group, verified).unwrap() {
        Verdict::Admitted(admitted) => admitted,
        other => panic!("{other:?}"),
    }
}

/// The number of messages found by this word.
fn found(store: &SqliteStore, word: &str) -> usize {
    store.reader(MESH).unwrap().search(word, None, 9, 0).unwrap().len()
}

/// Fills the file to its limit: everything since the last commit is lost, and once there is space again,
/// writes succeed.
#[test]
fn a_full_disk_takes_nothing_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, group) = store(&dir);
    let kept = message(&store, group, 1, "kept");
    store.append(group, &kept).unwrap();
    store.commit().unwrap();
    let pages: i64 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.conn.pragma_update(None, "max_page_count", pages + 40).unwrap();

    let text = "words to fill a page with ".repeat(150);
    let mut stretch = 2;
    let error = loop {
        let next = message(&store, group, stretch, &text);
        stretch += 1;
        if let Err(error) = store.append(group, &next) {
            break error;
        }
    };
    assert!(matches!(error, StoreError::Full), "{error}");
    assert!(stretch > 5);
    let row = store.groups().unwrap().remove(0);
    assert_eq!((row.entries, row.heads), (1, vec![EntryNo(1)]));
    assert_eq!((found(&store, "kept"), found(&store, "fill")), (1, 0));

    // Full during the commit: the writes that were put off until then do not fit.
    let pages: i64 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.conn.pragma_update(None, "max_page_count", pages + 20).unwrap();
    let next = message(&store, group, 99, &(0..8000).map(|word| format!("w{word}x ")).collect::<String>());
    store.append(group, &next).unwrap();
    let error = store.commit().unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error}");
    assert_eq!(store.groups().unwrap()[0].entries, 1);
    store.commit().unwrap();
    assert_eq!((found(&store, "kept"), found(&store, "w1x")), (1, 0));

    store.conn.pragma_update(None, "max_page_count", pages + 1000).unwrap();
    let next = message(&store, group, 100, "after");
    assert_eq!(store.append(group, &next).unwrap(), EntryNo(2));
    store.commit().unwrap();
    let history = store.reader(MESH).unwrap().history(group, Page::Newest, 9).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!((found(&store, "kept"), found(&store, "after")), (1, 1));
}

#[test]
fn a_database_that_turns_read_only_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, group) = store(&dir);
    store.conn.pragma_update(None, "query_only", true).unwrap();
    let next = message(&store, group, 1, "x");
    let error = store.append(group, &next).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert_eq!(store.groups().unwrap()[0].entries, 0);
    store.conn.pragma_update(None, "query_only", false).unwrap();
    assert_eq!(store.append(group, &next).unwrap(), EntryNo(1));
}

/// Some failures, even of reads, make SQLite roll back by itself; the store must not go on with half a
/// transaction.
#[test]
fn a_transaction_lost_underneath_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, group) = store(&dir);
    store.append(group, &message(&store, group, 1, "lost")).unwrap();
    store.conn.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(store.commit(), Err(StoreError::RolledBack)));
    assert_eq!(store.groups().unwrap()[0].entries, 0);
    assert_eq!(store.append(group, &message(&store, group, 2, "kept")).unwrap(), EntryNo(1));
    store.commit().unwrap();
    assert_eq!((found(&store, "lost"), found(&store, "kept")), (0, 1));
}

/// A page costs the same in any history: it is read from the index, without sorting.
#[test]
fn pages_and_lookups_are_read_off_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(&dir);
    for (sql, values) in
        [(reader::PAGE_NEWEST, 2), (reader::PAGE_BEFORE, 4), (reader::PAGE_AFTER, 4), (by_hash::FIND, 1)]
    {
        let mut statement = store.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![0i64; values];
        let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        let reads = |of: &str| steps.iter().filter(|step| step.contains(of)).count();
        assert!(reads("SEARCH") > 0, "{sql}: {steps:?}");
        assert_eq!(reads("SCAN") + reads("TEMP B-TREE") + reads("AUTOMATIC"), 0, "{sql}: {steps:?}");
    }
    let mode: String = store.conn.query_row("PRAGMA journal_mode", params![], |row| row.get(0)).unwrap();
    let synchronous: i64 = store.conn.query_row("PRAGMA synchronous", params![], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 1), "the log is flushed by us at each commit");
}

/// The rows of the groups from `first` to `last`, in display order, newest first.
fn shown(store: &SqliteStore, first: GroupNo, last: GroupNo) -> Vec<i64> {
    let sql = "SELECT grp, no FROM entry WHERE grp BETWEEN ?1 AND ?2 ORDER BY eff DESC, hash DESC";
    let mut statement = store.conn.prepare(sql).unwrap();
    let rows = statement.query_map([first.0, last.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)));
    rows.unwrap().map(Result::unwrap).map(|(group, no)| log::row_id(GroupNo(group), EntryNo(no))).collect()
}

#[test]
fn of_many_entries_the_newest_are_read_and_only_what_is_rare_is_left_to_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, rust) = store(&dir);
    let c = store.add_group(&Genesis::public(MESH, "c".parse().unwrap()), true).unwrap();
    let long = store.add_group(&Genesis::public(MESH, "long".parse().unwrap()), true).unwrap();
    for (group, count, padding) in [(rust, 1_100, 0), (c, 200, 0), (long, 60, 6_000)] {
        for number in 1..=count {
            let rare = if number % 20 == 0 { "rare" } else { "" };
            let text = format!("Common{number} {rare} {}", "x".repeat(padding));
            let written = message(&store, group, number, &text);
            store.append(group, &written).unwrap();
        }
    }
    store.commit().unwrap();
    let mut tail = words::Tail::new().unwrap();
    tail.follow(&store.conn).unwrap();
    let found = |text: &str, group, limit| {
        let query = query::words(text).unwrap();
        let found = search::among_newest(&store.conn, &tail, &query, group, limit).unwrap();
        found.map(|found| found.into_iter().map(|(_, id)| id).collect::<Vec<i64>>())
    };
    assert_eq!(found("comm", Some(rust), 300).unwrap(), shown(&store, rust, rust)[..300]);
    assert_eq!(found("common1099 COMMON", Some(rust), 2), None, "there may be more");
    assert_eq!(found("rare common", Some(rust), 60), None, "there may be more");
    let rare: Vec<i64> =
        shown(&store, c, c).into_iter().filter(|id| log::no_of(*id).0.is_multiple_of(20)).collect();
    assert_eq!(found("rare common", Some(c), 60).unwrap(), rare, "all of them were read");
    assert_eq!(found("comm", Some(long), 60), None, "no more than a few bytes are read");
    assert_eq!(found("nothing", Some(GroupNo(9)), 60).unwrap(), [0; 0]);
    assert_eq!(found("comm", None, 40).unwrap(), shown(&store, rust, long)[..40]);
}

/// The row of an entry includes the marks on it, whether entry or mark arrived first.
#[test]
fn entries_come_with_what_was_put_on_them() {
    use peer_engine::kinds::{Fold, Mark};

    let dir = tempfile::tempdir().unwrap();
    let (mut store, group) = store(&dir);
    let (first, second) = (message(&store, group, 1, "first"), message(&store, group, 2, "second"));
    let [target, other] = [&first, &second].map(|admitted| admitted.verified().hash());
    let (ann, bob) = (PeerId([1; 32]), PeerId([2; 32]));
    let put = |store: &SqliteStore, eff, author, value: &str| {
        let (tag, value) = ("+1".to_owned(), value.to_owned());
        let fold = Fold::Mark(Mark { slot: "reaction", target, author, tag, value });
        folded::set(&store.conn, group, (eff, ChangeHash([eff as u8; 32])), &fold).unwrap();
    };
    put(&store, 3, ann, "");
    store.append(group, &first).unwrap();
    store.append(group, &second).unwrap();
    put(&store, 2, ann, "on");
    put(&store, 2, bob, "on");
    store.commit().unwrap();
    let entries = store.reader(MESH).unwrap().history(group, Page::Newest, 10).unwrap();
    let on = |id: ChangeHash| entries.iter().find(|entry| entry.id == id).unwrap().marks.clone();
    assert_eq!(
        on(target).iter().map(|mark| (mark.author, mark.tag.as_str())).collect::<Vec<_>>(),
        [(bob, "+1")]
    );
    assert!(on(other).is_empty());
}
