//! What the commands do and print.

use std::io::{BufRead, BufReader};

use automerge::ReadDoc;
use serde_json::{Value, json};

use crate::peer::Peer;

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn has(value: &Value, documented: &[&str]) {
    for field in documented {
        assert!(value.get(field).is_some(), "{field} is not in {:?}", fields(value));
    }
}

fn is_hex(value: &Value, bytes: usize) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 2 * bytes && text.bytes().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
}

#[test]
fn json_has_the_documented_fields() {
    let peer = Peer::nowhere();
    let server = peer.serve(&["--name", "anna"]);
    has(&server.ready, &["event", "peer", "name", "mesh", "listen", "api", "ticket"]);
    assert_eq!((&server.ready["event"], &server.ready["name"]), (&json!("ready"), &json!("anna")));
    assert!(is_hex(&server.ready["peer"], 32));
    let listen = server.ready["listen"][0].as_str().unwrap();
    assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");

    peer.run(&["groups", "create", "rust"]).ok();
    let sent = peer.json(&["send", "rust", "hello"]);
    assert_eq!(fields(&sent[0]), ["id", "stored_on"]);
    assert_eq!(sent[0]["stored_on"], 1);
    peer.run(&["groups", "topic", "rust", "Borrowing"]).ok();

    let rows = peer.json(&["history", "rust"]);
    for row in &rows {
        has(row, &["id", "group", "at", "author", "name", "from", "kind", "body", "late"]);
        let at = row["at"].as_str().unwrap();
        assert!(at.ends_with('Z') && at.as_bytes()[at.len() - 5] == b'.', "{at}");
    }
    let message = rows.iter().find(|row| row["kind"] == "message").unwrap();
    assert!(is_hex(&message["id"], 32) && message["id"] == sent[0]["id"]);
    assert_eq!(message["author"], server.ready["peer"]);
    assert_eq!((&message["name"], &message["from"]), (&json!("anna"), &Value::Null));
    assert_eq!((&message["body"], &message["late"]), (&json!("hello"), &json!(false)));

    let groups = peer.json(&["groups"]);
    has(&groups[0], &["name", "id", "entries", "topic", "joined"]);
    assert_eq!((&groups[0]["topic"], &groups[0]["entries"]), (&json!("Borrowing"), &json!(3)));
    let users = peer.json(&["users", "rust"]);
    has(&users[0], &["key", "name", "joined", "connected"]);
    assert_eq!((&users[0]["joined"], &users[0]["connected"]), (&json!(true), &json!(true)));

    let status = &peer.json(&["status"])[0];
    has(status, &["peer", "mesh", "groups", "links"]);
    has(&status["groups"][0], &["name", "entries", "heads"]);
    assert_eq!(status["links"], json!([]));

    let hits = peer.json(&["search", "hel"]);
    assert_eq!((hits.len(), &hits[0]["id"]), (1, &sent[0]["id"]));
    assert_eq!(hits[0]["after"][0]["kind"], "topic");
    assert_eq!(peer.json(&["name"]), [json!({"name": "anna"})]);
    assert_eq!(peer.json(&["invite"])[0]["ticket"], server.ready["ticket"]);
    server.stop_by("INT");
}

#[test]
fn commands_work_alike_with_and_without_a_running_peer() {
    let peer = Peer::created("anna");
    peer.run(&["send", "rust", "offline"]).ok();
    assert_eq!(peer.bodies("rust"), ["offline"]);
    let server = peer.serve(&[]);
    assert_eq!(peer.bodies("rust"), ["offline"]);
    peer.run(&["send", "rust", "online"]).ok();
    peer.run(&["name", "Anna B."]).ok();
    server.stop();
    assert_eq!(peer.bodies("rust"), ["offline", "online"]);
    assert_eq!(peer.run(&["name"]).ok(), "Anna B.\n");
    assert!(!peer.data.join("api.json").exists());
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_a_stale_announcement_is_ignored() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    peer.run(&["send", "rust", "kept"]).ok();
    server.kill();
    assert!(peer.data.join("api.json").exists());
    assert_eq!(peer.bodies("rust"), ["kept"]);
    peer.serve(&[]).stop();
}

#[test]
fn every_line_of_standard_input_is_a_message() {
    let peer = Peer::created("anna");
    let sent = peer.feed(&["send", "rust", "--json"], "one\r\n\n  two\tTAB\nдва\n".as_bytes()).rows();
    assert_eq!(sent.len(), 3);
    assert_eq!(peer.bodies("rust"), ["one", "  two\tTAB", "два"]);
    let many: String = (0..2500).map(|number| format!("line {number}\n")).collect();
    let said = peer.feed(&["send", "rust"], many.as_bytes()).ok();
    assert_eq!(said, "2500 messages stored on 1 peer: this one\n");
    let bodies = peer.bodies("rust");
    assert_eq!((bodies.len(), bodies[3].as_str(), bodies[2502].as_str()), (2503, "line 0", "line 2499"));
    assert_eq!(peer.feed(&["send", "rust"], b"").ok(), "nothing to send\n");
}

#[test]
fn pages_fit_together_in_both_directions() {
    let peer = Peer::created("anna");
    let lines: String = (0..119).map(|number| format!("{number}\n")).collect();
    peer.feed(&["send", "rust"], lines.as_bytes()).ok();
    let all = peer.json(&["history", "rust", "--all"]);
    assert_eq!(all.len(), 120);
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();

    let newest = peer.json(&["history", "rust"]);
    assert_eq!(newest, all[70..]);
    let middle = peer.json(&["history", "rust", "--before", &id(&newest[0])]);
    assert_eq!(middle, all[20..70]);
    let oldest = peer.json(&["history", "rust", "--before", &id(&middle[0])]);
    assert_eq!(oldest, all[..20]);
    assert!(peer.json(&["history", "rust", "--before", &id(&oldest[0])]).is_empty());
    let forward = peer.json(&["history", "rust", "--after", &id(&oldest[19]), "--limit", "7"]);
    assert_eq!(forward, all[20..27]);
}

#[test]
fn people_read_times_names_and_clean_text() {
    let peer = Peer::created("an\u{202E}na");
    let line = "{\"at\":\"2004-12-25T09:14:00Z\",\"author\":\"irc\\u001b[31m\",\"body\":\"a\\u001b]52;c;eA==\\u0007\\nb\"}";
    let file = peer.file("in.jsonl", line);
    assert_eq!(peer.run(&["import", "rust", &file]).ok(), "imported 1 message\n");
    let shown = peer.run(&["history", "rust"]).ok();
    let expected = "  irc␛[31m (via an‹U+202E›na)  a␛]52;c;eA==␇\n    b\n";
    assert!(shown.contains(expected), "{shown}");
    for args in [&["users"][..], &["search", "b"], &["status"], &["name"], &["history", "rust", "--json"]] {
        let out = peer.run(args).ok();
        assert!(!out.chars().any(|c| c == '\u{202E}' || c.is_control() && c != '\n'), "{args:?}: {out:?}");
    }
}

#[test]
fn an_import_comes_out_again_as_it_went_in() {
    let peer = Peer::created("bridge");
    let message = |number: u32| {
        json!({"at": format!("2004-12-25T09:{:02}:00.000Z", number / 50), "author": format!("nick{}", number % 7),
               "body": format!("said {number} “ü”\nand more")})
    };
    let lines: String = (0..2100).map(|number| format!("{}\n", message(number))).collect();
    let file = peer.file("in.jsonl", lines);
    assert_eq!(peer.run(&["import", "rust", &file, "--json"]).ok(), "{\"imported\":2100}\n");

    let exported = peer.run(&["export", "rust"]).rows();
    assert_eq!(exported, peer.json(&["history", "rust", "--all"]));
    let back: Vec<Value> = exported
        .iter()
        .filter(|row| row["kind"] == "message")
        .map(|row| json!({"at": row["at"], "author": row["from"], "body": row["body"]}))
        .collect();
    assert_eq!(back.len(), 2100);
    assert_eq!(back, (0..2100).map(message).collect::<Vec<_>>());

    // An exported file can be imported into another peer.
    let whole = peer.file("out.jsonl", "");
    peer.run(&["export", "rust", "--output", &whole]).ok();
    let other = Peer::created("other");
    assert_eq!(other.run(&["import", "rust", &whole]).ok(), "imported 2100 messages\n");
    let froms = |peer: &Peer| -> Vec<Value> {
        let rows = peer.json(&["history", "rust", "--all"]);
        rows.iter().filter(|row| row["kind"] == "message").map(|row| row["from"].clone()).collect()
    };
    assert_eq!(froms(&other), froms(&peer));
}

#[test]
fn an_automerge_export_opens_in_automerge() {
    let peer = Peer::created("anna");
    peer.feed(&["send", "rust"], b"first\nlast\n").ok();
    let file = peer.file("rust.automerge", "");
    peer.run(&["export", "rust", "--format", "automerge", "--output", &file]).ok();
    let doc = automerge::Automerge::load(&std::fs::read(&file).unwrap()).unwrap();
    let (_, list) = doc.get(automerge::ROOT, "messages").unwrap().unwrap();
    assert_eq!(doc.length(&list), 3);
    let (_, newest) = doc.get(&list, 0).unwrap().unwrap();
    let (body, _) = doc.get(&newest, "body").unwrap().unwrap();
    assert_eq!(body.as_str(), Some("last"));
}

#[test]
fn groups_are_created_left_and_joined_again() {
    let peer = Peer::created("anna");
    assert!(peer.run(&["groups", "create", "RUST"]).ok().contains("rust"));
    peer.run(&["groups", "create", "go"]).ok();
    let names =
        |args: &[&str]| -> Vec<Value> { peer.json(args).iter().map(|group| group["name"].clone()).collect() };
    assert_eq!(names(&["groups"]), ["go", "rust"]);
    assert_eq!(names(&["groups", "--search", "us"]), ["rust"]);
    peer.run(&["send", "go", "before"]).ok();
    peer.run(&["groups", "leave", "go"]).ok();
    assert_eq!(peer.json(&["groups", "--search", "go"])[0]["joined"], false);
    let refused = peer.run(&["send", "go", "after"]).failed();
    assert!(refused.contains("peer groups join go"), "{refused}");
    assert_eq!(peer.bodies("go"), ["before"]);
    peer.run(&["groups", "join", "go"]).ok();
    peer.run(&["send", "go", "after"]).ok();
    assert_eq!(peer.bodies("go"), ["before", "after"]);
}

#[test]
fn a_ticket_may_come_from_a_file_or_standard_input() {
    let first = Peer::nowhere();
    let server = first.serve(&["--name", "anna"]);
    let by_file = Peer::nowhere();
    let file = by_file.file("ticket", format!("{}\n", server.ticket()));
    by_file.run(&["join", &format!("@{file}")]).ok();
    let by_stdin = Peer::nowhere();
    let joined = by_stdin.feed(&["join", "-", "--json"], server.ticket().as_bytes()).rows();
    assert_eq!(joined[0]["mesh"], server.ready["mesh"]);
    assert_eq!(by_file.json(&["status"])[0]["mesh"], server.ready["mesh"]);
    // Joining with the same ticket again changes nothing.
    by_file.run(&["join", &format!("@{file}")]).ok();
    server.stop();
    // No member is running any more.
    let offline = Peer::nowhere();
    offline.run(&["join", "--offline", &format!("@{file}")]).ok();
    assert_eq!(offline.json(&["status"])[0]["mesh"], joined[0]["mesh"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let peer = Peer::created("anna");
    let lines = format!("{}\n", "x".repeat(1000)).repeat(2000);
    peer.feed(&["send", "rust"], lines.as_bytes()).ok();
    let mut child = peer.command(&["history", "rust", "--all"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("joined"));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
