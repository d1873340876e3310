//! Secrets are not visible to other users: in files, logs, errors, or the list of processes.

use std::path::Path;

use peer::api::Ticket;
use serde_json::Value;

use crate::peer::{Peer, Running};

/// The secrets of a peer: its key's seed, the mesh secret, its tickets, the API's token.
fn secrets(peer: &Peer, ticket: &str) -> Vec<String> {
    let read = |file| serde_json::from_slice::<Value>(&std::fs::read(peer.data.join(file)).unwrap()).unwrap();
    let (stored, api) = (read("secrets.json"), read("api.json"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // Of a ticket, only the part that holds the secret: version and mesh id come before it.
    vec![
        text(&stored["identity"]),
        text(&stored["mesh_secret"]),
        text(&api["token"]),
        ticket[40..80].to_owned(),
    ]
}

#[cfg(unix)]
fn modes(dir: &Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
    });
    entries.collect()
}

/// With a permissive umask, and with a database that had to be salvaged.
#[cfg(unix)]
#[test]
fn every_file_is_its_owners_alone() {
    let peer = Peer::nowhere();
    let unmasked = |args: &[&str]| {
        let plain = peer.command(args);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(plain.get_program()).args(plain.get_args());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        command
    };
    for start in 0..2 {
        let mut server = Running::spawn(unmasked(&["serve", "--json", "--listen", "127.0.0.1:0"]));
        assert!(server.line().contains("ready"));
        if start == 0 {
            assert!(unmasked(&["groups", "create", "rust"]).output().unwrap().status.success());
            assert!(unmasked(&["send", "rust", "hello"]).output().unwrap().status.success());
        }
        let files = modes(&peer.data);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["secrets.json", "api.json", "lock", "peer.db", "peer.db-wal", "peer.db-shm"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert_eq!(names.contains(&"peer.db.damaged-1"), start == 1);
        assert!(files.iter().all(|(_, mode)| *mode == 0o600), "{files:?}");
        let home = modes(peer.data.parent().unwrap());
        assert_eq!(home, [("data".to_owned(), 0o700)]);
        server.signal("TERM");
        server.end();
        let mut bytes = std::fs::read(peer.data.join("peer.db")).unwrap();
        bytes[4096..].iter_mut().step_by(100).for_each(|byte| *byte ^= 0xff);
        std::fs::write(peer.data.join("peer.db"), bytes).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn secrets_that_others_could_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let peer = Peer::created("anna");
    for (file, mode) in [("secrets.json", 0o644), ("secrets.json", 0o620), ("", 0o750), ("", 0o701)] {
        let path = peer.data.join(file);
        let private = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for args in [&["history", "rust"][..], &["serve", "--listen", "127.0.0.1:0"], &["invite"]] {
            let refused = peer.run(args).failed();
            assert!(refused.contains("chmod"), "{file} {mode:o}: {refused}");
        }
        std::fs::set_permissions(&path, private).unwrap();
    }
    peer.run(&["history", "rust"]).ok();
}

#[test]
fn no_log_and_no_error_tells_a_secret() {
    let anna = Peer::nowhere();
    let mut command = anna.command(&["-vvv", "serve", "--json", "--listen", "127.0.0.1:0", "--name", "anna"]);
    let mut server = Running::spawn({
        command.env("RUST_LOG", "trace");
        command
    });
    let ready: Value = serde_json::from_str(&server.line()).unwrap();
    let ticket = ready["ticket"].as_str().unwrap();
    let secrets = secrets(&anna, ticket);
    anna.run(&["groups", "create", "rust"]).ok();
    anna.run(&["send", "rust", "hello"]).ok();
    // A newcomer, a stranger, and a peer with a truncated ticket.
    let ben = Peer::nowhere();
    let logged = |peer: &Peer, args: &[&str], input: &str| {
        let mut child =
            peer.command(args).env("RUST_LOG", "trace").stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
    };
    let mut said = logged(&ben, &["join", "-"], ticket);
    said += &logged(&ben, &["status"], "");
    let mut stranger: Ticket = ticket.parse().unwrap();
    stranger.secret = peer_engine::identity::MeshSecret(peer_engine::identity::Secret::copy_of(&[7; 32]));
    said += &logged(&Peer::nowhere(), &["join", "-"], &stranger.to_string());
    said += &logged(&Peer::nowhere(), &["join", "-"], &ticket[..ticket.len() - 9]);
    said += &logged(&Peer::nowhere(), &["serve", "--join", "-"], &ticket.replace("peer1", "peer2"));
    server.signal("TERM");
    said += &server.end().1;
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "nothing was logged: {said}");
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()), "{secret} is in: {said}");
    }
}

/// The list of processes shows arguments to every user of the machine.
#[test]
fn a_ticket_need_not_be_an_argument() {
    let anna = Peer::nowhere();
    let server = anna.serve(&[]);
    let ticket = server.ticket();
    let file = anna.file("ticket", format!("{ticket}\n"));
    for (args, input) in [(["join", "-"], ticket.as_str()), (["join", &format!("@{file}")], "")] {
        let ben = Peer::nowhere();
        let done = ben.feed(&args, input.as_bytes());
        assert_eq!((done.code, done.err.as_str()), (0, ""));
    }
    let ben = Peer::nowhere();
    ben.serve(&["--join", &format!("@{file}")]).stop();
    // Input that is too long or is not text is refused too.
    let endless = "x".repeat(1 << 20);
    assert!(Peer::nowhere().feed(&["join", "-"], endless.as_bytes()).failed().contains("not a ticket"));
    assert!(Peer::nowhere().feed(&["join", "-"], b"\xff\xfe").failed().contains("standard input"));
    server.stop();
}
