//! The documents are true where a program can tell: limits have the values of the code, links lead somewhere, and named
//! files exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where limits are declared.
const LIMITS: [&str; 2] = ["crates/engine/src/limits.rs", "src/limits.rs"];
/// Each limit stands in a table of one of these.
const TABLES: [&str; 3] = ["sync-protocol.md", "docs/api.md", "docs/storage.md"];
/// Names in capitals that are no limits: variables of the environment, and cipher suites.
const NO_LIMITS: [&str; 4] = ["NO_", "PEER_", "RUST_", "TLS_"];
/// How the path of a file begins, from the top of the repository.
const TOP: [&str; 8] = ["benches/", "crates/", "docs/", "examples/", "fixtures/", "fuzz/", "src/", "tests/"];

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All documents, by their paths from the top of the repository.
fn documents() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut found) = (vec![top.to_owned()], Vec::new());
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            } else if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".md") {
                found.push(path.strip_prefix(top).unwrap().to_owned());
            }
        }
    }
    assert!(found.iter().any(|path| path == Path::new("README.md")));
    found
}

/// What stands outside of blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The code in a text: what stands between two backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_limit(name: &str) -> bool {
    let in_capitals = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_listed = NO_LIMITS.iter().any(|prefix| name.starts_with(prefix));
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains('_')
        && name.chars().all(in_capitals)
        && !is_listed
}

/// Name → expression.
fn declared() -> BTreeMap<String, String> {
    let mut declared = BTreeMap::new();
    for path in LIMITS {
        for declaration in read(path).split("\npub const ").skip(1) {
            let (name, rest) = declaration.split_once(':').unwrap();
            let (expression, _) = rest.split_once('=').unwrap().1.split_once(';').unwrap();
            declared.insert(name.to_owned(), expression.to_owned());
        }
    }
    declared
}

/// A constant expression, read from its beginning.
struct Expression<'a> {
    tokens: std::vec::IntoIter<String>,
    names: &'a BTreeMap<String, String>,
}

impl<'a> Expression<'a> {
    fn evaluate(text: &str, names: &'a BTreeMap<String, String>) -> u64 {
        let spaced = ["(", ")", "+", "*", "/"].iter().fold(text.to_owned(), |text, sign| {
            let apart = format!(" {sign} ");
            text.replace(sign, &apart)
        });
        let tokens: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
        let mut expression = Self { tokens: tokens.into_iter(), names };
        let value = expression.sum();
        assert!(expression.tokens.as_slice().is_empty(), "what is `{text}`?");
        value
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_next = self.tokens.as_slice().first().is_some_and(|token| token == sign);
        if is_next {
            self.tokens.next();
        }
        is_next
    }

    fn sum(&mut self) -> u64 {
        let mut total = self.product();
        while self.take("+") {
            total += self.product();
        }
        total
    }

    fn product(&mut self) -> u64 {
        let mut total = self.factor();
        loop {
            if self.take("*") {
                total *= self.factor();
            } else if self.take("/") {
                total /= self.factor();
            } else {
                return total;
            }
        }
    }

    fn factor(&mut self) -> u64 {
        let token = self.tokens.next().expect("the expression goes on");
        let value = match token.as_str() {
            "(" => {
                let value = self.sum();
                assert!(self.take(")"));
                value
            }
            "u32::MAX" => u32::MAX.into(),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                number.replace('_', "").parse().unwrap()
            }
            path => {
                let name = path.rsplit("::").next().unwrap_or(path);
                let expression = self.names.get(name).unwrap_or_else(|| panic!("`{path}` is no limit"));
                Self::evaluate(expression, self.names)
            }
        };
        while self.take("as") {
            self.tokens.next();
        }
        value
    }
}

/// The rows of a document's tables whose first cell is the name of a limit.
fn documented(path: &str) -> Vec<(String, String)> {
    let text = read(path);
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.trim().to_owned()))
            .filter(|_| is_limit(name) || name == "FORMAT")
    });
    rows.collect()
}

#[test]
fn every_limit_is_in_one_table_with_its_value() {
    let declared = declared();
    let mut missing = declared.clone();
    for path in TABLES {
        for (name, written) in documented(path) {
            let Some(expression) = declared.get(&name) else { panic!("{path}: there is no limit `{name}`") };
            let value = Expression::evaluate(expression, &declared);
            assert_eq!(written.replace(',', ""), value.to_string(), "{path}: `{name}`");
            assert!(missing.remove(&name).is_some(), "{path}: `{name}` stands in two tables");
        }
    }
    assert!(missing.is_empty(), "no table has {:?}", missing.keys());
}

#[test]
fn every_limit_that_a_document_names_exists() {
    let declared = declared();
    for path in TABLES {
        let text = prose(&read(path));
        for name in code(&text).filter(|name| is_limit(name)) {
            assert!(declared.contains_key(name), "{path}: there is no limit `{name}`");
        }
    }
}

#[test]
fn every_named_file_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        for name in code(&prose(&read(&document))).filter(|name| TOP.iter().any(|dir| name.starts_with(dir)))
        {
            let path = name.split_whitespace().next().unwrap_or(name);
            assert!(top.join(path).exists(), "{}: there is no file `{path}`", document.display());
        }
    }
}

/// How the headings of a document are named in links to them.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for line in prose(text).lines() {
        let title = line.trim_start_matches('#');
        let Some(title) = title.strip_prefix(' ').filter(|_| line.starts_with('#')) else { continue };
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = title.to_lowercase().chars().filter(kept).collect();
        anchors.push(anchor.replace(' ', "-"));
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        let text = prose(&read(&document));
        let without_code: String = text.split('`').step_by(2).collect();
        for link in without_code.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or(link);
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") {
                continue;
            }
            let file = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap_or(Path::new("")).join(path)
            };
            assert!(top.join(&file).exists(), "{}: `{target}` leads nowhere", document.display());
            if !anchor.is_empty() {
                let found = anchors(&read(&file)).iter().filter(|known| *known == anchor).count();
                assert_eq!(found, 1, "{}: headings named by `{target}`", document.display());
            }
        }
    }
}
