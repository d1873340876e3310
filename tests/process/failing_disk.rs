//! Lets the n-th write or flush fail, for any n, as a failing or full disk does. Everything that was
//! acknowledged is there afterwards, the error is one line, and the peer continues or ends cleanly.
//!
//! strace(1) injects the failures. `PEER_FAILING_DISK=all` takes each system call in turn instead of a few.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::peer::{Done, Peer, Running};
use crate::support::{GROUP, Member, converged, id, until};

/// The system calls with which SQLite writes and flushes. Nothing else in the program writes with them.
const FAILURES: [(&str, &str); 3] = [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fsync,fdatasync", "EIO")];

/// How many points are tried for each scenario and failure, unless all are.
const POINTS: usize = 3;
/// How many imports one peer takes before a new peer replaces it.
const IMPORTS_MAX: usize = 3;

fn has_strace() -> bool {
    let trace = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"];
    let works =
        Command::new("strace").args(trace).stderr(Stdio::null()).status().is_ok_and(|done| done.success());
    if !works {
        assert!(std::env::var_os("PEER_REQUIRE_STRACE").is_none(), "strace does not work here, and must");
        eprintln!("SKIPPED: a failing disk needs strace(1), and a system that lets it trace");
    }
    works
}

/// The command under strace, with its calls counted or made to fail.
fn traced(peer: &Peer, options: &[&str], args: &[&str]) -> Command {
    let plain = peer.command(args);
    let mut command = Command::new("strace");
    command
        .args(["--seccomp-bpf", "-f", "-qq"])
        .args(options)
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env_remove("RUST_LOG").env_remove("PEER_DATA");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How many such calls the command makes without a failure.
fn count(peer: &Peer, calls: &str, args: &[&str], input: &str) -> usize {
    let trace = peer.data.with_file_name("trace");
    let options = ["-o", trace.to_str().unwrap(), "-e", &format!("trace={calls}")];
    let done = crate::refusals::output_of(traced(peer, &options, args), &[input.to_owned()]);
    assert_eq!(done.code, 0, "{done:?}");
    std::fs::read_to_string(trace).unwrap().lines().filter(|line| line.contains("= ")).count()
}

fn points(count: usize) -> Vec<usize> {
    assert!(count > 0, "nothing was written");
    match std::env::var("PEER_FAILING_DISK").as_deref() {
        Ok("all") => (1..=count).collect(),
        // The first, the last, and some in between.
        _ => {
            let mut points: Vec<usize> =
                (0..POINTS).map(|point| 1 + point * (count - 1) / (POINTS - 1)).collect();
            points.dedup();
            points
        }
    }
}

fn inject(calls: &str, error: &str, when: &str) -> [String; 6] {
    let inject = format!("inject={calls}:error={error}:when={when}");
    ["-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject].map(str::to_owned)
}

fn run(peer: &Peer, failure: &[String], args: &[&str], input: &str) -> Done {
    let options: Vec<&str> = failure.iter().map(String::as_str).collect();
    crate::refusals::output_of(traced(peer, &options, args), &[input.to_owned()])
}

fn acknowledged(done: &Done) -> HashSet<String> {
    let rows = done.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    rows.filter(|row| row["id"].is_string()).map(|row| id(&row)).collect()
}

/// Asserts that everything acknowledged is there, and that the database is sound.
#[track_caller]
fn kept(peer: &Peer, ids: &HashSet<String>, what: &str) {
    let rows = peer.json(&["history", GROUP, "--all"]);
    let history: HashSet<String> = rows.iter().map(id).collect();
    assert!(ids.is_subset(&history), "{what}: something acknowledged is lost");
    sound(peer, what);
}

#[track_caller]
pub fn sound(peer: &Peer, what: &str) {
    let database = rusqlite::Connection::open(peer.data.join("peer.db")).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{what}");
}

/// Asserts that the error is one line. If the disk keeps failing, one line before it may say that too.
#[track_caller]
fn one_clear_line(done: &Done, what: &str) {
    let mut said = done.err.lines().collect::<Vec<_>>();
    assert!(done.code == 0 || done.code == 1, "{what}: {done:?}");
    let clear = ["the disk is full", "the disk fails", "cannot be written", "cannot open", "cannot use"];
    assert!(said.iter().all(|line| clear.iter().any(|words| line.contains(words))), "{what}: {said:?}");
    let last = said.pop();
    assert_eq!(last.is_some_and(|line| line.starts_with("peer: ")), done.code == 1, "{what}: {done:?}");
    let given_up = said.iter().filter(|line| line.contains("cannot go on")).count();
    assert!(said.len() == given_up && given_up <= 1, "{what}: {done:?}");
}

#[test]
fn sends_and_imports_keep_what_they_acknowledge() {
    if !has_strace() {
        return;
    }
    let lines: String = (0..60).map(|number| format!("{number} {}\n", "x".repeat(300))).collect();
    let message = |number: u64| format!(r#"{{"at":"2004-12-25T09:14:00Z","author":"x","body":"{number}"}}"#);
    let import: String = (0..1200).map(|number| message(number) + "\n").collect();
    let (tried, refused) = std::thread::scope(|scope| {
        let try_all = |(calls, error)| fail_sends_and_imports(calls, error, &lines, &import);
        let trying = FAILURES.map(|failure| scope.spawn(move || try_all(failure)));
        let done = trying.into_iter().map(|trying| trying.join().unwrap());
        done.fold((0, 0), |sum, (tried, refused)| (sum.0 + tried, sum.1 + refused))
    });
    assert!(refused > 0);
    eprintln!(
        "{tried} failures of sends and imports, {refused} of them refused: nothing acknowledged was lost"
    );
}

/// Returns how many failures were tried, and how many commands were refused.
fn fail_sends_and_imports(calls: &str, error: &str, lines: &str, import: &str) -> (usize, i32) {
    let begin = || {
        let peer = Peer::created("anna");
        let file = peer.file("in.jsonl", import);
        (peer, file, 0)
    };
    let (mut peer, mut file, mut imported) = begin();
    let (mut tried, mut refused) = (0, 0);
    for command in ["send", "import"] {
        let counted = args(command, &file);
        for point in points(count(&peer, calls, &counted, lines)) {
            // The call fails once, or from then on.
            for when in [format!("{point}"), format!("{point}+")] {
                // Every check reads everything, so the history must stay short.
                if imported > IMPORTS_MAX {
                    (peer, file, imported) = begin();
                }
                let what = format!("{calls} fails with {error} at {when} of {command}");
                let done = run(&peer, &inject(calls, error, &when), &args(command, &file), lines);
                one_clear_line(&done, &what);
                kept(&peer, &acknowledged(&done), &what);
                tried += 1;
                refused += done.code;
                imported += usize::from(command == "import" && done.code == 0);
                assert!(peer.bodies(GROUP).len() >= 1200 * imported, "{what}: an import is not whole");
            }
        }
    }
    (tried, refused)
}

fn args<'a>(command: &'a str, file: &'a str) -> Vec<&'a str> {
    match command {
        "send" => vec![command, GROUP, "--json"],
        _ => vec![command, GROUP, file, "--json"],
    }
}

#[test]
fn a_first_start_that_fails_is_done_by_the_next() {
    if !has_strace() {
        return;
    }
    let args = ["join", "--offline", "-"];
    let anna = Peer::nowhere();
    let ticket = anna.serve(&[]).ticket();
    let mut tried = 0;
    for (calls, error) in FAILURES {
        for point in points(count(&Peer::nowhere(), calls, &args, &ticket)) {
            for when in [format!("{point}"), format!("{point}+")] {
                let what = format!("{calls} fails with {error} at {when} of a first start");
                let ben = Peer::nowhere();
                one_clear_line(&run(&ben, &inject(calls, error, &when), &args, &ticket), &what);
                let again = ben.feed(&args, ticket.as_bytes());
                assert_eq!((again.code, &*again.err), (0, ""), "{what}");
                sound(&ben, &what);
                tried += 1;
            }
        }
    }
    eprintln!("{tried} failures of a first start, each made good by the next");
}

/// A damaged database stays unchanged until its replacement is complete and on the disk.
#[test]
fn a_salvage_that_fails_is_done_by_the_next_start() {
    if !has_strace() {
        return;
    }
    let peer = Peer::created("anna");
    let lines: Vec<String> = (0..200).map(|number| format!("{number} {}", "x".repeat(300))).collect();
    let ids = acknowledged(&peer.feed(&["send", GROUP, "--json"], lines.join("\n").as_bytes()));
    let file = |name: &str| peer.data.join(name);
    let mut damaged = std::fs::read(file("peer.db")).unwrap();
    // Destroys the schema, but not the contents of the tables.
    damaged[100..4096].fill(0xA5);
    let damage = || {
        for name in ["peer.db-wal", "peer.db.damaged-1", "peer.db.damaged-1-wal"] {
            let _ = std::fs::remove_file(file(name));
        }
        std::fs::write(file("peer.db"), &damaged).unwrap();
    };
    let args = ["history", GROUP, "--all", "--json"];
    let (mut tried, mut refused) = (0, 0);
    for (calls, error) in FAILURES {
        damage();
        for point in points(count(&peer, calls, &args, "")) {
            for when in [format!("{point}"), format!("{point}+")] {
                let what = format!("{calls} fails with {error} at {when} of a salvage");
                damage();
                let done = run(&peer, &inject(calls, error, &when), &args, "");
                let clear = ["disk", "cannot use"].iter().any(|words| done.err.contains(words));
                assert!(done.code == 0 || (done.code == 1 && clear), "{what}: {done:?}");
                assert!(!file("peer.db-making").exists(), "{what}: it is in the way");
                if done.code == 1 && !file("peer.db-whole").exists() && !file("peer.db.damaged-1").exists() {
                    assert!(std::fs::read(file("peer.db")).unwrap() == damaged, "{what}");
                }
                assert!(peer.run(&args).code == 0, "{what}");
                kept(&peer, &ids, &what);
                assert!(std::fs::read(file("peer.db.damaged-1")).unwrap() == damaged, "{what}");
                tried += 1;
                refused += done.code;
            }
        }
    }
    assert!(refused > 0);
    eprintln!("{tried} failures of a salvage, {refused} of them refused: all was there afterwards");
}

/// Pages that the disk cannot read any more are detected, and everything else is carried over.
#[test]
fn a_page_that_cannot_be_read_is_made_good() {
    if !has_strace() {
        return;
    }
    let peer = Peer::created("anna");
    let lines: Vec<String> = (0..200).map(|number| format!("{number} {}", "x".repeat(300))).collect();
    let ids = acknowledged(&peer.feed(&["send", GROUP, "--json"], lines.join("\n").as_bytes()));
    let args = ["history", GROUP, "--all", "--json"];
    let database = peer.data.join("peer.db");
    let mut salvaged = 0;
    // The n-th call of each thread fails.
    for point in [1, 2, 4, 8, 16, 32] {
        let what = format!("the read {point} of the database fails with EIO");
        let inject = inject("pread64", "EIO", &point.to_string());
        let options = [&["-P".to_owned(), database.to_str().unwrap().to_owned()], &inject[..]].concat();
        let done = run(&peer, &options, &args, "");
        let clear = ["disk", "damaged", "stopped"].iter().any(|words| done.err.contains(words));
        assert!(done.code <= 1 && (done.err.is_empty() || clear), "{what}: {done:?}");
        salvaged += usize::from(done.err.contains("kept as peer.db.damaged-"));
        kept(&peer, &ids, &what);
    }
    assert!(salvaged > 0);
}

/// The disk fails under a peer that receives, sends, saves documents, and checkpoints its log.
#[test]
fn a_server_goes_on_after_a_failure() {
    if !has_strace() {
        return;
    }
    let all = std::env::var("PEER_FAILING_DISK").as_deref() == Ok("all");
    let anna = Member::in_group("anna", None);
    let mut ben = Member::in_group("ben", Some(&anna.ticket()));
    converged(&[&anna, &ben]);
    ben.stop();
    let (mut tried, mut refused, mut ids) = (0, 0, HashSet::new());
    for (calls, error) in FAILURES {
        for point in if all { (1..=120).step_by(3).collect() } else { vec![4, 20, 60] } {
            let what = format!("{calls} fails with {error} at {point} and a while after in a server");
            let when = format!("{point}..{}+2", point + 6);
            let options = inject(calls, error, &when);
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let args = ["serve", "--json", "--listen", "127.0.0.1:0", "--name", "ben"];
            // With -D strace detaches itself, so that signals go to the peer and the exit code is the peer's.
            let options = [&["-D"], &options[..]].concat();
            let mut server = Running::spawn(traced(&ben, &options, &args));
            let ready = server.line();
            tried += 1;
            if !ready.contains("ready") {
                let (code, err) = server.end();
                assert_eq!((code, err.lines().count()), (1, 1), "{what}: {err}");
                refused += 1;
                continue;
            }
            let lines: Vec<String> = (0..40).map(|number| format!("{what} {number}")).collect();
            ids.extend(anna.send_lines(&lines));
            // Sends until a send succeeds: a refused send writes nothing, an acknowledged one is kept.
            until(&what, || {
                let done = ben.feed(&["send", GROUP, "--json"], lines.join("\n").as_bytes());
                ids.extend(acknowledged(&done));
                refused += done.code;
                done.code == 0
            });
            until(&what, || ids.is_subset(&acknowledged(&ben.run(&["history", GROUP, "--all", "--json"]))));
            server.signal("TERM");
            let (code, err) = server.end();
            assert!(code == 0 || (code == 1 && err.contains("disk")), "{what}: {code} {err}");
            // The last commit may have failed half-way: then the next start takes the rest of it for damage,
            // and salvages the database with everything that was acknowledged.
            let next = ben.run(&["history", GROUP, "--json"]);
            let salvaged = next.err.lines().all(|line| line.contains("kept as peer.db.damaged-"));
            assert!(next.code == 0 && salvaged, "{what}: {} {}", next.code, next.err);
            kept(&ben, &ids, &what);
        }
    }
    ben.start();
    let history: HashSet<String> = converged(&[&anna, &ben]).iter().map(id).collect();
    assert!(ids.is_subset(&history));
    eprintln!("{tried} failures under a server, {refused} commands refused: {} ids kept", ids.len());
}
