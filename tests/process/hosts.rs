//! A mesh across separate hosts, each with its own network, on one switch. The kernel disconnects and
//! reconnects the cables; no program simulates the network.
//!
//! Hosts are network namespaces (they need ip(8) of iproute2, and the right to create namespaces).

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::peer::{Done, Running, done};
use crate::support::{Dice, GROUP, common, said, until};

/// Namespaces with one cable each to a switch, also a namespace; the machine's own network is not touched.
struct Lab {
    name: String,
    hosts: Vec<Host>,
}

struct Host {
    namespace: String,
    address: String,
    home: tempfile::TempDir,
    server: Option<Running>,
}

fn ip(args: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn must(args: &[&str]) {
    assert!(ip(args), "ip {}", args.join(" "));
}

impl Lab {
    fn new(hosts: usize) -> Option<Self> {
        let name = format!("peer-test-{}-{}", std::process::id(), Dice::new().below(1 << 20));
        let mut lab = Self { name, hosts: Vec::new() };
        let switch = lab.switch();
        if !ip(&["netns", "add", &switch]) {
            assert!(
                std::env::var_os("PEER_REQUIRE_NETNS").is_none(),
                "there are no namespaces here, and must be"
            );
            eprintln!("SKIPPED: separate hosts need ip(8) and the right to make network namespaces");
            return None;
        }
        must(&["-n", &switch, "link", "add", "switch", "type", "bridge"]);
        must(&["-n", &switch, "link", "set", "switch", "up"]);
        for number in 0..hosts {
            let namespace = format!("{}-{number}", lab.name);
            must(&["netns", "add", &namespace]);
            let address = format!("10.77.0.{}", 1 + number);
            lab.hosts.push(Host {
                namespace: namespace.clone(),
                address: address.clone(),
                home: tempfile::tempdir().unwrap(),
                server: None,
            });
            let port = port(number);
            must(&[
                "-n", &namespace, "link", "add", "cable", "type", "veth", "peer", "name", &port, "netns",
                &switch,
            ]);
            must(&["-n", &switch, "link", "set", &port, "master", "switch", "up"]);
            must(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "cable"]);
            must(&["-n", &namespace, "link", "set", "lo", "up"]);
            must(&["-n", &namespace, "link", "set", "cable", "up"]);
        }
        Some(lab)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    fn pull(&self, host: usize) {
        must(&["-n", &self.switch(), "link", "set", &port(host), "down"]);
    }

    fn plug(&self, host: usize) {
        must(&["-n", &self.switch(), "link", "set", &port(host), "up"]);
    }

    /// Delays or drops what leaves this host, with the arguments of tc(8). False if the kernel cannot.
    fn disturb(&self, host: usize, how: &[&str]) -> bool {
        let root =
            ["netns", "exec", &self.hosts[host].namespace, "tc", "qdisc", "replace", "dev", "cable", "root"];
        ip(&[&root, how].concat())
    }

    /// Stops (or allows again) traffic between these two hosts, while both still reach all others.
    fn part(&self, hosts: [usize; 2], parted: bool) -> bool {
        let state = if parted { "on" } else { "off" };
        let isolate = |host: usize| {
            let port = port(host);
            ip(&["netns", "exec", &self.switch(), "bridge", "link", "set", "dev", &port, "isolated", state])
        };
        hosts.into_iter().all(isolate)
    }

    /// Waits until all show the same rows, and returns them.
    fn converged(&self, what: &str, at_least: usize) -> Vec<Value> {
        let mut rows = Vec::new();
        until(what, || {
            rows = common(&self.hosts[0].history());
            rows.len() >= at_least && self.hosts.iter().all(|host| common(&host.history()) == rows)
        });
        rows
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            host.server = None;
            ip(&["netns", "del", &host.namespace]);
        }
        ip(&["netns", "del", &self.switch()]);
    }
}

fn port(host: usize) -> String {
    format!("port{host}")
}

impl Host {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, env!("CARGO_BIN_EXE_peer"), "--data"]);
        command.arg(self.home.path().join("data")).args(args);
        command.env_remove("RUST_LOG").env_remove("PEER_DATA");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        done(self.command(args).output().unwrap())
    }

    fn serve(&mut self, name: &str, ticket: Option<&str>) -> String {
        let listen = format!("{}:7117", self.address);
        let join = ticket.map(|ticket| ["--join", ticket]);
        let join = join.as_ref().map_or(&[][..], |join| &join[..]);
        let args = [&["serve", "--json", "--listen", &listen, "--name", name], join].concat();
        let mut server = Running::spawn(self.command(&args));
        let ready: Value = serde_json::from_str(&server.line()).unwrap();
        self.server = Some(server);
        ready["ticket"].as_str().unwrap().to_owned()
    }

    fn links(&self) -> usize {
        self.run(&["status", "--json"]).rows()[0]["links"].as_array().unwrap().len()
    }

    fn send(&self, label: &str, count: usize) {
        let lines: Vec<String> = (0..count).map(|number| format!("{label} {number}")).collect();
        let sent = crate::refusals::output_of(self.command(&["send", GROUP]), &lines);
        assert_eq!((sent.code, &*sent.err), (0, ""), "{label}");
    }

    fn history(&self) -> Vec<Value> {
        self.run(&["history", GROUP, "--all", "--json"]).rows()
    }
}

#[test]
fn hosts_that_are_cut_apart_by_the_kernel_agree_again() {
    let Some(mut lab) = Lab::new(3) else { return };
    let ticket = lab.hosts[0].serve("anna", None);
    lab.hosts[0].run(&["groups", "create", GROUP]).ok();
    // The third joins through the second, and learns of the first by itself.
    let ticket = lab.hosts[1].serve("ben", Some(&ticket));
    lab.hosts[2].serve("cid", Some(&ticket));
    for host in &lab.hosts[1..] {
        until("the group is known", || host.run(&["groups"]).out.contains(GROUP));
        host.run(&["groups", "join", GROUP]).ok();
    }
    for host in &lab.hosts {
        until("a full mesh", || host.links() == 2);
    }

    // One cable is disconnected: both sides continue.
    lab.pull(2);
    for number in 0..3 {
        lab.hosts[number].send(&format!("apart {number}"), 40);
    }
    until("those still connected go on", || said(&lab.hosts[0].history(), "apart 1").len() == 40);
    assert!(said(&lab.hosts[0].history(), "apart 2").is_empty(), "the cable is not pulled");
    lab.plug(2);
    let rows = lab.converged("the cut is healed", 120);
    assert_eq!(said(&rows, "apart ").len(), 120);

    // Two hosts do not reach each other; the third relays between them.
    if lab.part([0, 2], true) {
        lab.hosts[0].send("around 0", 20);
        lab.hosts[2].send("around 2", 20);
        let rows = lab.converged("the one in the middle carries it", 160);
        assert_eq!(said(&rows, "around ").len(), 40);
        assert!(lab.part([0, 2], false));
    } else {
        eprintln!("SKIPPED: two hosts apart that a third reaches need bridge(8)");
    }

    // One host receives, but nothing that it sends arrives.
    if lab.disturb(1, &["netem", "loss", "100%"]) {
        for number in 0..3 {
            lab.hosts[number].send(&format!("mute {number}"), 20);
        }
        until("the other two go on", || said(&lab.hosts[0].history(), "mute 2").len() == 20);
        assert!(said(&lab.hosts[0].history(), "mute 1").is_empty(), "it is heard");
        // From now on all hosts are slow and lose packets.
        for host in 0..3 {
            assert!(lab.disturb(host, &["netem", "delay", "40ms", "10ms", "loss", "3%"]));
        }
        for number in 0..3 {
            lab.hosts[number].send(&format!("far {number}"), 20);
        }
        let rows = lab.converged("over slow and lossy cables", 280);
        assert_eq!((said(&rows, "mute ").len(), said(&rows, "far ").len()), (60, 60));
    } else {
        eprintln!("SKIPPED: loss and delay need tc(8) and the kernel's netem");
    }
    for host in &mut lab.hosts {
        let mut server = host.server.take().unwrap();
        server.signal("TERM");
        assert_eq!(server.end(), (0, String::new()));
    }
}
