//! A running peer keeps each secret only at the one place of its memory that needs it. It leaves no copies
//! behind: not of the files and the ticket that it has read, of what it has printed, or of requests and
//! answers.
//!
//! The tests search the memory of processes, which Linux lets their owner do if tracing is allowed. If it is
//! not, they are skipped; with `PEER_REQUIRE_MEMORY` they fail.

#[cfg(target_os = "linux")]
mod memory;

#[cfg(not(target_os = "linux"))]
#[test]
fn secrets_stand_only_where_they_are_needed() {
    eprintln!("SKIPPED: only Linux shows a process's memory as a file");
}

#[cfg(target_os = "linux")]
#[test]
fn secrets_stand_only_where_they_are_needed() {
    use std::fs::File;
    use std::process::Stdio;

    use crate::peer::Peer;
    use crate::support::{GROUP, until};

    let [anna, ben, cid] = [Peer::nowhere(), Peer::nowhere(), Peer::nowhere()];
    let (of_anna, ticket) = serve(&anna, &["--name", "anna"], Stdio::null());
    if !memory::is_shown(of_anna.id()) {
        assert!(std::env::var_os("PEER_REQUIRE_MEMORY").is_none(), "memory is not shown here, and must be");
        eprintln!("SKIPPED: the system does not show this test the memory of the processes that it starts");
        return;
    }
    anna.run(&["groups", "create", GROUP]).ok();
    // Tickets come from a file and from standard input: arguments stay in the memory of the process.
    let file = ben.file("ticket", &ticket);
    let (of_ben, _) = serve(&ben, &["--name", "ben", "--join", &format!("@{file}")], Stdio::null());
    let stdin = File::open(&file).unwrap().into();
    let (of_cid, _) = serve(&cid, &["--name", "cid", "--join", "-"], stdin);

    let members = [(&anna, &of_anna), (&ben, &of_ben), (&cid, &of_cid)];
    for (peer, _) in members {
        until("they are linked", || peer.json(&["status"])[0]["links"].as_array().unwrap().len() == 2);
        until("the group is known", || peer.json(&["groups"]).iter().any(|group| group["name"] == GROUP));
        peer.run(&["groups", "join", GROUP]).ok();
        peer.run(&["send", GROUP, "hello"]).ok();
        assert_eq!(peer.run(&["invite"]).ok().len(), peer.run(&["invite", "--json"]).ok().len() - 13);
    }
    for (peer, running) in members {
        until("all is there", || peer.bodies(GROUP).len() == members.len());
        no_more_than_needed(peer, running.id(), &ticket);
    }
}

/// Starts a peer whose output is for people. What it prints holds a ticket.
#[cfg(target_os = "linux")]
fn serve(
    peer: &crate::peer::Peer,
    args: &[&str],
    stdin: std::process::Stdio,
) -> (crate::peer::Running, String) {
    let mut command = peer.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    command.stdin(stdin);
    let mut running = crate::peer::Running::spawn(command);
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "it has ended: {:?}", running.end());
        if let Some(ticket) = line.strip_prefix("ticket") {
            return (running, ticket.trim().to_owned());
        }
    }
}

#[cfg(target_os = "linux")]
fn no_more_than_needed(peer: &crate::peer::Peer, process: u32, ticket: &str) {
    use memory::{key_of_seed, secret_in_ticket};

    let file = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(peer.data.join(name)).unwrap()).unwrap()
    };
    let (secrets, api) = (file("secrets.json"), file("api.json"));
    let [seed, mesh, token] =
        [&secrets["identity"], &secrets["mesh_secret"], &api["token"]].map(|text| text.as_str().unwrap());
    let bytes = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let [scalar, reduced_scalar, prefix] = key_of_seed(&bytes(seed));
    let letters = secret_in_ticket(ticket);
    let allowed = [
        // The engine signs entries with it.
        ("the seed of the key", bytes(seed), 1),
        // TLS proves the peer's identity with it: the same key in the library's form.
        ("the scalar of the key", scalar, 1),
        ("the prefix of the key", prefix, 1),
        // Needed to authenticate new links and to write tickets.
        ("the mesh secret", bytes(mesh), 1),
        // Requests are checked against it.
        ("the token of the API", bytes(token), 1),
        ("the scalar of the key, reduced", reduced_scalar, 0),
        ("the seed as in its file", seed.into(), 0),
        ("the mesh secret as in its file", mesh.into(), 0),
        ("the token as in its file and in requests", token.into(), 0),
        ("the mesh secret as in a ticket", letters.to_owned().into(), 0),
        ("the mesh secret as in a ticket, in capitals", letters.to_uppercase().into(), 0),
    ];
    // The last connections of commands may not have been closed yet.
    let mut found = allowed.each_ref().map(|_| Vec::new());
    let needed = || {
        found = memory::places(process, allowed.each_ref().map(|(_, bytes, _)| &bytes[..]));
        allowed.iter().zip(&found).all(|((_, _, most), places)| places.len() == *most)
    };
    if !crate::support::comes_true(needed) {
        let wrong = allowed.iter().zip(&found).filter(|((_, _, most), places)| places.len() != *most);
        let lines: Vec<_> =
            wrong.map(|((name, _, most), places)| format!("{name}: {most} and not {places:#?}")).collect();
        panic!("{}", lines.join("\n"));
    }
}
