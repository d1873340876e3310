//! What every store does: the same checks on the one in memory and the one on disk.

use peer::store::{SqliteStore, StoreError};
use peer_engine::change::Unverified;
use peer_engine::group::{EntryNo, GroupNo, Node, missing_from};
use peer_engine::id::{ActorId, ChangeHash, PeerId};
use peer_engine::store::{KnownPeer, MemoryError, MemoryStore, Store};

use crate::support::{Author, genesis, message, own};

/// A store whose process can die: it is dropped without closing, and opened again.
trait Crashing: Store + Sized {
    fn crash(self) -> Self;

    fn cause(error: Self::Error) -> Cause;
}

#[derive(PartialEq, Debug)]
enum Cause {
    NoGroup(GroupNo),
    NoEntry(EntryNo),
    Dangling,
}

impl Crashing for MemoryStore {
    fn crash(mut self) -> Self {
        MemoryStore::crash(&mut self);
        self
    }

    fn cause(error: MemoryError) -> Cause {
        match error {
            MemoryError::NoGroup(group) => Cause::NoGroup(group),
            MemoryError::NoEntry { no, .. } => Cause::NoEntry(no),
            MemoryError::Dangling => Cause::Dangling,
        }
    }
}

impl Crashing for SqliteStore {
    fn crash(self) -> Self {
        let path = self.path().to_owned();
        drop(self);
        SqliteStore::open(&path, own()).unwrap()
    }

    fn cause(error: StoreError) -> Cause {
        match error {
            StoreError::NoGroup(group) => Cause::NoGroup(group),
            StoreError::Row { no, .. } => Cause::NoEntry(no),
            StoreError::Dangling => Cause::Dangling,
            other => panic!("{other}"),
        }
    }
}

/// Runs each check on a fresh store of both kinds.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(peer_engine::store::MemoryStore::new()); })+
        }
        mod sqlite {
            $(#[test] fn $name() {
                let disk = crate::support::Disk::new();
                super::$name(disk.open());
            })+
        }
    };
}

on_every_store!(
    an_empty_group_has_its_genesis,
    an_appended_change_is_found_again,
    heads_follow_the_graph,
    nodes_come_from_the_top,
    only_what_is_committed_survives,
    a_group_is_added_once,
    what_is_missing_is_walked,
    a_fork_is_kept_with_its_proof,
    a_fork_behind_shortcuts_is_found,
    a_change_appended_twice_is_one,
    an_error_takes_the_transaction_with_it,
    small_things_are_kept,
);

fn row<S: Store>(store: &S, group: GroupNo) -> peer_engine::store::GroupRow {
    store.groups().unwrap().into_iter().find(|row| row.no == group).unwrap()
}

fn an_empty_group_has_its_genesis<S: Crashing>(mut store: S) {
    let genesis = genesis("rust");
    let group = store.add_group(&genesis, true).unwrap();
    assert_eq!(group, GroupNo(1));
    let row = row(&store, group);
    assert_eq!((row.id, row.name.as_str(), row.entries), (genesis.id(), "rust", 0));
    assert_eq!((row.joined, row.caught_up, row.heads), (true, false, vec![EntryNo::GENESIS]));
    let node = Node::genesis(genesis.id());
    assert_eq!(store.find(group, &genesis.id().genesis()).unwrap(), Some(EntryNo::GENESIS));
    assert_eq!(store.node(group, EntryNo::GENESIS).unwrap(), Some(node.clone()));
    assert_eq!(store.nodes_below(group, EntryNo(9), 5).unwrap(), [node]);
    assert_eq!(store.node(group, EntryNo(1)).unwrap(), None);
    assert_eq!(store.change(group, EntryNo(1)).map_err(S::cause), Err(Cause::NoEntry(EntryNo(1))));
    // A group that does not exist has nothing.
    assert_eq!(store.find(GroupNo(2), &genesis.id().genesis()).unwrap(), None);
    assert_eq!(store.node(GroupNo(2), EntryNo::GENESIS).unwrap(), None);
    assert_eq!(store.nodes_below(GroupNo(2), EntryNo(1), 1).unwrap(), []);
    assert_eq!(store.change(GroupNo(2), EntryNo(1)).map_err(S::cause), Err(Cause::NoGroup(GroupNo(2))));
}

fn an_appended_change_is_found_again<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let other = store.add_group(&genesis("c"), true).unwrap();
    let author = Author::new(1);
    let mut content = message(5, "with \0 and \u{1f980}");
    content.from = Some("bridge".to_owned());
    content.re = Some(ChangeHash([3; 32]));
    let admitted = author.write_on(&store, group, &[EntryNo::GENESIS], content.clone());
    let no = store.append(group, &admitted).unwrap();
    store.commit().unwrap();
    let mut sealed = content.clone();
    sealed.body = peer_engine::change::Body::Sealed(vec![0, 255, 1]);
    sealed.kind = Some("sealed".to_owned());
    author.write(&mut store, group, sealed.clone());
    assert_eq!(no, EntryNo(1));

    let change = admitted.verified();
    assert_eq!(store.find(group, &change.hash()).unwrap(), Some(no));
    assert_eq!(store.find(other, &change.hash()).unwrap(), None);
    assert_eq!(store.last_of(group, &author.actor()).unwrap(), (2, EntryNo(2)));
    assert_eq!(store.last_of(other, &author.actor()).unwrap(), (0, EntryNo::GENESIS));
    assert_eq!(store.last_of(group, &ActorId([9; 40])).unwrap().0, 0);
    let node = store.node(group, no).unwrap().unwrap();
    let expected = Node {
        no,
        hash: change.hash(),
        actor: Some(author.actor()),
        seq: 1,
        max_op: change.max_op(),
        eff: 5,
        deps: vec![EntryNo::GENESIS],
    };
    assert_eq!(node, expected);
    assert_eq!(store.change(group, no).unwrap(), change.bytes().to_vec());
    let second = Unverified::decode(&store.change(group, EntryNo(2)).unwrap()).unwrap();
    assert_eq!(second.change().content, sealed);
}

fn heads_follow_the_graph<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let (a, b) = (Author::new(1), Author::new(2));
    let mut append = |author: &Author, deps: &[u64], at| {
        let deps: Vec<EntryNo> = deps.iter().copied().map(EntryNo).collect();
        let admitted = author.write_on(&store, group, &deps, message(at, "x"));
        store.append(group, &admitted).unwrap();
        row(&store, group).heads.iter().map(|head| head.0).collect::<Vec<_>>()
    };
    assert_eq!(append(&a, &[0], 1), [1]);
    assert_eq!(append(&b, &[0], 2), [1, 2]);
    assert_eq!(append(&a, &[1], 3), [2, 3]);
    assert_eq!(append(&b, &[2, 3], 4), [4]);
    store.commit().unwrap();
    let store = store.crash();
    let row = row(&store, group);
    assert_eq!((row.heads, row.entries), (vec![EntryNo(4)], 4));
    let mut deps = store.node(group, EntryNo(4)).unwrap().unwrap().deps;
    deps.sort();
    assert_eq!(deps, [EntryNo(2), EntryNo(3)]);
}

fn nodes_come_from_the_top<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let other = store.add_group(&genesis("c"), true).unwrap();
    let author = Author::new(1);
    for at in 1..=5 {
        author.say(&mut store, group, at, "x");
        author.say(&mut store, other, at, "x");
    }
    let numbers = |group, below, limit| {
        let nodes = store.nodes_below(group, EntryNo(below), limit).unwrap();
        for node in &nodes {
            assert_eq!(store.node(group, node.no).unwrap().as_ref(), Some(node));
        }
        nodes.into_iter().map(|node| node.no.0).collect::<Vec<_>>()
    };
    for group in [group, other] {
        assert_eq!(numbers(group, 6, 100), [5, 4, 3, 2, 1, 0]);
        assert_eq!(numbers(group, u64::MAX, 2), [5, 4]);
        assert_eq!(numbers(group, 3, 2), [2, 1]);
        assert_eq!(numbers(group, 3, 3), [2, 1, 0]);
        assert_eq!(numbers(group, 1, 3), [0]);
        assert_eq!(numbers(group, 0, 3), [0u64; 0]);
        assert_eq!(numbers(group, 3, 0), [0u64; 0]);
    }
}

fn only_what_is_committed_survives<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), false).unwrap();
    let author = Author::new(1);
    let kept = author.say(&mut store, group, 1, "kept");
    store.set_value("key", b"kept").unwrap();
    store.commit().unwrap();

    let lost = author.say(&mut store, group, 2, "lost");
    store.add_group(&genesis("lost"), true).unwrap();
    store.set_joined(group, true).unwrap();
    store.set_caught_up(group).unwrap();
    store.set_value("key", b"lost").unwrap();
    assert!(row(&store, group).joined);
    assert_eq!(store.find(group, &lost).unwrap(), Some(EntryNo(2)));

    let mut store = store.crash();
    let groups = store.groups().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].joined, groups[0].caught_up, groups[0].entries), (false, false, 1));
    assert_eq!(groups[0].heads, [EntryNo(1)]);
    assert_eq!(store.find(group, &kept).unwrap(), Some(EntryNo(1)));
    assert_eq!(store.find(group, &lost).unwrap(), None);
    assert_eq!(store.last_of(group, &author.actor()).unwrap().0, 1);
    assert_eq!(store.value("key").unwrap().as_deref(), Some(&b"kept"[..]));

    // The number is given again, and finds the entry that has it now.
    let again = author.say(&mut store, group, 3, "again");
    store.set_caught_up(group).unwrap();
    store.commit().unwrap();
    store.commit().unwrap();
    let store = store.crash();
    assert_eq!(store.find(group, &again).unwrap(), Some(EntryNo(2)));
    assert!(row(&store, group).caught_up);
}

fn a_group_is_added_once<S: Crashing>(mut store: S) {
    let first = store.add_group(&genesis("rust"), true).unwrap();
    let second = store.add_group(&genesis("c"), true).unwrap();
    assert_eq!((first, second), (GroupNo(1), GroupNo(2)));
    Author::new(1).say(&mut store, first, 1, "x");
    assert_eq!(store.add_group(&genesis("rust"), false).unwrap(), first);
    store.commit().unwrap();
    let store = store.crash();
    assert_eq!(store.groups().unwrap().len(), 2);
    assert_eq!((row(&store, first).joined, row(&store, first).entries), (false, 1));
    assert!(row(&store, second).joined);
}

fn what_is_missing_is_walked<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    for at in 1..=40 {
        author.say(&mut store, group, at, "x");
    }
    let missing = |known| missing_from(&store, group, &[EntryNo(40)], known).unwrap();
    assert_eq!(missing(&[EntryNo(38)]), [EntryNo(39), EntryNo(40)]);
    assert_eq!(missing(&[]).len(), 40);
    assert_eq!(missing(&[EntryNo::GENESIS]).len(), 40);
}

fn a_fork_is_kept_with_its_proof<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let (honest, other) = (Author::new(1), Author::new(2));
    honest.say(&mut store, group, 1, "x");
    other.say(&mut store, group, 2, "first");
    let second = other.say(&mut store, group, 3, "second");
    honest.say(&mut store, group, 4, "between");
    other.say(&mut store, group, 5, "third");
    assert_eq!(store.forks().unwrap(), []);

    let twin = other.write_on(&store, group, &[EntryNo(2)], message(6, "another second"));
    assert!(twin.forks());
    store.append(group, &twin).unwrap();
    let more = other.write_on(&store, group, &[EntryNo(1)], message(7, "another first"));
    store.append(group, &more).unwrap();
    store.commit().unwrap();
    let store = store.crash();
    let forks = store.forks().unwrap();
    assert_eq!(forks.len(), 1, "one proof for each actor");
    assert_eq!((forks[0].group, forks[0].author, forks[0].seq), (group, other.key(), 2));
    assert_eq!(forks[0].actor, other.actor());
    assert_eq!(forks[0].entries, (second, twin.verified().hash()));
    assert_eq!(store.last_of(group, &other.actor()).unwrap().0, 3);
    assert_eq!(row(&store, group).entries, 7);
}

fn a_fork_behind_shortcuts_is_found<S: Crashing>(mut store: S) {
    let author = Author::new(1);
    // The hashes decide which dependency comes first: these entries have both orders.
    for number in 0..12 {
        let group = store.add_group(&genesis(&format!("group-{number}")), true).unwrap();
        let on = |store: &mut S, deps: &[EntryNo], text: &str| {
            let change = author.write_on(store, group, deps, message(number, text));
            store.append(group, &change).unwrap();
            change.verified().hash()
        };
        on(&mut store, &[EntryNo::GENESIS], "first");
        let second = on(&mut store, &[EntryNo(1)], "second");
        on(&mut store, &[EntryNo(1), EntryNo(2)], "third");
        let twin = on(&mut store, &[EntryNo(1)], "another second");
        let forks = store.forks().unwrap();
        let fork = forks.iter().find(|fork| fork.group == group).expect("a proof");
        assert_eq!((fork.seq, fork.entries), (2, (second, twin)));
    }
}

fn a_change_appended_twice_is_one<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let admitted = Author::new(1).write_on(&store, group, &[EntryNo::GENESIS], message(1, "x"));
    assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(1));
    assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(1));
    store.commit().unwrap();
    let mut store = store.crash();
    assert_eq!(store.append(group, &admitted).unwrap(), EntryNo(1));
    let row = row(&store, group);
    assert_eq!((row.entries, row.heads), (1, vec![EntryNo(1)]));
}

fn an_error_takes_the_transaction_with_it<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let author = Author::new(1);
    author.say(&mut store, group, 1, "kept");
    store.commit().unwrap();

    author.say(&mut store, group, 2, "lost");
    let on_lost = author.write_on(&store, group, &[EntryNo(2)], message(3, "on lost"));
    store.set_value("key", b"lost").unwrap();
    assert_eq!(store.append(GroupNo(9), &on_lost).map_err(S::cause), Err(Cause::NoGroup(GroupNo(9))));
    assert_eq!((row(&store, group).entries, row(&store, group).heads), (1, vec![EntryNo(1)]));
    assert_eq!(store.value("key").unwrap(), None);
    assert_eq!(store.last_of(group, &author.actor()).unwrap().0, 1);
    assert_eq!(store.node(group, EntryNo(2)).unwrap(), None);
    // The change that was admitted on top of it does not fit any more.
    assert_eq!(store.append(group, &on_lost).map_err(S::cause), Err(Cause::Dangling));
    store.commit().unwrap();

    let after = author.say(&mut store, group, 4, "after");
    store.commit().unwrap();
    let store = store.crash();
    assert_eq!(store.find(group, &after).unwrap(), Some(EntryNo(2)));
}

fn small_things_are_kept<S: Crashing>(mut store: S) {
    let group = store.add_group(&genesis("rust"), true).unwrap();
    let (a, b) = (PeerId([1; 32]), PeerId([2; 32]));
    let known = |key, addresses: &[&str], last_linked_ms| KnownPeer {
        key,
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        last_linked_ms,
    };
    store.put_peer(&known(b, &[], 0)).unwrap();
    store.put_peer(&known(a, &["10.0.0.1:1", "[::1]:2"], 5)).unwrap();
    store.put_peer(&known(b, &["host:3"], 9)).unwrap();
    store.set_shared_heads(&a, group, &[ChangeHash([4; 32]), ChangeHash([5; 32])]).unwrap();
    store.set_shared_heads(&b, group, &[ChangeHash([6; 32])]).unwrap();
    store.set_shared_heads(&b, group, &[]).unwrap();
    store.set_value("a", b"").unwrap();
    store.set_value("b", &[0, 1, 255]).unwrap();
    store.commit().unwrap();

    let mut store = store.crash();
    assert_eq!(store.peers().unwrap(), [known(a, &["10.0.0.1:1", "[::1]:2"], 5), known(b, &["host:3"], 9)]);
    assert_eq!(store.shared_heads(&a, group).unwrap(), [ChangeHash([4; 32]), ChangeHash([5; 32])]);
    assert_eq!(store.shared_heads(&b, group).unwrap(), []);
    assert_eq!(store.shared_heads(&a, GroupNo(7)).unwrap(), []);
    assert_eq!(store.value("a").unwrap().as_deref(), Some(&[][..]));
    assert_eq!(store.value("b").unwrap().as_deref(), Some(&[0, 1, 255][..]));
    assert_eq!(store.value("c").unwrap(), None);
    store.remove_peer(&a).unwrap();
    store.commit().unwrap();
    let store = store.crash();
    assert_eq!(store.peers().unwrap().len(), 1);
    assert_eq!(store.shared_heads(&a, group).unwrap(), []);
}
