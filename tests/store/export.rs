//! The Automerge export opens in Automerge and has the same content as the log.

use automerge::{Automerge, ObjId, ROOT, ReadDoc, Value};
use peer::store::export::{self, Document};
use peer::store::{Page, Reader};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::kinds::topic::TOPIC;
use peer_engine::store::Store;

use crate::support::{Author, Disk, genesis, message, of_kind};

fn exported(reader: &Reader, group: GroupNo) -> (Document, Automerge) {
    let document = export::automerge(&reader.genesis(group).unwrap(), reader.changes(group)).unwrap();
    let doc = Automerge::load(&document.bytes).unwrap();
    (document, doc)
}

fn field<'a>(doc: &'a Automerge, entry: &ObjId, name: &str) -> Option<Value<'a>> {
    doc.get(entry, name).unwrap().map(|(value, _)| value)
}

fn entries(doc: &Automerge) -> Vec<ObjId> {
    let (_, list) = doc.get(ROOT, "messages").unwrap().unwrap();
    (0..doc.length(&list)).map(|index| doc.get(&list, index).unwrap().unwrap().1).collect()
}

fn bodies(doc: &Automerge) -> Vec<String> {
    let body = |entry| field(doc, entry, "body").unwrap().as_str().unwrap().to_owned();
    entries(doc).iter().map(body).collect()
}

#[test]
fn an_export_lists_the_newest_first() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let mut relayed = message(1, "one");
    relayed.from = Some("bridge".to_owned());
    Author::new(1).write(&mut store, group, relayed);
    Author::new(2).write(&mut store, group, of_kind(2, TOPIC, "two"));
    Author::new(1).say(&mut store, group, 3, "three");
    store.commit().unwrap();

    let (document, doc) = exported(&disk.reader(), group);
    assert_eq!((document.entries, document.reauthored), (3, false));
    assert_eq!(bodies(&doc), ["three", "two", "one"]);
    let entries = entries(&doc);
    assert_eq!(field(&doc, &entries[1], "kind").unwrap().as_str(), Some("topic"));
    assert_eq!(field(&doc, &entries[2], "from").unwrap().as_str(), Some("bridge"));
    assert_eq!(doc.get(ROOT, "name").unwrap().unwrap().0.as_str(), Some("rust"));
    assert_eq!(doc.get_changes(&[]).len(), 4);
    assert_eq!(doc.get(ROOT, "reauthored").unwrap(), None);
}

#[test]
fn an_empty_group_is_exported_too() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    store.commit().unwrap();
    let (document, doc) = exported(&disk.reader(), group);
    assert_eq!((document.entries, document.reauthored, bodies(&doc).len()), (0, false, 0));
}

#[test]
fn a_group_with_a_fork_is_written_anew_in_display_order() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for (stretch, at, text) in [(1, 30, "late"), (1, 10, "early"), (2, 20, "between")] {
        let admitted =
            Author::again(1, stretch).write_on(&store, group, &[EntryNo::GENESIS], message(at, text));
        store.append(group, &admitted).unwrap();
    }
    let mut sealed = of_kind(40, "sealed", "");
    sealed.body = peer_engine::change::Body::Sealed(vec![1, 2, 3]);
    Author::new(9).write(&mut store, group, sealed);
    store.commit().unwrap();
    assert_eq!(store.forks().unwrap().len(), 1);

    let reader = disk.reader();
    let (document, doc) = exported(&reader, group);
    assert_eq!((document.entries, document.reauthored), (4, true));
    assert_eq!(doc.get(ROOT, "reauthored").unwrap().unwrap().0.as_bool(), Some(true));
    assert_eq!(doc.get(ROOT, "name").unwrap().unwrap().0.as_str(), Some("rust"));
    let history = reader.history(group, Page::Newest, 9).unwrap();
    let entries = entries(&doc);
    assert_eq!(entries.len(), 4);
    for (entry, shown) in entries.iter().zip(history.iter().rev()) {
        assert_eq!(field(&doc, entry, "id").unwrap().as_bytes(), Some(shown.id.as_bytes()));
        assert_eq!(field(&doc, entry, "author").unwrap().as_bytes(), Some(shown.author.as_bytes()));
    }
    let texts: Vec<_> = entries[1..].iter().map(|entry| field(&doc, entry, "body").unwrap()).collect();
    let texts: Vec<_> = texts.iter().map(|body| body.as_str().unwrap()).collect();
    assert_eq!(texts, ["late", "between", "early"]);
    assert_eq!(field(&doc, &entries[0], "body").unwrap().as_bytes(), Some(&[1, 2, 3][..]));
    // The same entries give the same document.
    assert_eq!(exported(&reader, group).0, document);
}
