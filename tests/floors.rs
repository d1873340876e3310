//! The floors of `src/lib.rs` hold: imports point down only, and what is below the node has no task, socket, clock,
//! randomness or file of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Neighbours on one floor that may be used, user first. Never both ways.
const SIDEWAYS: &[(&str, &str)] = &[
    ("id", "limits"),
    ("change", "identity"),
    ("wire", "identity"),
    ("sync", "group"),
    ("engine", "store"),
    ("cli", "tui"),
    ("cli", "web"),
];

/// Modules that may use only these, whatever the floors would allow: a face knows the api and plain values.
/// The command line is also where the other faces are started.
const ONLY: &[(&str, &[&str])] = &[
    ("cli", &["api", "id", "time", "limits", "text", "tui", "web"]),
    ("tui", &["api", "id", "time", "limits", "text"]),
    ("web", &["api"]),
    ("main", &["cli"]),
];

/// Not to be found where everything comes in as an argument.
const IMPURE: &[&str] = &[
    "tokio",
    "async",
    "await",
    "std::net",
    "std::thread",
    "std::process",
    "std::fs",
    "std::env",
    "SystemTime",
    "Instant",
    "now()",
    "getrandom",
    "rand",
    "OsRng",
    "socket2",
];

const PURE: &[&str] =
    &["id", "time", "limits", "text", "identity", "change", "wire", "group", "sync", "engine", "store"];

/// In one file each.
const EXCEPT: &[(&str, &str, &str)] = &[
    ("wire/address.rs", "std::net", "a type that parses addresses; nothing is opened"),
    ("store/sqlite/reader.rs", "std::fs", "the size of the database's own files"),
    ("store/sqlite/write_ahead_log.rs", "std::fs", "flushing the database's own log"),
    ("store/sqlite/carve.rs", "std::fs", "its tests read what SQLite wrote"),
];

/// Libraries with a place of their own. What came from the network must not reach Automerge, and SQLite has one owner.
const CONFINED: &[(&str, &str)] = &[("automerge", "store/export.rs"), ("rusqlite", "store/")];

#[test]
fn imports_point_down_only() {
    let floors = floors(include_str!("../src/lib.rs"));
    let mut wrong = Vec::new();
    for file in sources() {
        for found in uses(&file.path, &file.text) {
            if let Use { root: Root::Crate, name, line } = found
                && let Err(reason) = may_use(&floors, file.module(), &name)
            {
                wrong.push(format!("src/{}:{line}: {reason}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    let library = include_str!("../src/lib.rs");
    let declared = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut declared: Vec<&str> = declared.collect();
    declared.sort_unstable();
    let floors = floors(library);
    let listed: Vec<&str> = floors.keys().map(String::as_str).filter(|name| *name != "main").collect();
    assert_eq!(listed, declared);
    for &(user, used) in SIDEWAYS {
        assert_eq!(floors[user], floors[used], "{user} and {used} are neighbours");
        assert!(!SIDEWAYS.contains(&(used, user)), "{user} and {used} use each other");
    }
}

#[test]
fn what_is_below_the_node_has_no_world_of_its_own() {
    let mut wrong = Vec::new();
    let mut needed = Vec::new();
    for file in sources().iter().filter(|file| PURE.contains(&file.module())) {
        for (word, line) in impure(&file.path, &file.text) {
            match EXCEPT.iter().find(|(path, excepted, _)| *path == file.path && *excepted == word) {
                Some(exception) => needed.push(exception.0),
                None => wrong.push(format!("src/{}:{line}: {word}", file.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (path, word, _) in EXCEPT {
        assert!(needed.contains(path), "src/{path} does without {word}: take the exception out");
    }
}

#[test]
fn confined_libraries_stay_in_their_place() {
    for (library, place) in CONFINED {
        let mut users = 0;
        for file in sources() {
            for found in uses(&file.path, &file.text) {
                if found.root == Root::Library && found.name == *library {
                    assert!(file.path.starts_with(place), "src/{}:{}: {library}", file.path, found.line);
                    users += 1;
                }
            }
        }
        assert!(users > 0, "nobody uses {library}: take it out of the list");
    }
}

struct Source {
    /// Below `src`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// The module of the crate that the file belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

/// Every source file but `lib.rs`, which only lists the modules.
fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path != root.join("lib.rs")
            {
                sources.push(Source { path: below(&root, &path), text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(sources.len() > 50, "found {} files", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn below(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap());
    parts.collect::<Vec<_>>().join("/")
}

/// Module → floor, from the table in the docs of `lib.rs`. The binary stands on top.
fn floors(library: &str) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in library.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let Some(floor) = columns.next().and_then(|first| first.parse::<u32>().ok()) else { continue };
        let names: Vec<&str> = columns.collect();
        // The last column says what is there.
        for name in &names[..names.len() - 1] {
            floors.insert((*name).to_owned(), floor);
        }
    }
    let top = floors.values().max().unwrap() + 1;
    floors.insert("main".to_owned(), top);
    floors
}

fn may_use(floors: &BTreeMap<String, u32>, user: &str, used: &str) -> Result<(), String> {
    if user == used {
        return Ok(());
    }
    let (Some(from), Some(to)) = (floors.get(user), floors.get(used)) else {
        return Err(format!("{user} uses {used}, which is not a module with a floor"));
    };
    if let Some((_, only)) = ONLY.iter().find(|(module, _)| *module == user)
        && !only.contains(&used)
    {
        return Err(format!("{user} uses {used}, and may use only {}", only.join(", ")));
    }
    if from > to || SIDEWAYS.contains(&(user, used)) {
        Ok(())
    } else {
        Err(format!("{user} (floor {from}) uses {used} (floor {to})"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    /// A module at the root of this crate.
    Crate,
    /// Another crate, or a module of `std` as `std::module`.
    Library,
}

#[derive(PartialEq, Eq, Debug)]
struct Use {
    root: Root,
    name: String,
    line: usize,
}

/// The modules of the crate and the libraries that a file names, in imports and in paths.
fn uses(path: &str, text: &str) -> Vec<Use> {
    let tokens = tokens(text);
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    module.retain(|part| part != "mod" && part != "main");
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut uses = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let goes_on = text(index + 1) == "::";
        let begins = index == 0 || text(index - 1) != "::";
        let mut name = |root, names: Vec<String>| {
            uses.extend(names.into_iter().map(|name| Use { root, name, line: token.line }));
        };
        match token.text.as_str() {
            "{" => {
                depth += 1;
                if index >= 2 && text(index - 2) == "mod" {
                    module.push(text(index - 1).to_owned());
                    inline.push(depth);
                }
            }
            "}" => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
                depth -= 1;
            }
            "crate" | "peer" if goes_on && begins => name(Root::Crate, members(&tokens, index + 2)),
            // `pub(crate)` names nothing; anything else without a path would give the crate another name.
            "crate" if begins && text(index.wrapping_sub(1)) != "(" => {
                name(Root::Crate, vec!["crate".to_owned()])
            }
            "super" if goes_on && (begins || text(index.wrapping_sub(2)) == "self") => {
                let (mut at, mut up) = (index, 0);
                while text(at) == "super" && text(at + 1) == "::" {
                    at += 2;
                    up += 1;
                }
                if text(at) == "super" {
                    up += 1;
                }
                if up >= module.len() {
                    name(Root::Crate, members(&tokens, at));
                }
            }
            "std" if goes_on && begins => {
                let members = members(&tokens, index + 2).into_iter();
                name(Root::Library, members.map(|member| format!("std::{member}")).collect());
            }
            "use" if text(index + 1) == "{" => name(Root::Library, members(&tokens, index + 1)),
            "self" | "core" | "alloc" => {}
            library if (goes_on && begins) || text(index.wrapping_sub(1)) == "use" => {
                name(Root::Library, vec![library.to_owned()]);
            }
            _ => {}
        }
    }
    uses
}

/// What a path goes on with at `start`: one name, or the first name of each branch of a group.
fn members(tokens: &[Token], start: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut fresh = true;
    for token in &tokens[start.min(tokens.len())..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => fresh = true,
            name if fresh && depth <= 1 => {
                names.push(name.to_owned());
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The words of [`IMPURE`] that a file uses.
fn impure(path: &str, text: &str) -> Vec<(&'static str, usize)> {
    let listed = |name: &str| IMPURE.iter().copied().find(|word| *word == name);
    let libraries = uses(path, text).into_iter().filter(|found| found.root == Root::Library);
    let mut found: Vec<_> =
        libraries.filter_map(|library| Some((listed(&library.name)?, library.line))).collect();
    let tokens = tokens(text);
    for (index, token) in tokens.iter().enumerate() {
        let called = |at: usize| tokens.get(at).is_some_and(|next| next.text == "(");
        if token.text == "now" && index > 0 && tokens[index - 1].text == "::" && called(index + 1) {
            found.push(("now()", token.line));
        } else if let Some(word) = listed(&token.text) {
            found.push((word, token.line));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single signs; without comments, strings, characters and lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let (mut index, mut line) = (0, 1);
    while index < chars.len() {
        let start = index;
        match chars[index] {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                let mut open = 0;
                loop {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => (open, index) = (open + 1, index + 2),
                        ('*', '/') => (open, index) = (open - 1, index + 2),
                        _ => index += 1,
                    }
                    if open == 0 || index >= chars.len() {
                        break;
                    }
                }
            }
            '"' => index = string_end(&chars, index),
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            '\'' => {
                index += 1;
                while word(at(index)) {
                    index += 1;
                }
            }
            c if word(c) => {
                while word(at(index)) {
                    index += 1;
                }
                let text: String = chars[start..index].iter().collect();
                let raw = text.ends_with('r') && text.len() <= 2;
                let hashes = (index..).take_while(|i| at(*i) == '#').count();
                if raw && at(index + hashes) == '"' {
                    index = raw_string_end(&chars, index + hashes + 1, hashes);
                } else {
                    tokens.push(Token { text, line });
                }
            }
            ':' if at(index + 1) == ':' => {
                index += 2;
                tokens.push(Token { text: "::".to_owned(), line });
            }
            c => {
                index += 1;
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
            }
        }
        line += chars[start..index.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut index = start + 1;
    while index < chars.len() && chars[index] != '"' {
        index += if chars[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn raw_string_end(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut index = start;
    while index < chars.len() {
        let closing = chars[index + 1..].iter().take_while(|c| **c == '#').count();
        if chars[index] == '"' && closing >= hashes {
            return index + 1 + hashes;
        }
        index += 1;
    }
    index
}

mod the_checker {
    use super::*;

    fn wrong(path: &str, text: &str) -> Vec<String> {
        let floors = floors(include_str!("../src/lib.rs"));
        let module = path.split('/').next().unwrap().trim_end_matches(".rs");
        let named = uses(path, text).into_iter().filter(|found| found.root == Root::Crate);
        named.filter(|found| may_use(&floors, module, &found.name).is_err()).map(|found| found.name).collect()
    }

    #[test]
    fn finds_what_points_up() {
        assert_eq!(wrong("sync/session.rs", "use crate::engine::Engine;"), ["engine"]);
        assert_eq!(
            wrong("sync/session.rs", "use crate::{id::PeerId, node::{Node, Draft}, api};"),
            ["node", "api"]
        );
        assert_eq!(wrong("wire/bloom.rs", "fn f() -> crate::group::Node { todo!() }"), ["group"]);
        assert_eq!(wrong("store/sqlite/log.rs", "use super::super::super::node::Node;"), ["node"]);
        assert_eq!(wrong("store/sqlite/log.rs", "use super::super::super::{id, node};"), ["node"]);
        assert_eq!(wrong("store/mod.rs", "use self::super::api;"), ["api"]);
        assert_eq!(wrong("time.rs", "mod tests { use super::super::engine; }"), ["engine"]);
        assert_eq!(wrong("group/mod.rs", "use super::*;"), ["*"]);
        assert_eq!(wrong("group/mod.rs", "use crate as whole;"), ["crate"]);
        assert_eq!(wrong("group/mod.rs", "use crate::*;"), ["*"]);
        assert_eq!(wrong("group/mod.rs", "const A: &str = \"//\"; use crate::cli;"), ["cli"]);
        assert_eq!(wrong("group/mod.rs", "const A: char = '\"'; use crate::cli; // '\""), ["cli"]);
        assert_eq!(wrong("group/mod.rs", "const A: &str = r#\"\"/*\"#; use crate::cli;"), ["cli"]);
    }

    #[test]
    fn finds_the_wrong_neighbours_and_what_a_face_must_not_know() {
        assert_eq!(wrong("store/mod.rs", "use crate::engine::Engine;"), ["engine"]);
        assert_eq!(wrong("transport/mod.rs", "use crate::engine::Event;"), ["engine"]);
        assert_eq!(wrong("engine/mod.rs", "use crate::transport::Link;"), ["transport"]);
        assert_eq!(wrong("group/mod.rs", "use crate::sync::Pull;"), ["sync"]);
        assert_eq!(wrong("cli/send.rs", "use crate::{api, store};"), ["store"]);
        assert_eq!(wrong("cli/send.rs", "use crate::node::Node;"), ["node"]);
        assert_eq!(wrong("tui/shell.rs", "use crate::{api, node, cli};"), ["node", "cli"]);
        assert_eq!(wrong("main.rs", "fn main() { peer::node::start() }"), ["node"]);
    }

    #[test]
    fn lets_pass_what_points_down() {
        let nothing: [&str; 0] = [];
        assert_eq!(wrong("engine/mod.rs", "use crate::store::Store; use crate::{id, sync::Pull};"), nothing);
        assert_eq!(wrong("store/sqlite/log.rs", "use super::super::StoreError; use super::index;"), nothing);
        assert_eq!(wrong("time.rs", "pub(crate) struct A; mod tests { use super::*; }"), nothing);
        assert_eq!(wrong("group/mod.rs", "// use crate::cli;\n/* crate::cli */ \"crate::cli\""), nothing);
        assert_eq!(wrong("cli/send.rs", "use crate::api::Client; use crate::id::GroupName;"), nothing);
        assert_eq!(wrong("main.rs", "fn main() { peer::cli::main() }"), nothing);
    }

    fn impurities(text: &str) -> Vec<&'static str> {
        impure("engine/mod.rs", text).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn finds_a_world_of_its_own() {
        assert_eq!(impurities("use tokio::sync::mpsc;"), ["tokio"]);
        assert_eq!(impurities("use {tokio, serde};"), ["tokio"]);
        assert_eq!(impurities("async fn f() {}"), ["async"]);
        assert_eq!(
            impurities("use std::{collections::BTreeMap, thread, fs::File};"),
            ["std::fs", "std::thread"]
        );
        assert_eq!(impurities("fn f() { std::env::var(\"HOME\"); }"), ["std::env"]);
        assert_eq!(impurities("use std::time::{Duration, Instant};"), ["Instant"]);
        assert_eq!(impurities("fn f() { jiff::Timestamp::now() }"), ["now()"]);
        assert_eq!(impurities("fn f() { getrandom::fill(&mut []) }"), ["getrandom"]);
    }

    #[test]
    fn lets_pass_what_only_sounds_so() {
        let nothing: [&str; 0] = [];
        assert_eq!(impurities("fn f(now: Now) { g(now) } // tokio::spawn, Instant"), nothing);
        assert_eq!(impurities("const A: &str = \"async tokio\"; struct Instantly; let random = 1;"), nothing);
        assert_eq!(impurities("use std::{collections::BTreeMap, fmt}; use std::time::Duration;"), nothing);
    }

    #[test]
    fn knows_the_line() {
        let found =
            uses("sync/pull.rs", "//! Doc.\n\nuse crate::id::PeerId;\nfn f() {\n    crate::node::g()\n}\n");
        let lines: Vec<(&str, usize)> = found.iter().map(|found| (found.name.as_str(), found.line)).collect();
        assert_eq!(lines, [("id", 3), ("node", 5)]);
    }
}
