//! The floors of `lib.rs` of each crate hold: imports point down only, and what is below the node has no task, socket,
//! clock, randomness or file of its own.

use std::collections::BTreeMap;

use crate::sources::{CRATES, Source, sources, used};

/// Modules on one floor that may be used, user first. Never both ways.
const SIDEWAYS: &[(&str, &str)] = &[
    ("id", "limits"),
    ("change", "identity"),
    ("wire", "identity"),
    ("sync", "group"),
    ("cli", "tui"),
    ("cli", "web"),
];

/// A face knows the API and plain values. The command line is also where the other faces are started.
const ONLY: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "api",
            "limits",
            "text",
            "tui",
            "web",
            "peer_engine::id",
            "peer_engine::time",
            "peer_engine::limits",
        ],
    ),
    ("tui", &["api", "limits", "text", "peer_engine::id", "peer_engine::time", "peer_engine::limits"]),
    ("web", &["api"]),
    ("main", &["cli"]),
];

/// What comes in as an argument below the node.
const IMPURE: &[&str] = &[
    "std::net",
    "std::thread",
    "std::process",
    "std::fs",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "getrandom",
];

/// Files that need one of these all the same, and why.
const EXCEPT: &[(&str, &str, &str)] = &[
    ("crates/engine/src/wire/address.rs", "std::net", "a type that parses addresses; nothing is opened"),
    ("src/store/sqlite/reader.rs", "std::fs", "the size of the database's own files"),
    ("src/store/sqlite/write_ahead_log.rs", "std::fs", "flushing the database's own log"),
];

/// Libraries with one place. What came from the network must not reach Automerge, and SQLite has one owner.
const CONFINED: &[(&str, &str)] = &[("automerge", "src/store/export.rs"), ("rusqlite", "src/store/")];

/// The module of the crate that a file belongs to; `lib.rs` belongs to none.
fn module(source: &Source) -> Option<&str> {
    source.module.get(1).map(String::as_str)
}

/// Module → floor, from the table in the documentation of a crate's `lib.rs`. A binary stands on top.
fn floors(library: &str) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in library.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let Some(floor) = columns.next().and_then(|first| first.parse::<u32>().ok()) else { continue };
        let names: Vec<&str> = columns.collect();
        // The last column says what is there.
        floors.extend(names[..names.len() - 1].iter().map(|name| ((*name).to_owned(), floor)));
    }
    let top = floors.values().max().unwrap() + 1;
    floors.insert("main".to_owned(), top);
    floors
}

fn library(folder: &str) -> String {
    std::fs::read_to_string(format!("{}/{folder}/lib.rs", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn may_use(floors: &BTreeMap<String, u32>, user: &str, used: &str) -> bool {
    match (floors.get(user), floors.get(used)) {
        (Some(from), Some(to)) => user == used || from > to || SIDEWAYS.contains(&(user, used)),
        _ => false,
    }
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for (name, folder) in CRATES {
        let floors = floors(&library(folder));
        for source in sources(name) {
            let Some(user) = module(&source) else { continue };
            for used in used(&source).into_iter().filter(|used| used.path[0] == name) {
                let target = used.path.get(1).map_or("the crate itself", String::as_str);
                if !may_use(&floors, user, target) {
                    wrong.push(format!("{}:{}: {user} uses {target}", source.path, used.line));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn faces_know_the_api_and_plain_values() {
    let mut wrong = Vec::new();
    for source in sources("peer") {
        let Some((user, only)) = ONLY.iter().find(|(user, _)| module(&source) == Some(user)) else {
            continue;
        };
        for used in used(&source) {
            let target = match used.path[0].as_str() {
                "peer" => used.path[1].clone(),
                "peer_engine" => used.path[..2].join("::"),
                _ => continue,
            };
            if target != *user && !only.contains(&target.as_str()) {
                wrong.push(format!("{}:{}: {user} uses {target}", source.path, used.line));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    for (_, folder) in CRATES {
        let library = library(folder);
        let modules = library.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
        let mut declared: Vec<&str> = modules.collect();
        declared.push("main");
        declared.sort_unstable();
        let floors = floors(&library);
        assert_eq!(floors.keys().map(String::as_str).collect::<Vec<_>>(), declared);
        for (user, used) in SIDEWAYS.iter().filter(|(user, _)| floors.contains_key(*user)) {
            assert_eq!(floors[*user], floors[*used], "{user} and {used} are on one floor");
        }
    }
    assert!(SIDEWAYS.iter().all(|(user, used)| !SIDEWAYS.contains(&(used, user))));
}

#[test]
fn what_is_below_the_node_has_no_world_of_its_own() {
    let (mut wrong, mut needed) = (Vec::new(), Vec::new());
    let mut below = sources("peer_engine");
    below.extend(sources("peer").into_iter().filter(|source| module(source) == Some("store")));
    for source in &below {
        for used in used(source) {
            let path = used.path.join("::");
            let Some(word) = IMPURE.iter().find(|word| format!("{path}::").starts_with(&format!("{word}::")))
            else {
                continue;
            };
            match EXCEPT.iter().find(|(file, excepted, _)| *file == source.path && excepted == word) {
                Some(exception) => needed.push(exception.0),
                None => wrong.push(format!("{}:{}: {path}", source.path, used.line)),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (path, word, _) in EXCEPT {
        assert!(needed.contains(path), "{path} does without {word}: take the exception out");
    }
}

#[test]
fn confined_libraries_stay_in_their_place() {
    let all: Vec<Source> = CRATES.iter().flat_map(|(name, _)| sources(name)).collect();
    for (library, place) in CONFINED {
        let users = all.iter().filter(|source| used(source).iter().any(|used| used.path[0] == *library));
        let users: Vec<&str> = users.map(|source| source.path.as_str()).collect();
        assert!(!users.is_empty(), "nothing uses {library}: take it out of the list");
        assert!(users.iter().all(|user| user.starts_with(place)), "{library} is used by {users:?}");
    }
}
