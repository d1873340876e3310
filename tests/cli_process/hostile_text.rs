//! Text of others that would control a terminal: none of it reaches standard output, standard error or a log
//! unescaped, whether it comes from a peer, a file or an argument.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use peer::api::Ticket;
use peer::transport::{HelloInfo, Transport};
use peer_engine::identity::Identity;
use serde_json::json;

use crate::api::Caller;
use crate::peer::{Peer, Running};

/// Long enough for a slow machine; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets the clipboard and the title, clears the screen, hides what follows, forges a line, reverses the text.
const ATTACK: &str =
    "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]0;t\u{7}\u{9b}2J\u{9d}\u{9c}\u{202e}\u{200b}\u{e0041}\u{2028}\r";
const FORGED: &str = "2026-01-31 14:03  anna  I owe you";
/// The number of combining marks on one letter.
const MARKS: usize = 300;

/// Controls, and characters that reorder or hide text. The list is independent of the code under test.
fn acts(c: char) -> bool {
    matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

fn all_that_act() -> impl Iterator<Item = char> {
    // The last block is large: only its tags, and one of each kind of the rest.
    let large =
        |c: &char| u32::from(*c) < 0xe0080 || matches!(u32::from(*c), 0xe00ff | 0xe0100 | 0xe01ef | 0xe0fff);
    ('\0'..='\u{e0fff}').filter(|c| acts(*c)).filter(large)
}

/// All these characters, none at the end of a text, in texts of at most this size.
fn texts(bytes_max: usize) -> Vec<String> {
    let mut texts = vec!["x".to_owned()];
    for c in all_that_act() {
        if texts.last().unwrap().len() + c.len_utf8() + 1 > bytes_max {
            texts.push("x".to_owned());
        }
        let text = texts.last_mut().unwrap();
        text.extend([c, 'x']);
    }
    texts
}

/// Asserts that only line breaks act, no letter carries many marks, and no line is forged.
#[track_caller]
fn harmless(what: &str, shown: &[u8]) -> String {
    let shown = std::str::from_utf8(shown).expect(what);
    let mut marks = 0;
    for (at, c) in shown.char_indices() {
        assert!(c == '\n' || !acts(c), "{what}: U+{:04X} at {at} of {shown:?}", u32::from(c));
        marks = if ('\u{300}'..='\u{36f}').contains(&c) { marks + 1 } else { 0 };
        assert!(marks < 10, "{what}: {shown:?}");
    }
    assert!(!shown.lines().any(|line| line.starts_with(FORGED)), "{what}: {shown:?}");
    shown.to_owned()
}

/// Runs a command, and returns what it shows.
#[track_caller]
fn run(mut command: Command) -> String {
    let what = format!("{:?}", command.get_args().collect::<Vec<_>>());
    let done = command.env("RUST_LOG", "trace").output().expect("it starts");
    [harmless(&what, &done.stdout), harmless(&what, &done.stderr)].concat()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_hostile_peer_sends_is_shown_as_what_it_is() {
    let (mallory, victim) = (Peer::created("mallory"), Peer::nowhere());
    let server = mallory.serve(&[]);
    let caller = Caller::new(&mallory, &server);
    let ask = |line: &str, body: serde_json::Value| {
        let (status, answer) = caller.ask(line, &body.to_string());
        assert_eq!(status, 200, "{line}: {answer}");
    };
    let marks = format!("Z{}algo", "\u{301}".repeat(MARKS));
    let mut messages: Vec<_> = texts(60_000).into_iter().map(|body| json!({ "body": body })).collect();
    messages.extend(texts(128).into_iter().map(|from| json!({ "body": "relayed", "from": from })));
    messages.push(json!({ "body": format!("find me {ATTACK}{marks}\n{FORGED}"), "from": ATTACK }));
    ask("POST /v1/groups/rust/messages", json!({ "messages": messages }));
    for topic in texts(512) {
        ask("PUT /v1/groups/rust/topic", json!({ "topic": topic }));
    }
    ask("PUT /v1/groups/rust/topic", json!({ "topic": format!("{ATTACK}{FORGED}") }));
    for name in texts(64) {
        ask("PUT /v1/name", json!({ "name": name }));
    }
    ask("PUT /v1/name", json!({ "name": ATTACK }));

    // Everything that the victim logs goes to a file at once.
    let log = victim.data.with_file_name("log");
    let ticket = server.ticket();
    let mut serving =
        victim.command(&["-vvv", "serve", "--listen", "127.0.0.1:0", "--json", "--join", &ticket]);
    serving.env("RUST_LOG", "trace").stderr(File::create(&log).unwrap());
    let mut serving = Running::spawn(serving);
    let ready: serde_json::Value = serde_json::from_str(&serving.line()).unwrap();
    until("the group is known", || victim.json(&["groups"]).iter().any(|group| group["name"] == "rust"));
    victim.run(&["groups", "join", "rust"]).ok();
    until("the history has come", || victim.bodies("rust").iter().any(|body| body.starts_with("find me")));
    until("the name has come", || victim.json(&["users"]).iter().any(|user| user["name"] == ATTACK));

    for (args, shows) in [
        (&["history", "rust", "--all"][..], "␛]52;c;ZXZpbA==␇"),
        (&["history", "rust", "--all", "--json"], "\\u202e"),
        (&["search", "find"], "‹U+202E›"),
        (&["search", "find", "--json"], "\\u009b"),
        (&["groups"], "␛]0;t␇"),
        (&["groups", "--json"], "\\u200b"),
        (&["users"], "‹U+E0041›"),
        (&["users", "rust", "--json"], "\\u2028"),
        (&["status"], "‹U+200B›"),
        (&["status", "--json"], "\\udb40\\udc41"),
        (&["export", "rust"], "\\u001b]52"),
    ] {
        let shown = run(victim.command(args));
        assert!(shown.contains(shows), "{args:?}: {shown:?}");
    }
    let pile = run(victim.command(&["history", "rust", "--limit", "1000"]));
    assert!(pile.contains("294 marks"), "the pile is told");

    let mut follower = Running::spawn(victim.command(&["history", "rust", "--limit", "1", "--follow"]));
    harmless("follow", follower.line().as_bytes());
    ask(
        "POST /v1/groups/rust/messages",
        json!({ "messages": [{ "body": format!("now {ATTACK}"), "from": ATTACK }] }),
    );
    let followed = harmless("follow", follower.line().as_bytes());
    assert!(followed.contains("now ␛]52"), "{followed:?}");
    drop(follower);

    knock(&ready, &ticket);
    until("the log tells of the member", || {
        std::fs::read(&log).unwrap().windows(14).any(|part| part == b"closing a link")
    });
    serving.signal("TERM");
    assert_eq!(serving.end().0, 0);
    let logged = harmless("log", &std::fs::read(&log).unwrap());
    assert!(logged.len() > 10_000, "RUST_LOG=trace says {} bytes", logged.len());
    server.stop();
}

/// Bytes from strangers and members that are not valid frames: no HTTP, hostile HTTP, hostile control frames.
fn knock(ready: &serde_json::Value, ticket: &str) {
    let address = ready["listen"][0].as_str().unwrap();
    let api = ready["api"].as_str().unwrap();
    for address in [address, api] {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET /{ATTACK} HTTP/1.1\r\nHost: {ATTACK}\r\nX-{ATTACK}: {ATTACK}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        // The end of the connection shows that the request has been read.
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    }
    let secret = ticket.parse::<Ticket>().unwrap().secret.clone();
    let peer = serde_json::from_value(ready["peer"].clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (seed, frame) in [
            json!({ "type": "close", "code": 4000, "reason": ATTACK }),
            json!({ "type": ATTACK }),
            json!({ "type": "peers", "peers": [{ "key": "07".repeat(32), "addresses": [format!("{ATTACK}:1")] }] }),
            json!({ "type": "peers", "peers": [{ "key": ATTACK, "addresses": [] }] }),
            json!({ "type": "ping", "nonce": ATTACK }),
        ]
        .into_iter()
        .enumerate()
        {
            let identity = Identity::from_seed(&[seed as u8; 32]);
            let transport = Transport::new(&identity, secret.clone()).unwrap();
            let mut link = transport.dial(address, Some(peer), HelloInfo::default()).await.unwrap();
            link.writer.send([&[0][..], frame.to_string().as_bytes()].concat()).await.unwrap();
            // Not a frame at all: ends the link, even if the frame before it did not.
            link.writer.send(ATTACK.as_bytes().to_vec()).await.unwrap();
            link.writer.flush().await.unwrap();
            while let Ok(Some(_)) = link.reader.next().await {}
        }
    });
}

#[test]
fn what_files_and_arguments_bring_is_shown_as_what_it_is() {
    let peer = Peer::created("anna");
    let evil = format!("{ATTACK}\n{FORGED}");
    let line =
        |at: &str, author: &str, body: &str| json!({ "at": at, "author": author, "body": body }).to_string();
    for (name, content) in [
        ("at.jsonl", line(&evil, "irc", "x")),
        ("author.jsonl", line("2026-01-31T14:03:59.999Z", &evil.repeat(9), "x")),
        ("body.jsonl", line("2026-01-31T14:03:59.999Z", "irc", "")),
        ("noise.jsonl", evil.clone()),
        ("kind.jsonl", format!("{{\"{}\":1}}", ATTACK.replace(|c: char| c.is_ascii_control(), ""))),
    ] {
        let file = peer.file(name, content);
        run(peer.command(&["import", "rust", &file]));
    }
    // Without a line break: an argument's own line break may stay in the usage text.
    let evil = format!("{ATTACK}{FORGED}");
    for args in [
        &["import", "rust", &evil][..],
        &["import", &evil, "x"],
        &["export", "rust", "--output", &evil],
        &["export", "rust", "--output", &format!("/nowhere/{evil}")],
        &["export", &evil],
        &["export", "rust", "--format", &evil],
        &["history", &evil],
        &["history", "rust", "--before", &evil],
        &["history", "rust", "--limit", &evil],
        &["groups", "create", &evil],
        &["groups", "join", &evil],
        &["groups", "topic", "rust", &evil],
        &["groups", "--search", &evil],
        &["users", &evil],
        &["users", "--search", &evil],
        &["send", "rust", &evil],
        &["send", &evil, "x"],
        &["name", &evil],
        &["search", &evil],
        &["search", "x", "--group", &evil],
        &["join", &evil],
        &["join", &format!("@{evil}")],
        &["join", &format!("peer1{evil}")],
        &["serve", "--join", &evil],
        &["serve", "--listen", &evil],
        &["serve", "--advertise", &evil],
        &["serve", "--name", &evil],
        &["serve", "--api", &evil],
        &["--data", &format!("/nowhere/{evil}"), "status"],
        &[&evil],
        &[&format!("--{evil}")],
        &["status", &format!("--{evil}={evil}")],
    ] {
        let mut command = peer.command(args);
        command.current_dir(peer.data.parent().unwrap());
        let shown = run(command);
        assert!(!shown.is_empty() || args[0] == "groups" || args[0] == "users", "{args:?}");
    }
    let log = Command::new(env!("CARGO_BIN_EXE_peer"))
        .arg("status")
        .env("RUST_LOG", &evil)
        .env("PEER_DATA", &evil)
        .output();
    harmless("environment", &log.unwrap().stderr);
}
