//! A real chat: three peers each import a part of it while the mesh runs, and one of them is cut off midway.
//!
//! The conversation in `fixtures/chat` always runs. To run the test with a larger one, name a file of JSON
//! lines with `at`, `author` and `body`; its first 21,000 lines are used: `PEER_CORPUS=chat.jsonl cargo test
//! --test process corpus -- --nocapture`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Stdio;
use std::time::Instant;

use automerge::{Automerge, ROOT, ReadDoc};
use serde_json::Value;

use crate::support::{GROUP, Member, common, converged, full_mesh, id, until};

const NAMES: [&str; 3] = ["harbour", "workshop", "ferry"];
const CORPUS_MESSAGES: usize = 21_000;
/// Only words in fewer messages than this are searched for, so that all hits are returned.
const COMMON_WORD: usize = 50;

#[test]
fn a_conversation_of_three_bridges_ends_up_alike_everywhere() {
    let part = |name: &str| {
        let path = format!("{}/fixtures/chat/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    };
    let members = chat(NAMES.map(part));
    let anna = &members[0];
    let found = anna.json(&["search", "stop hole"]);
    assert_eq!((found.len(), &found[0]["from"]), (1, &"okonkwo".into()));
    assert_eq!(found[0]["body"], "drill a stop hole at the end before you fill it");
    let shown = anna.run(&["search", "Krümel"]).ok();
    assert!(shown.contains("linh (via harbour)  Krümel!"), "{shown}");
    let shown = members[2].run(&["history", GROUP, "--limit", "1000"]).ok();
    assert!(shown.contains("2026-03-07 16:07  ruben (via ferry)  good night :)\n"), "{shown}");
}

#[test]
fn a_corpus_of_real_messages_ends_up_alike_everywhere() {
    let Some(path) = std::env::var_os("PEER_CORPUS") else {
        eprintln!(
            "SKIPPED: PEER_CORPUS names no file of messages; see the beginning of tests/process/chat.rs"
        );
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut parts = [const { Vec::new() }; 3];
    for (number, line) in text.lines().take(CORPUS_MESSAGES).enumerate() {
        parts[number % 3].push(line.to_owned());
    }
    assert!(parts[2].len() >= 20_000 / 3, "PEER_CORPUS has too few messages");
    chat(parts);
}

/// Three peers that have imported `parts`, and show the same history.
fn chat(parts: [Vec<String>; 3]) -> [Member; 3] {
    let began = Instant::now();
    let anna = Member::in_group(NAMES[0], None);
    let ben = Member::in_group(NAMES[1], Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    [&anna, &ben].iter().for_each(|member| member.proxy.keep_present());
    let cleo = Member::in_group(NAMES[2], Some(&ben.ticket()));
    let members = [anna, ben, cleo];
    let all = members.each_ref();
    full_mesh(&all);

    // All import the first third; the wire to one is cut during the second; the last third is imported apart.
    let started = Instant::now();
    import(&all, &parts, 0, || ());
    import(&all, &parts, 1, || all.iter().for_each(|member| member.proxy.cut()));
    until("one is cut off", || all[2].links().is_empty());
    import(&all, &parts, 2, || ());
    assert!(common(&all[0].history()) != common(&all[2].history()), "nothing was missed");
    all.iter().for_each(|member| member.proxy.heal());
    let rows = converged(&all);
    let seconds = started.elapsed().as_secs_f64();

    as_it_was_said(&all, &parts, &rows);
    found_by_search(&all, &rows);
    exported_alike(&all, &rows);

    let total: usize = parts.iter().map(Vec::len).sum();
    let wire: u64 = all.iter().map(|member| member.proxy.bytes()).sum();
    let disk: u64 = all.iter().map(|member| member.status()["disk_bytes"].as_u64().unwrap()).sum();
    eprintln!(
        "{total} messages: the same on all after {seconds:.1} s; {} bytes on disk and {} on the wire for each \
         message and peer that got it; {:.1} s with all checks",
        disk / (3 * total as u64),
        wire / (2 * total as u64),
        began.elapsed().as_secs_f64(),
    );
    members
}

/// Every member imports a third of its part, all at the same time; `amid` runs once all have begun.
fn import(members: &[&Member; 3], parts: &[Vec<String>; 3], third: usize, amid: impl FnOnce()) {
    let mut imports = Vec::new();
    for (member, part) in members.iter().zip(parts) {
        let (from, to) = (part.len() * third / 3, part.len() * (third + 1) / 3);
        let file = member.file("part.jsonl", part[from..to].join("\n"));
        let import = member.command(&["import", GROUP, &file]).stdin(Stdio::null()).spawn().unwrap();
        imports.push((import, format!("imported {} messages\n", to - from)));
    }
    amid();
    for (import, expected) in imports {
        let output = import.wait_with_output().unwrap();
        assert_eq!((String::from_utf8(output.stdout).unwrap(), output.stderr), (expected, Vec::new()));
    }
}

/// Asserts that the history is complete: each author's messages in the order of import, with their times, and
/// marked as relayed.
fn as_it_was_said(members: &[&Member; 3], parts: &[Vec<String>; 3], rows: &[Value]) {
    for (member, part) in members.iter().zip(parts) {
        let said = rows.iter().filter(|row| row["kind"] == "message" && row["author"] == member.key());
        let said: Vec<[String; 3]> = said.map(|row| three(row, "from")).collect();
        let expected: Vec<[String; 3]> =
            part.iter().map(|line| three(&serde_json::from_str(line).unwrap(), "author")).collect();
        assert!(said == expected, "{} of {} messages, or changed", said.len(), expected.len());
    }
}

fn three(row: &Value, author: &str) -> [String; 3] {
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    // Imported times have whole seconds.
    [text("at").replace(".000Z", "Z"), text(author), text("body")]
}

/// Asserts that every peer finds messages from all parts of the history by a word in them.
fn found_by_search(members: &[&Member; 3], rows: &[Value]) {
    let mut having: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
    let mut words_of: HashMap<String, &str> = HashMap::new();
    for row in rows {
        for word in row["body"].as_str().unwrap().split_whitespace() {
            if word.len() >= 5 && word.bytes().all(|c| c.is_ascii_lowercase()) {
                having.entry(word).or_default().insert(id(row));
                words_of.insert(id(row), word);
            }
        }
    }
    let rare = rows.iter().filter_map(|row| words_of.get(&id(row)));
    let rare: Vec<&&str> = rare.filter(|word| having[**word].len() < COMMON_WORD).collect();
    for (number, word) in rare.iter().step_by(rare.len().div_ceil(24)).enumerate() {
        let hits = members[number % 3].json(&["search", word, "--limit", "200"]);
        let hits: HashSet<String> = hits.iter().map(id).collect();
        assert!(having[**word].is_subset(&hits), "{word} is in more messages than were found");
    }
}

fn exported_alike(members: &[&Member; 3], rows: &[Value]) {
    let mut heads = Vec::new();
    for member in members {
        let exported = member.run(&["export", GROUP]).rows();
        assert!(common(&exported) == common(rows));
        let path = member.file("group.automerge", "");
        member.run(&["export", GROUP, "--format", "automerge", "--output", &path]).ok();
        let document = Automerge::load(&std::fs::read(path).unwrap()).unwrap();
        let (_, list) = document.get(ROOT, "messages").unwrap().unwrap();
        assert_eq!(document.length(&list), rows.len());
        // The list begins with the newest entry, so it is read backwards.
        let mut bodies: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for index in (0..rows.len()).rev() {
            let (_, entry) = document.get(&list, index).unwrap().unwrap();
            let text = |field: &str| {
                let (value, text) = document.get(&entry, field).unwrap()?;
                value.as_str().map(str::to_owned).or_else(|| document.text(&text).ok())
            };
            if let (Some(from), Some(body)) = (text("from"), text("body")) {
                bodies.entry(from).or_default().push(body);
            }
        }
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut relays: BTreeMap<String, HashSet<&str>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["kind"] == "message") {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            expected.entry(text("from")).or_default().push(text("body"));
            relays.entry(text("from")).or_default().insert(row["author"].as_str().unwrap());
        }
        // If several peers relayed one person at the same time, the two orders may differ; both are causal.
        for (from, _) in relays.iter().filter(|(_, relays)| relays.len() > 1) {
            bodies.get_mut(from).unwrap().sort();
            expected.get_mut(from).unwrap().sort();
        }
        assert!(bodies == expected, "the document says something else");
        heads.push(document.get_heads());
    }
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));
}
