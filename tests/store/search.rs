//! Full-text search finds words, whatever else is typed.

use peer::store::{Hit, Reader};
use peer_engine::change::Body;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::store::Store;
use proptest::prelude::*;

use crate::support::{Author, Disk, filler, genesis, message, of_kind};

fn text(body: &Body) -> &str {
    match body {
        Body::Text(text) => text,
        Body::Sealed(_) => panic!("sealed"),
    }
}

fn found(reader: &Reader, words: &str, group: Option<GroupNo>) -> Vec<String> {
    let hits = reader.search(words, group, 10, 0).unwrap();
    hits.iter().map(|hit| text(&hit.entry.body).to_owned()).collect()
}

/// Group "rust" with these messages in this order, one millisecond apart.
fn with_messages(messages: &[&str]) -> (Disk, GroupNo, Reader) {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for (at, message) in messages.iter().enumerate() {
        Author::new(1).say(&mut store, group, 1 + at as i64, message);
    }
    store.commit().unwrap();
    let reader = disk.reader();
    (disk, group, reader)
}

#[test]
fn all_words_must_be_there_and_the_last_may_be_a_beginning() {
    let (_disk, _, reader) =
        with_messages(&["hello world", "Hello there, wonderful", "other", "Žluťoučký kůň"]);
    assert_eq!(found(&reader, "hello", None), ["Hello there, wonderful", "hello world"]);
    assert_eq!(found(&reader, "HELLO wor", None), ["hello world"]);
    assert_eq!(found(&reader, "wo hello", None), [""; 0], "only the last word is a beginning");
    assert_eq!(found(&reader, "zlutoucky", None), ["Žluťoučký kůň"]);
    assert_eq!(found(&reader, "hel", None).len(), 2);
    assert_eq!(found(&reader, "nothing", None), [""; 0]);
    assert_eq!(found(&reader, "", None), [""; 0]);
}

#[test]
fn hits_come_newest_first_in_display_order_with_context() {
    let disk = Disk::new();
    let mut store = disk.open();
    let rust = store.add_group(&genesis("rust"), true).unwrap();
    let c = store.add_group(&genesis("c"), true).unwrap();
    for (group, stretch, at, text) in [
        (rust, 1, 40, "needle four"),
        (c, 2, 30, "needle three"),
        (rust, 3, 10, "needle one"),
        (c, 4, 20, "needle two"),
        (rust, 5, 5, "hay before"),
        (rust, 6, 15, "hay after"),
    ] {
        let admitted =
            Author::again(1, stretch).write_on(&store, group, &[EntryNo::GENESIS], message(at, text));
        store.append(group, &admitted).unwrap();
    }
    store.commit().unwrap();
    let reader = disk.reader();
    let all = found(&reader, "needle", None);
    assert_eq!(all, ["needle four", "needle three", "needle two", "needle one"]);
    assert_eq!(found(&reader, "needle", Some(c)), ["needle three", "needle two"]);
    assert_eq!(found(&reader, "needle", Some(GroupNo(9))), [""; 0]);

    let hits = reader.search("needle", Some(rust), 9, 1).unwrap();
    let shown = |hit: &Hit| {
        let context = |entries: &[peer::store::Entry]| {
            entries.iter().map(|entry| text(&entry.body).to_owned()).collect::<Vec<_>>()
        };
        (context(&hit.before), context(&hit.after), hit.entry.group.as_str().to_owned())
    };
    assert_eq!(shown(&hits[0]), (vec!["hay after".into()], vec![], "rust".into()));
    assert_eq!(shown(&hits[1]), (vec!["hay before".into()], vec!["hay after".into()], "rust".into()));
    assert_eq!(reader.search("needle", None, 1, 0).unwrap().len(), 1);
}

#[test]
fn of_a_common_word_the_newest_are_found_in_whatever_group() {
    let disk = Disk::new();
    let mut store = disk.open();
    let rust = store.add_group(&genesis("rust"), true).unwrap();
    let c = store.add_group(&genesis("c"), true).unwrap();
    let many = 1_200;
    // Both groups hold more matches than are examined; the newest are in the one with the smaller number.
    for (group, number, start) in [(rust, 1, 10_000), (c, 2, 0)] {
        let author = Author::new(number);
        let mut last = EntryNo::GENESIS;
        for at in start..start + many {
            let admitted = author.write_on(&store, group, &[last], message(at, &format!("needle {at}")));
            last = store.append(group, &admitted).unwrap();
        }
    }
    store.commit().unwrap();
    let reader = disk.reader();
    let newest = |start: i64, count: i64| -> Vec<String> {
        (0..count).map(|back| format!("needle {}", start + many - 1 - back)).collect()
    };
    assert_eq!(found(&reader, "needle", None), newest(10_000, 10));
    assert_eq!(found(&reader, "needle", Some(c)), newest(0, 10));
    assert_eq!(found(&reader, "needle 7", Some(c)).len(), 10, "a rarer one is found wherever it stands");
    assert_eq!(found(&reader, "needle 77", Some(c))[9], "needle 770");
}

#[test]
fn only_messages_are_found() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    author.write(&mut store, group, of_kind(1, "topic", "needle as a topic"));
    author.say(&mut store, group, 2, "needle committed");
    store.commit().unwrap();
    author.say(&mut store, group, 3, "needle lost");
    drop(store);
    let store = disk.open();
    assert_eq!(found(&store.reader(crate::support::MESH).unwrap(), "needle", None), ["needle committed"]);
}

#[test]
fn what_is_syntax_elsewhere_is_only_words_here() {
    let message = "AND OR NOT NEAR(a, b) body: \"quoted\" c++ don't x^2 {column} -minus";
    let (_disk, _, reader) = with_messages(&[message, "decoy"]);
    for words in [
        "AND",
        "OR",
        "NOT",
        "NEAR(",
        "NEAR(a",
        "\"quoted\"",
        "\"",
        "quoted\"",
        "c++",
        "don't",
        "x^2",
        "body:",
        "{column}",
        "-minus",
        "NOT NEAR",
        "and*",
        "(a",
        "quo\0",
        "a\0b",
        "OR OR OR",
    ] {
        let expected = if words == "\"" { vec![] } else { vec![message.to_owned()] };
        assert_eq!(found(&reader, words, None), expected, "{words:?}");
    }
    for nothing in ["*", "-", "()", "''", "\0", "^", ":", "\u{ffff}", "' OR 1=1 --", "decoy:body", "rowid:1"]
    {
        assert_eq!(found(&reader, nothing, None), [""; 0], "{nothing:?}");
    }
    let many = "quoted ".repeat(100_000);
    assert_eq!(found(&reader, &many, None), [message]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]

    #[test]
    fn no_text_makes_a_search_fail(texts in prop::collection::vec("\\PC{0,40}|[\"'*()^:{}+ \\-ANDORTE\0]{0,40}", 2000)) {
        let (_disk, group, reader) = with_messages(&["a b c", "AND OR"]);
        for text in texts {
            prop_assert!(reader.search(&text, Some(group), 1, 1).is_ok(), "{text:?}");
        }
    }
}

#[test]
fn tidying_up_merges_the_index_and_changes_nothing_that_is_found() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    // Each commit adds a part to the index; four are merged.
    for at in 1..=8 {
        author.say(&mut store, group, at, &format!("message {at} {}", filler()));
        store.commit().unwrap();
    }
    let before = found(&disk.reader(), "message", None);
    assert_eq!(before.len(), 8);
    assert!(store.tidy().unwrap(), "there was something to merge");
    let steps = (0..100).take_while(|_| store.tidy().unwrap()).count();
    assert!(steps < 100, "it never ends");
    assert_eq!(found(&disk.reader(), "message", None), before);
    assert!(!store.tidy().unwrap());
}
