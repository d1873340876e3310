//! What entries set: members, topics, display names, and the groups that the directory names.

use peer::store::Page;
use peer_engine::group::EntryNo;
use peer_engine::kinds::group::GROUP;
use peer_engine::kinds::join::JOINED;
use peer_engine::kinds::leave::LEFT;
use peer_engine::kinds::name::NAME;
use peer_engine::kinds::topic::TOPIC;
use peer_engine::store::Store;

use crate::support::{Author, Disk, directory, genesis, of_kind};

#[test]
fn the_newest_in_display_order_sets_a_register() {
    let disk = Disk::new();
    let mut store = disk.open();
    let group = store.add_group(&genesis("rust"), true).unwrap();
    for (stretch, at, topic) in [(1, 20, "second"), (2, 10, "first"), (3, 30, "third"), (4, 5, "early")] {
        let content = of_kind(at, TOPIC, topic);
        let admitted = Author::again(1, stretch).write_on(&store, group, &[EntryNo::GENESIS], content);
        store.append(group, &admitted).unwrap();
        store.commit().unwrap();
        let expected = if at == 30 || stretch == 4 { "third" } else { "second" };
        assert_eq!(disk.reader().groups(None).unwrap()[0].topic.as_deref(), Some(expected));
    }
    // At equal times the greater hash wins, whichever arrives first.
    let twins = [5, 6].map(|stretch| {
        let content = of_kind(50, TOPIC, if stretch == 5 { "five" } else { "six" });
        Author::again(1, stretch).write_on(&store, group, &[EntryNo::GENESIS], content)
    });
    let hash = |twin: &peer_engine::group::Admitted| twin.verified().hash();
    let winner = if hash(&twins[0]) > hash(&twins[1]) { "five" } else { "six" };
    for order in [[0, 1], [1, 0]] {
        for twin in order {
            store.append(group, &twins[twin]).unwrap();
        }
        store.commit().unwrap();
        assert_eq!(disk.reader().groups(None).unwrap()[0].topic.as_deref(), Some(winner));
        // Drops both, so that they arrive in the other order.
        drop(store);
        disk.tamper(
            "DELETE FROM log WHERE id & 0xffff > 4; UPDATE grp SET entries = 4, heads = x'01020304';",
        );
        store = disk.open();
        store.rebuild().unwrap();
    }
}

#[test]
fn groups_are_those_held_and_those_named() {
    let disk = Disk::new();
    let mut store = disk.open();
    let names = store.add_group(&directory(), true).unwrap();
    let rust = store.add_group(&genesis("rust"), true).unwrap();
    store.add_group(&genesis("attic"), false).unwrap();
    let author = Author::new(1);
    for (at, name) in [(1, "rust"), (2, "haskell"), (3, "Not A Name"), (4, "zig")] {
        author.write(&mut store, names, of_kind(at, GROUP, name));
    }
    let head = author.say(&mut store, rust, 1, "hello");
    store.commit().unwrap();

    let reader = disk.reader();
    let groups = reader.groups(None).unwrap();
    let shown: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.no.is_some(), group.joined, group.entries))
        .collect();
    assert_eq!(
        shown,
        [
            ("attic", true, false, 0),
            ("haskell", false, false, 0),
            ("rust", true, true, 1),
            ("zig", false, false, 0)
        ]
    );
    assert_eq!(groups[2].heads, [head]);
    assert_eq!(groups[0].heads, [genesis("attic").id().genesis()]);
    assert_eq!(groups[1].id, genesis("haskell").id());
    let searched = |text| {
        let groups = reader.groups(Some(text)).unwrap();
        groups.into_iter().map(|group| group.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(searched("S"), ["haskell", "rust"]);
    assert_eq!(searched("%"), [""; 0]);

    let group = |name: &str| reader.group(&name.parse().unwrap()).unwrap();
    assert_eq!(group("rust").as_ref(), Some(&groups[2]));
    assert_eq!(group("zig").as_ref(), Some(&groups[3]));
    assert_eq!(group("nowhere"), None);
    let nearest = |text: &str| {
        let names = reader.nearest(text, 2).unwrap();
        names.into_iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(nearest("rsut"), ["rust"]);
    assert_eq!(nearest("Haskel"), ["haskell"]);
    assert_eq!(nearest("ru"), ["rust"]);
    assert_eq!(nearest("entirely-else"), [""; 0]);
    assert_eq!(nearest(""), [""; 0]);
}

#[test]
fn users_are_those_who_wrote_joined_or_have_a_name() {
    let disk = Disk::new();
    let mut store = disk.open();
    let names = store.add_group(&directory(), true).unwrap();
    let rust = store.add_group(&genesis("rust"), true).unwrap();
    let c = store.add_group(&genesis("c"), true).unwrap();
    let [ann, bob, carl, dora] = [1, 2, 3, 4].map(Author::new);
    ann.write(&mut store, names, of_kind(1, NAME, "Ann"));
    ann.write(&mut store, names, of_kind(2, NAME, "Annette"));
    dora.write(&mut store, names, of_kind(3, NAME, "dora"));
    ann.write(&mut store, rust, of_kind(1, JOINED, ""));
    bob.write(&mut store, rust, of_kind(2, JOINED, ""));
    bob.write(&mut store, rust, of_kind(3, LEFT, ""));
    bob.write(&mut store, c, of_kind(3, JOINED, ""));
    let said = carl.say(&mut store, rust, 4, "hello");
    let by_ann = ann.say(&mut store, rust, 5, "hi");
    store.commit().unwrap();

    let reader = disk.reader();
    let users = |group, search| {
        let users = reader.users(group, search).unwrap();
        users.into_iter().map(|user| (user.key, user.name, user.joined)).collect::<Vec<_>>()
    };
    let annette = (ann.key(), Some("Annette".to_owned()), true);
    let dora = (dora.key(), Some("dora".to_owned()), false);
    let mut nameless = [(bob.key(), None, false), (carl.key(), None, false)];
    nameless.sort();
    assert_eq!(users(Some(rust), None), [&[annette.clone()][..], &nameless[..]].concat());
    assert_eq!(users(Some(c), None), [(bob.key(), None, true)]);
    assert_eq!(users(None, None), [annette.clone(), dora.clone(), (bob.key(), None, true)]);
    assert_eq!(users(None, Some("OR")), [dora]);
    assert_eq!(users(Some(rust), Some(&bob.key().to_string()[..12])), [(bob.key(), None, false)]);

    let shown = reader.history(rust, Page::Newest, 2).unwrap();
    assert_eq!((shown[0].id, &shown[0].name), (said, &None));
    assert_eq!((shown[1].id, shown[1].name.as_deref()), (by_ann, Some("Annette")));
}
