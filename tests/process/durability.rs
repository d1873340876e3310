//! `kill -9` at any moment: afterwards everything acknowledged is there, the database opens, and the peer
//! merges again without help.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dice, GROUP, Member, converged, id, said};

/// Set `PEER_KILLS=300` for more.
const KILLS: u64 = 42;
/// The number of kills in one round.
const KILLS_A_ROUND: u64 = 7;

/// A `peer send` with more lines than it can send before the kill, and the ids that it has printed.
struct Sending {
    process: Child,
    acknowledged: Arc<Mutex<Vec<String>>>,
    threads: [JoinHandle<()>; 2],
}

impl Sending {
    fn start(member: &Member, label: String) -> Self {
        let mut process = member
            .command(&["send", GROUP, "--json"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut stdin, stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let feeding = thread::spawn(move || {
            // Writes in pieces, so that there are many commits, until the process ends.
            for number in 0.. {
                let lines: String = (0..7).map(|line| format!("{label} {number}.{line}\n")).collect();
                if stdin.write_all(lines.as_bytes()).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        let acknowledged = Arc::<Mutex<Vec<String>>>::default();
        let ids = acknowledged.clone();
        let reading = thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // The last line may have been cut off by the kill.
                let Ok(row) = serde_json::from_str::<Value>(&line.unwrap()) else { return };
                ids.lock().unwrap().push(id(&row));
            }
        });
        Self { process, acknowledged, threads: [feeding, reading] }
    }

    /// Waits until at least one message has been acknowledged.
    fn under_way(&self) {
        crate::support::until("the first acknowledgement", || !self.acknowledged.lock().unwrap().is_empty());
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    fn end(mut self) -> Vec<String> {
        self.process.wait().unwrap();
        for thread in self.threads {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// Everything that was ever acknowledged, on either side.
struct Promises {
    ids: HashSet<String>,
    kills: u64,
}

impl Promises {
    /// Asserts that the database opens and holds everything acknowledged.
    fn hold(&mut self, member: &Member, what: &str) {
        self.kills += 1;
        let history: HashSet<String> = member.history().iter().map(id).collect();
        let lost = self.ids.iter().filter(|id| !history.contains(*id)).count();
        assert_eq!(lost, 0, "{lost} of {} acknowledged messages are lost after: {what}", self.ids.len());
        crate::failing_disk::sound(member, what);
    }
}

fn wait(dice: &mut Dice, ms_max: u64) {
    thread::sleep(Duration::from_micros(dice.below(ms_max * 1000)));
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill_at_any_moment() {
    let mut dice = Dice::new();
    let mut anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    let mut promises = Promises { ids: HashSet::new(), kills: 0 };
    let kills = std::env::var("PEER_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    for round in 0..kills.div_ceil(KILLS_A_ROUND) {
        // Kills the server while a command sends to it.
        let sending = Sending::start(&anna, format!("a{round}"));
        sending.under_way();
        wait(&mut dice, 150);
        anna.kill();
        promises.ids.extend(sending.end());
        promises.hold(&anna, "sending");

        // Kills the command itself, without a server.
        let mut sending = Sending::start(&anna, format!("b{round}"));
        sending.under_way();
        wait(&mut dice, 150);
        sending.kill();
        promises.ids.extend(sending.end());
        promises.hold(&anna, "sending offline");

        // Kills the server while it starts and dials.
        anna.start();
        wait(&mut dice, 30);
        anna.kill();
        promises.hold(&anna, "a start");

        // Kills the server while another peer sends it many entries.
        let lines: Vec<String> = (0..300).map(|number| format!("c{round} {number}")).collect();
        let of_ben = ben.send_lines(&lines);
        anna.start();
        wait(&mut dice, 120);
        anna.kill();
        promises.hold(&anna, "receiving");

        // Kills the server while it sends many entries to another peer.
        anna.start();
        let sending = Sending::start(&ben, format!("d{round}"));
        sending.under_way();
        wait(&mut dice, 100);
        anna.kill();
        promises.hold(&anna, "both ways");
        anna.start();
        wait(&mut dice, 100);
        let (mut sending, mut more) = (sending, Vec::new());
        sending.kill();
        more.extend(sending.end());

        // Kills the server while it imports.
        let messages = |number: u64| json!({"at": "2004-12-25T09:14:00Z", "author": "x", "body": format!("e{round} {number}")});
        let file = anna.file(
            "in.jsonl",
            (0..20_000).map(|number| format!("{}\n", messages(number))).collect::<String>(),
        );
        let mut import = anna.command(&["import", GROUP, &file]).spawn().unwrap();
        wait(&mut dice, 80);
        anna.kill();
        let _ = import.kill();
        import.wait().unwrap();
        let here = said(&anna.history(), &format!("e{round} ")).len();
        let whole: Vec<String> = (0..here).map(|number| format!("e{round} {number}")).collect();
        assert_eq!(said(&anna.history(), &format!("e{round} ")), whole, "an import has holes");
        promises.hold(&anna, "an import");

        // Kills the server while it saves the group as a document, for which the import was large enough.
        anna.start();
        wait(&mut dice, 250);
        anna.kill();
        promises.hold(&anna, "a snapshot");

        // Both agree again without any command.
        anna.start();
        let rows = converged(&[&anna, &ben]);
        promises.ids.extend(of_ben.into_iter().chain(more));
        let history: HashSet<String> = rows.iter().map(id).collect();
        assert!(promises.ids.is_subset(&history), "something is lost in the merge");
        assert_eq!(said(&rows, &format!("c{round} ")).len(), 300);
    }
    assert!(promises.kills >= kills);
    eprintln!("{} messages survived {} kills", promises.ids.len(), promises.kills);
}

#[test]
fn a_first_start_that_was_killed_is_done_by_the_next() {
    let mut dice = Dice::new();
    let anna = Member::in_group("anna", None);
    let ticket = anna.ticket();
    for _ in 0..12 {
        let mut ben = Member::new("ben");
        let args = ["serve", "--listen", "127.0.0.1:0", "--join", &ticket];
        let mut process = ben.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait(&mut dice, 120);
        process.kill().unwrap();
        process.wait().unwrap();
        ben.start_with(&["--join", &ticket]);
        ben.join();
        converged(&[&anna, &ben]);
        ben.stop();
    }
}
