//! What the program refuses, and how it says so: exit code 1 and one line, or exit code 2 and the usage.

use std::net::TcpListener;
use std::process::Command;

use peer::api::Ticket;

use crate::peer::Peer;

#[test]
fn bad_usage_exits_with_2() {
    let peer = Peer::nowhere();
    for args in [
        &["fly"][..],
        &["send"],
        &["history", "no such name"],
        &["history", "rust", "--limit", "many"],
        &["history", "rust", "--before", "abc"],
        &["serve", "--api", "0.0.0.0:0"],
    ] {
        let done = peer.run(args);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{args:?}");
        assert!(!done.err.is_empty());
    }
    let evil = peer.run(&["history", "\x1b]52;c;eA==\x07"]);
    assert!(evil.code == 2 && !evil.err.chars().any(|c| c.is_control() && c != '\n'), "{evil:?}");
    assert!(!peer.data.exists());
}

#[test]
fn without_a_peer_commands_say_how_to_get_one() {
    let peer = Peer::nowhere();
    for args in [&["history", "rust"][..], &["send", "rust", "x"], &["groups"], &["status"], &["invite"]] {
        let refused = peer.run(args).failed();
        assert!(refused.contains("peer serve") && refused.contains("peer join"), "{refused}");
    }
    assert!(!peer.data.exists());
}

#[test]
fn an_unknown_group_suggests_the_nearest() {
    let peer = Peer::created("anna");
    let file = peer.file("in.jsonl", "");
    for args in [
        &["history", "rast"][..],
        &["send", "rast", "x"],
        &["groups", "join", "rast"],
        &["groups", "topic", "rast", "x"],
        &["users", "rast"],
        &["search", "x", "--group", "rast"],
        &["export", "rast"],
        &["import", "rast", &file],
    ] {
        let refused = peer.run(args).failed();
        assert!(refused.contains("rast") && refused.contains("did you mean rust?"), "{args:?}: {refused}");
    }
    let unknown = peer.feed(&["send", "rast"], b"").failed();
    assert!(unknown.contains("did you mean rust?"), "{unknown}");
}

#[test]
fn an_over_long_message_is_refused_with_the_limit() {
    let peer = Peer::created("anna");
    let fits = "x".repeat(65_536);
    let long = format!("{fits}x");
    let refused = peer.run(&["send", "rust", &long]).failed();
    assert!(refused.contains("65536"), "{refused}");
    let refused = peer.feed(&["send", "rust"], format!("{fits}\n{long}\nnever\n").as_bytes()).failed();
    assert!(refused.contains("line 2") && refused.contains("65536"), "{refused}");
    assert!(refused.contains("before it was acknowledged"), "{refused}");
    assert_eq!(peer.bodies("rust"), [fits]);
    for args in [["name", &"n".repeat(65)].as_slice(), &["groups", "topic", "rust", &"t".repeat(513)]] {
        let refused = peer.run(args).failed();
        assert!(refused.contains("64 bytes") || refused.contains("512 bytes"), "{refused}");
    }
}

#[test]
fn bad_bytes_and_controls_in_input_name_their_line() {
    let peer = Peer::created("anna");
    let refused = peer.feed(&["send", "rust"], b"one\ntwo\n\xff\xfe\nfour\n").failed();
    assert!(refused.contains("line 3 is not valid UTF-8"), "{refused}");
    assert!(refused.contains("2 messages before it were acknowledged"), "{refused}");
    let refused = peer.feed(&["send", "rust"], b"three\n\x1b[31mred\n").failed();
    assert!(refused.contains("line 2") && refused.contains("U+001B"), "{refused}");
    assert!(peer.run(&["send", "rust", "bell\x07"]).failed().contains("U+0007"));
    assert!(peer.run(&["groups", "topic", "rust", "a\nb"]).failed().contains("U+000A"));
    assert!(peer.run(&["send", "rust", ""]).failed().contains("empty"));
    assert_eq!(peer.bodies("rust"), ["one", "two", "three"]);
}

#[test]
fn a_bad_line_of_an_import_keeps_what_came_before() {
    let peer = Peer::created("anna");
    let good = r#"{"at":"2004-12-25T09:14:00Z","author":"a","body":"good"}"#;
    for bad in ["{", r#"{"at":"2004-12-25","author":"a","body":"b"}"#, r#"{"author":"a","body":"b"}"#] {
        let file = peer.file("in.jsonl", format!("{good}\n\n{good}\n{bad}\n{good}\n"));
        let refused = peer.run(&["import", "rust", &file]).failed();
        assert!(refused.contains("line 4") && refused.contains("2 messages before"), "{refused}");
    }
    assert_eq!(peer.bodies("rust").len(), 6);
    let refused = peer.run(&["import", "rust", "/no/such/file"]).failed();
    assert!(refused.contains("/no/such/file"), "{refused}");
}

#[test]
fn an_unknown_message_is_named() {
    let peer = Peer::created("anna");
    let id = "07".repeat(32);
    assert!(peer.run(&["history", "rust", "--before", &id]).failed().contains(&id));
}

#[test]
fn a_damaged_database_is_made_anew_and_kept() {
    for damage in [&b"this is no database at all, but some text of which there is a lot more"[..], b""] {
        let peer = Peer::created("anna");
        let mut bytes = std::fs::read(peer.data.join("peer.db")).unwrap();
        if damage.is_empty() {
            // The header stays intact, the pages behind it do not.
            bytes[1024..].fill(0xA5);
        } else {
            bytes = damage.repeat(100);
        }
        std::fs::write(peer.data.join("peer.db"), &bytes).unwrap();
        // The first command, whichever it is, reports the damage in one line and still gets its answer.
        let done = peer.run(&["groups"]);
        assert_eq!((done.code, done.err.lines().count()), (0, 1), "{done:?}");
        assert!(done.err.contains("damaged") && done.err.contains("kept as peer.db.damaged-1"), "{done:?}");
        assert_eq!(std::fs::read(peer.data.join("peer.db.damaged-1")).unwrap(), bytes);
        let status = peer.json(&["status"]).remove(0);
        assert_eq!(status["set_aside"], serde_json::json!(["peer.db.damaged-1"]));
        assert!(peer.run(&["status"]).ok().contains("peer.db.damaged-1"));
        peer.serve(&[]).stop();
        peer.run(&["groups", "create", "rust"]).ok();
    }
}

/// The steps in which a new database replaces a damaged one, interrupted after each.
#[test]
fn a_salvage_that_was_cut_short_is_carried_on_with() {
    for moved in 0..3 {
        let peer = Peer::created("anna");
        peer.run(&["send", "rust", "hello"]).ok();
        let file = |name: &str| peer.data.join(name);
        std::fs::copy(file("peer.db"), file("peer.db-whole")).unwrap();
        std::fs::write(file("peer.db"), b"damaged").unwrap();
        std::fs::write(file("peer.db-wal"), b"log of the damaged").unwrap();
        std::fs::write(file("peer.db-making"), b"of an earlier attempt").unwrap();
        for part in ["-wal", ""].into_iter().take(moved) {
            let aside = file(&format!("peer.db.damaged-1{part}"));
            std::fs::rename(file(&format!("peer.db{part}")), aside).unwrap();
        }
        assert_eq!(peer.bodies("rust"), ["hello"], "{moved} moved");
        assert_eq!(std::fs::read(file("peer.db.damaged-1")).unwrap(), b"damaged");
        assert_eq!(std::fs::read(file("peer.db.damaged-1-wal")).unwrap(), b"log of the damaged");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let user = Command::new("id").arg("-u").output().unwrap();
    if user.stdout == b"0\n" {
        eprintln!("SKIPPED: root may write everywhere");
        return;
    }
    let peer = Peer::created("anna");
    let parent = peer.data.parent().unwrap().to_owned();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for file in std::fs::read_dir(&peer.data).unwrap() {
        allow(&file.unwrap().path(), 0o400);
    }
    allow(&peer.data, 0o500);
    allow(&parent, 0o500);
    let refused = peer.run(&["send", "rust", "x"]);
    let fresh = Command::new(env!("CARGO_BIN_EXE_peer"))
        .arg("--data")
        .arg(parent.join("new"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    allow(&parent, 0o700);
    allow(&peer.data, 0o700);
    let refused = refused.failed();
    assert!(refused.contains("may be written"), "{refused}");
    assert_eq!(fresh.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&fresh.stderr).contains("may be written"), "{fresh:?}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let peer = Peer::created("anna");
    std::fs::set_permissions(&peer.data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = peer.run(&["history", "rust"]).failed();
    assert!(refused.contains("chmod 700"), "{refused}");
}

#[test]
fn a_second_server_is_refused() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let refused = peer.run(&["serve", "--listen", "127.0.0.1:0"]).failed();
    assert!(refused.contains("already running"), "{refused}");
    // The first server is not affected.
    peer.run(&["send", "rust", "still here"]).ok();
    server.stop();
}

#[test]
fn a_directory_that_is_held_without_an_api_is_refused_after_a_while() {
    let peer = Peer::created("anna");
    let server = peer.serve(&["--no-api"]);
    assert_eq!(server.ready["api"], serde_json::Value::Null);
    let refused = peer.run(&["history", "rust"]).failed();
    assert!(refused.contains("does not answer"), "{refused}");
    server.stop();
    peer.run(&["history", "rust"]).ok();
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let peer = Peer::nowhere();
    let refused = peer.run(&["serve", "--listen", &address]).failed();
    assert!(refused.contains(&address) && refused.contains("in use"), "{refused}");
    let refused = peer.run(&["serve", "--listen", "127.0.0.1:0", "--api", &address]).failed();
    assert!(refused.contains(&address) && refused.contains("--no-api"), "{refused}");
    // Neither attempt has left anything that prevents a later one from working.
    peer.serve(&[]).stop();
}

#[test]
fn bad_tickets_create_nothing() {
    let anna = Peer::nowhere();
    let server = anna.serve(&[]);
    let good = server.ticket();
    let mut stranger: Ticket = good.parse().unwrap();
    stranger.secret = peer_engine::identity::MeshSecret(peer_engine::identity::Secret::copy_of(&[7; 32]));
    let mut gone: Ticket = good.parse().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gone.addresses = vec![free.to_string()];
    let mistyped = good.replace("peer1a", "peer1b");
    for (ticket, reason) in [
        ("hello", "not a ticket"),
        (&good[..good.len() - 5], "cut off or mistyped"),
        (mistyped.as_str(), "mistyped"),
        ("@/no/such/file", "/no/such/file"),
        (&stranger.to_string(), "refuses this ticket"),
        (&gone.to_string(), "--offline"),
    ] {
        let ben = Peer::nowhere();
        let refused = ben.run(&["join", ticket]).failed();
        assert!(refused.contains(reason), "{refused}");
        assert!(!refused.contains(&good[10..40]), "the secret is repeated");
        assert!(!ben.data.exists(), "{reason}");
    }
    let refused = Peer::nowhere().run(&["serve", "--join", "hello"]).failed();
    assert!(refused.contains("not a ticket"), "{refused}");
}

#[test]
fn a_directory_of_another_mesh_is_refused() {
    let (anna, ben) = (Peer::nowhere(), Peer::created("ben"));
    let server = anna.serve(&[]);
    for args in [&["join", &server.ticket()][..], &["serve", "--join", &server.ticket()]] {
        let refused = ben.run(args).failed();
        assert!(refused.contains("another mesh") || refused.contains("to another"), "{refused}");
    }
    ben.run(&["history", "rust"]).ok();
}
