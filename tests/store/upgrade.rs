//! Databases of older formats are upgraded, completely or with a kill in between, and keep their content.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use peer::store::{Entry, GroupSummary, Page, Reader, SqliteStore};
use peer_engine::change::{Body, Content, Genesis};
use peer_engine::group::{ChangeGraph, EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::kinds::group::GROUP;
use peer_engine::kinds::join::JOINED;
use peer_engine::kinds::leave::LEFT;
use peer_engine::kinds::name::NAME;
use peer_engine::kinds::topic::TOPIC;
use peer_engine::store::{KnownPeer, Sent, Store};
use serde_json::{Value, json};

use crate::support::{Author, Disk, directory, genesis, own};

const OLDEST: u32 = 2;
/// The first format with read marks and keys of sent messages.
const WITH_MARKS: u32 = 3;
const START: i64 = 1_700_000_000_000;
const LOG_HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/databases").join(name)
}

fn message(at: i64, text: &str) -> Content {
    crate::support::message(START + at, text)
}

fn of_kind(at: i64, kind: &str, text: &str) -> Content {
    crate::support::of_kind(START + at, kind, text)
}

fn author(seed: u8) -> Author {
    Author::again(seed, 0x0101_0101_0101_0101)
}

/// The content of the fixtures. In formats where messages wait to be indexed, the newest does.
fn write(store: &mut SqliteStore) {
    let [ann, bob, eve] = [0, 1, 2].map(author);
    let mut add = |genesis: Genesis, joined| store.add_group(&genesis, joined).unwrap();
    let names = add(directory(), true);
    let [rust, boats, left] =
        [("rust", true), ("boats", true), ("left", false)].map(|(name, joined)| add(genesis(name), joined));
    for (at, who, name) in [(1, &ann, "Ann"), (2, &bob, "Bob"), (3, &bob, "Robert"), (4, &eve, "Eve")] {
        who.write(store, names, of_kind(at, NAME, name));
    }
    for (at, name) in [(5, "rust"), (6, "boats"), (7, "left"), (8, "only-named")] {
        ann.write(store, names, of_kind(at, GROUP, name));
    }
    store.set_caught_up(names).unwrap();
    for (at, who) in [(10, &ann), (11, &bob), (12, &eve)] {
        who.write(store, rust, of_kind(at, JOINED, ""));
    }
    ann.write(store, rust, of_kind(13, TOPIC, "an older topic"));
    bob.write(store, rust, of_kind(14, TOPIC, "crates and cargo"));
    store.commit().unwrap();
    let first = ann.write(store, rust, message(20, "The harbour opens at noon"));
    bob.write(store, rust, Content { re: Some(first), ..message(21, "noon is late, Ann") });
    let relayed = Some("a relayed person".to_owned());
    eve.write(store, rust, Content { from: relayed, ..message(22, "ferries run until midnight") });
    eve.write(store, rust, Content { body: Body::Sealed(vec![0xfe; 40]), ..message(23, "") });
    ann.write(store, rust, of_kind(24, "future-kind", "with a body"));
    store.set_caught_up(rust).unwrap();
    store.commit().unwrap();
    for number in 0..12 {
        let text = format!("number {number} about lighthouses");
        [&ann, &bob, &eve][number % 3].write(store, rust, message(30 + number as i64, &text));
        store.commit().unwrap();
    }
    bob.write(store, rust, message(50, &format!("a long story {}", "of the sea ".repeat(700))));
    store.commit().unwrap();
    let mut insert = |seed, below, content| {
        let admitted = author(seed).write_on(store, rust, &[EntryNo(below)], content);
        store.append(rust, &admitted).unwrap();
    };
    insert(3, 3, message(25, "from a boat without a link"));
    insert(4, 8, message(60, "one side of the fork"));
    insert(4, 8, message(60, "other side of the fork"));
    eve.write(store, rust, of_kind(70, LEFT, ""));
    for number in 0..5 {
        bob.write(store, boats, message(80 + number, &format!("boat {number} leaves the harbour")));
    }
    ann.write(store, left, message(90, "bye"));
    store.put_peer(&known()).unwrap();
    store.set_shared_heads(&bob.key(), rust, &[first]).unwrap();
    store.set_value("a value", b"of the peer").unwrap();
    store.set_read_mark(rust, EntryNo(15)).unwrap();
    store.set_read_mark(boats, EntryNo(5)).unwrap();
    store.put_sent("a key", &Sent { digest: [9; 32], id: first }).unwrap();
    store.commit().unwrap();
    eve.write(store, boats, message(99, "one more harbour"));
    store.commit().unwrap();
}

fn known() -> KnownPeer {
    let addresses = vec!["192.0.2.1:4000".to_owned()];
    KnownPeer { key: author(1).key(), addresses, last_linked_ms: START }
}

/// What user interfaces read, in the form of `content.json`.
fn describe(reader: &Reader) -> Value {
    let groups: Vec<Value> =
        reader.groups(None).unwrap().iter().map(|group| describe_group(reader, group)).collect();
    let forks = reader.forks().unwrap().into_iter().map(|fork| {
        let [first, second] = [fork.entries.0, fork.entries.1].map(|id| id.to_string());
        json!([fork.group.0, fork.author.to_string(), fork.seq, first, second])
    });
    let found = ["harbour", "lighthouses", "number 7", "fork", "story", "sid", "nothing"].map(|words| {
        let hits = reader.search(words, None, 99, 0).unwrap();
        (words.to_owned(), hits.into_iter().map(|hit| hit.entry.id.to_string()).collect::<Value>())
    });
    json!({ "groups": groups, "forks": forks.collect::<Value>(), "search": serde_json::Map::from_iter(found) })
}

fn describe_group(reader: &Reader, group: &GroupSummary) -> Value {
    let Some(no) = group.no else { return json!({ "name": group.name.as_str() }) };
    let attention = reader.attention(std::slice::from_ref(group), &own()).unwrap().remove(0);
    let users = reader.users(Some(no), None).unwrap().into_iter();
    let users = users.map(|user| json!([user.key.to_string(), user.name, user.joined]));
    let history = reader.history(no, Page::Newest, 999).unwrap();
    json!({
        "name": group.name.as_str(),
        "no": no.0,
        "joined": group.joined,
        "entries": group.entries,
        "topic": group.topic,
        "heads": group.heads.iter().map(ChangeHash::to_string).collect::<Value>(),
        "read": attention.read.0,
        "unread": attention.unread,
        "users": users.collect::<Value>(),
        "history": history.into_iter().map(describe_entry).collect::<Value>(),
    })
}

fn describe_entry(entry: Entry) -> Value {
    let body = match entry.body {
        Body::Text(text) => json!(text),
        Body::Sealed(bytes) => json!(bytes),
    };
    let (id, author, re) =
        (entry.id.to_string(), entry.author.to_string(), entry.re.map(|re| re.to_string()));
    let (at, no, late) = (entry.at.millis(), entry.no.0, entry.late);
    json!([no, id, at, entry.eff, author, entry.name, entry.from, entry.kind, body, re, late])
}

/// The expected content of a database that was created in this format.
fn expected(format: u32) -> Value {
    let mut content: Value =
        serde_json::from_slice(&fs::read(fixture("content.json")).unwrap()).expect("content.json is JSON");
    if format < WITH_MARKS {
        for (name, unread) in [("rust", 15), ("boats", 6)] {
            let groups = content["groups"].as_array_mut().unwrap();
            let group = groups.iter_mut().find(|group| group["name"] == name).unwrap();
            (group["read"], group["unread"]) = (json!(0), json!(unread));
        }
    }
    content
}

/// Checks that everything that `write` has written is there, and that more can be written.
fn check(disk: &Disk, store: &mut SqliteStore, format: u32, when: &str) {
    let found = describe(&disk.reader());
    assert_eq!(found, expected(format), "format {format}, {when}");
    let mut first = None;
    for group in found["groups"].as_array().unwrap().iter().filter(|group| group["no"].is_number()) {
        let no = GroupNo(group["no"].as_u64().unwrap() as u32);
        for entry in group["history"].as_array().unwrap() {
            let id: ChangeHash = entry[1].as_str().unwrap().parse().unwrap();
            let number = EntryNo(entry[0].as_u64().unwrap());
            assert_eq!(store.find(no, &id).unwrap(), Some(number), "format {format}, {when}");
            first = first.or((entry[8] == "The harbour opens at noon").then_some(id));
        }
    }
    let first = first.unwrap();
    let bob: PeerId = author(1).key();
    assert_eq!(store.peers().unwrap(), [known()]);
    assert_eq!(store.shared_heads(&bob, GroupNo(2)).unwrap(), [first]);
    assert_eq!(store.value("a value").unwrap().as_deref(), Some(&b"of the peer"[..]));
    let sent = (format >= WITH_MARKS).then_some(Sent { digest: [9; 32], id: first });
    assert_eq!(store.sent("a key").unwrap(), sent);
}

fn tidy(store: &mut SqliteStore) {
    while store.tidy().unwrap() {}
}

/// A database as it was written in this format.
fn older(format: u32) -> Disk {
    let disk = Disk::new();
    let packed = File::open(fixture(&format!("format-{format}.db.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    fs::write(disk.path(), bytes).unwrap();
    assert_eq!(format_of(&disk), format);
    disk
}

fn format_of(disk: &Disk) -> u32 {
    let conn = rusqlite::Connection::open(disk.path()).unwrap();
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn this_format() -> u32 {
    let disk = Disk::new();
    drop(disk.open());
    format_of(&disk)
}

#[test]
fn each_older_format_is_opened_and_holds_what_it_held() {
    for format in OLDEST..this_format() {
        let disk = older(format);
        let mut store = disk.open();
        check(&disk, &mut store, format, "opened");
        tidy(&mut store);
        check(&disk, &mut store, format, "tidied");
        store.rebuild().unwrap();
        check(&disk, &mut store, format, "derived again");
        let id = author(1).write(&mut store, GroupNo(2), message(100, "written since"));
        store.commit().unwrap();
        store.close();
        assert_eq!(format_of(&disk), this_format());
        assert!(disk.open().find(GroupNo(2), &id).unwrap().is_some());
        assert_eq!(disk.reader().search("written since", None, 9, 0).unwrap()[0].entry.id, id);
    }
}

/// All writes go to the write-ahead log, one page after the other: each prefix of it is what a killed process
/// leaves.
#[test]
fn an_upgrade_that_is_killed_in_the_midst_is_done_again() {
    for format in OLDEST..this_format() {
        let disk = older(format);
        let before = fs::read(disk.path()).unwrap();
        let mut store = disk.open();
        tidy(&mut store);
        drop(store);
        assert!(fs::read(disk.path()).unwrap() == before, "it is all in the log");
        let log = fs::read(disk.path().with_extension("db-wal")).unwrap();
        let frames = (log.len() - LOG_HEADER) / FRAME;
        assert!(frames > 1, "{frames}");
        for frame in 0..frames {
            let whole = LOG_HEADER + frame * FRAME;
            for kept in [whole, whole + FRAME / 2] {
                let killed = Disk::new();
                let log_path = killed.path().with_extension("db-wal");
                fs::write(killed.path(), &before).unwrap();
                fs::write(&log_path, &log[..kept]).unwrap();
                let mut left = File::open(&log_path).unwrap();
                let mut store = SqliteStore::open_unclosed(&killed.path(), own(), &mut left).unwrap();
                check(&killed, &mut store, format, &format!("killed after {kept} bytes"));
                tidy(&mut store);
                check(&killed, &mut store, format, &format!("killed after {kept} bytes, and tidied"));
                assert_eq!(format_of(&killed), this_format());
            }
        }
    }
}

#[test]
fn what_this_version_writes_is_what_the_older_ones_wrote() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store);
    check(&disk, &mut store, this_format(), "written now");
}

/// Run this before the format is raised: see the README beside the fixtures.
#[test]
#[ignore = "writes a fixture"]
fn write_a_database_of_this_format() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store);
    store.close();
    let packed = File::create(fixture(&format!("format-{}.db.gz", this_format()))).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::best());
    packed.write_all(&fs::read(disk.path()).unwrap()).unwrap();
    packed.finish().unwrap();
}
