//! Members of a mesh, each a process with a data directory, and a proxy in front of it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Peer, Server};
use crate::proxy::Proxy;

/// Long enough for a slow machine; only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The group of all tests.
pub const GROUP: &str = "rust";

pub struct Member {
    peer: Peer,
    pub proxy: Proxy,
    name: String,
    server: Option<Server>,
}

impl Deref for Member {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl Member {
    pub fn new(name: &str) -> Self {
        Self { peer: Peer::nowhere(), proxy: Proxy::new(), name: name.to_owned(), server: None }
    }

    /// A running member, of the mesh of `ticket` or of a new one.
    pub fn started(name: &str, ticket: Option<&str>) -> Self {
        let mut member = Self::new(name);
        member.start_with(ticket.map(|ticket| ["--join", ticket]).as_ref().map_or(&[], |args| args));
        member
    }

    /// A running member that has created the group, or joined it as soon as it heard of it.
    pub fn in_group(name: &str, ticket: Option<&str>) -> Self {
        let member = Self::started(name, ticket);
        match ticket {
            Some(_) => member.join(),
            None => drop(member.run(&["groups", "create", GROUP]).ok()),
        }
        member
    }

    pub fn join(&self) {
        until("the group is known", || self.json(&["groups"]).iter().any(|group| group["name"] == GROUP));
        self.run(&["groups", "join", GROUP]).ok();
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    pub fn start_with(&mut self, args: &[&str]) {
        assert!(self.server.is_none(), "it runs");
        let address = self.proxy.address.to_string();
        let server = self.peer.serve(&[&["--advertise", &address, "--name", &self.name], args].concat());
        self.proxy.forward_to(server.ready["listen"][0].as_str().unwrap().parse().unwrap());
        self.server = Some(server);
    }

    #[track_caller]
    pub fn stop(&mut self) {
        self.server.take().expect("it runs").stop();
    }

    /// Kills the process at once, as a power cut would.
    pub fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    pub fn ticket(&self) -> String {
        self.server.as_ref().expect("it runs").ticket()
    }

    pub fn key(&self) -> &str {
        self.server.as_ref().expect("it runs").ready["peer"].as_str().unwrap()
    }

    /// The address where it actually listens, behind its proxy.
    #[allow(dead_code, reason = "for tests that do not cut wires")]
    pub fn listens_on(&self) -> String {
        self.server.as_ref().expect("it runs").ready["listen"][0].as_str().unwrap().to_owned()
    }

    #[allow(dead_code, reason = "for tests that look at the process")]
    pub fn process(&self) -> u32 {
        self.server.as_ref().expect("it runs").process()
    }

    pub fn status(&self) -> Value {
        self.json(&["status"]).swap_remove(0)
    }

    /// The keys at the other ends of its links; a key with two links occurs twice.
    pub fn links(&self) -> Vec<String> {
        let status = self.status();
        let links = status["links"].as_array().unwrap();
        links.iter().map(|link| link["peer"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends each of `bodies` as a message; returns the ids that were acknowledged.
    pub fn send_lines(&self, bodies: &[String]) -> Vec<String> {
        let sent = self.feed(&["send", GROUP, "--json"], bodies.join("\n").as_bytes()).rows();
        sent.iter().map(id).collect()
    }

    /// Sends a message, and asserts that this many peers store it.
    #[allow(dead_code, reason = "for tests of whole meshes")]
    pub fn sends_to_all(&self, text: &str, peers: u64) {
        let sent = id(&self.json(&["send", GROUP, text])[0]);
        until("it is on all disks", || {
            let rows = self.json(&["history", GROUP, "--limit", "10"]);
            rows.iter().any(|row| id(row) == sent && row["stored_on"] == peers)
        });
    }

    /// All rows, oldest first.
    pub fn history(&self) -> Vec<Value> {
        self.json(&["history", GROUP, "--all"])
    }
}

pub fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

pub fn body(row: &Value) -> &str {
    row["body"].as_str().unwrap()
}

/// The part of each row that every peer must show alike: without what depends on the local arrival.
pub fn common(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let fields = row.as_object_mut().unwrap();
        for local in ["late", "arrival", "name", "mention", "stored_on"] {
            fields.remove(local);
        }
    }
    rows
}

/// Waits until the condition holds; panics if it does not in time.
#[track_caller]
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    wait(holds, || what.to_owned());
}

#[track_caller]
fn wait(holds: impl FnMut() -> bool, failure: impl Fn() -> String) {
    assert!(comes_true(holds), "not within {PATIENCE:?}: {}", failure());
}

/// Waits for the condition; returns whether it held in time.
pub fn comes_true(mut holds: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() >= give_up {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    true
}

/// The status of each member, to explain a failure.
fn statuses(members: &[&Member]) -> String {
    let status =
        |member: &&Member| format!("\n{} at {}: {}", member.name, member.proxy.address, member.status());
    members.iter().map(status).collect()
}

/// Waits until each member has exactly one link with each other member.
#[track_caller]
pub fn full_mesh(members: &[&Member]) {
    for member in members {
        let others: BTreeSet<String> =
            members.iter().filter(|other| other.key() != member.key()).map(|m| m.key().to_owned()).collect();
        let linked = || {
            let links = member.links();
            links.len() == others.len() && BTreeSet::from_iter(links) == others
        };
        wait(linked, || format!("{} is linked with all others{}", member.name, statuses(members)));
    }
}

/// Waits until all members have the same heads and no orphans, then compares what they show.
#[track_caller]
pub fn converged(members: &[&Member]) -> Vec<Value> {
    let level = || {
        let group = |member: &&Member| {
            let status = member.status();
            let mut groups = status["groups"].as_array().unwrap().iter();
            let group = groups.find(|group| group["name"] == GROUP)?;
            let heads: BTreeSet<&str> =
                group["heads"].as_array().unwrap().iter().map(|head| head.as_str().unwrap()).collect();
            (group["waiting"] == 0).then(|| format!("{} {heads:?}", group["entries"]))
        };
        let states: Vec<_> = members.iter().map(group).collect();
        states[0].is_some() && states.iter().all(|state| *state == states[0])
    };
    wait(level, || format!("all have the same heads{}", statuses(members)));
    let first = members[0].history();
    for member in &members[1..] {
        assert!(common(&member.history()) == common(&first), "the same heads, and another history");
    }
    first
}

/// The bodies of these rows' messages that begin with `prefix`.
pub fn said<'a>(rows: &'a [Value], prefix: &str) -> Vec<&'a str> {
    let messages = rows.iter().filter(|row| row["kind"] == "message");
    messages.map(body).filter(|body| body.starts_with(prefix)).collect()
}

/// Reproducible pseudo-random numbers.
pub struct Dice(u64);

impl Dice {
    /// Seeded with `PEER_SEED`, or else with the clock; prints the seed.
    pub fn new() -> Self {
        let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let seed = std::env::var("PEER_SEED").map_or(u64::from(clock), |seed| seed.parse().unwrap());
        eprintln!("PEER_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}
