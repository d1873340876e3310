//! Failures around a peer: tickets that nobody accepts, full disks, damaged files. The peer reports each in
//! one line, and loses nothing.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use peer::api::Ticket;
use serde_json::Value;
use tempfile::TempDir;

use crate::peer::{Done, Peer, Running};
use crate::support::{Dice, GROUP, Member, body, converged, id, said, until};

#[test]
fn a_first_start_with_a_ticket_that_nobody_takes_creates_nothing() {
    let anna = Member::started("anna", None);
    let good: Ticket = anna.ticket().parse().unwrap();
    let mut stranger = good.clone();
    stranger.secret = peer_engine::identity::MeshSecret(peer_engine::identity::Secret::copy_of(&[7; 32]));
    let mut somebody_else = good.clone();
    somebody_else.peer.0[7] ^= 1;
    let mut gone = good.clone();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gone.addresses = vec![free.to_string()];
    let text = good.to_string();
    let serve = |tickets: &[&str]| {
        let ben = Peer::nowhere();
        let joins: Vec<&str> = tickets.iter().flat_map(|ticket| ["--join", ticket]).collect();
        let refused = ben.run(&[&["serve", "--listen", "127.0.0.1:0"], &joins[..]].concat()).failed();
        assert!(!ben.data.exists(), "{refused}");
        assert!(!refused.contains(&text[10..40]), "the secret is repeated");
        refused
    };
    assert!(serve(&[&stranger.to_string()]).contains("refuses this ticket"));
    let another = serve(&[&somebody_else.to_string()]);
    assert!(another.contains("another peer answers there"), "{another}");
    let unreachable = serve(&[&gone.to_string()]);
    assert!(unreachable.contains(&free.to_string()) && unreachable.contains("--offline"), "{unreachable}");
    assert!(serve(&[&text[..text.len() / 2]]).contains("cut off or mistyped"));
    assert!(serve(&[&stranger.to_string(), &gone.to_string()]).contains("refuses this ticket"));
    // One good ticket is enough. Peers that only tried a ticket are not remembered.
    let ben = Peer::nowhere();
    let server = ben.serve(&["--join", &gone.to_string(), "--join", &text]);
    until("ben is linked", || anna.links() == [server.ready["peer"].as_str().unwrap()]);
    let status = anna.status();
    assert_eq!(status["unreachable"], serde_json::json!([]));
    server.stop();
}

#[test]
fn a_peer_that_was_started_before_needs_nobody() {
    let mut anna = Member::in_group("anna", None);
    let mut ben = Member::in_group("ben", Some(&anna.ticket()));
    let ticket = anna.ticket();
    converged(&[&anna, &ben]);
    anna.stop();
    ben.stop();
    // The same command line as at first, as a service manager would use it.
    ben.start_with(&["--join", &ticket]);
    ben.run(&["send", GROUP, "alone"]).ok();
    anna.start();
    assert_eq!(said(&converged(&[&anna, &ben]), ""), ["alone"]);
}

/// A peer on a small disk of its own, which is unmounted when this is dropped.
struct SmallDisk {
    /// The disk is mounted in the mount namespace of this process, and commands are run inside it.
    holder: Child,
    home: TempDir,
}

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let script = r#"mount -t tmpfs -o "size=$2,mode=700" tmpfs "$1" && echo mounted && exec cat"#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).arg(home.path()).arg(size);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut holder) = spawned else { return None };
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let disk = Self { holder, home };
        (line == "mounted\n").then_some(disk)
    }

    fn grow(&self, size: &str) {
        let mut command = self.command("mount");
        let grown = command.args(["-o", &format!("remount,size={size}")]).arg(self.home.path()).status();
        assert!(grown.unwrap().success());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(self.holder.id().to_string()).arg(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn peer(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_peer"));
        command.arg("--data").arg(self.home.path().join("data")).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        self.feed(args, &[])
    }

    fn feed(&self, args: &[&str], lines: &[String]) -> Done {
        output_of(self.peer(args), lines)
    }

    fn history(&self) -> Vec<Value> {
        self.run(&["history", GROUP, "--all", "--json"]).rows()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

pub fn output_of(mut command: Command, lines: &[String]) -> Done {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), lines.join("\n"));
    // The command may end before it has read everything.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn acknowledged(done: &Done) -> Vec<String> {
    done.out.lines().map(|line| id(&serde_json::from_str(line).unwrap())).collect()
}

#[test]
fn a_full_disk_refuses_and_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::new("6m") else {
        eprintln!("SKIPPED: a small disk needs unshare(1) and the right to mount");
        return;
    };
    let anna = Member::in_group("anna", None);
    let ticket = anna.ticket();
    let serve =
        disk.peer(&["serve", "--json", "--listen", "127.0.0.1:0", "--name", "ben", "--join", &ticket]);
    let mut server = Running::spawn(serve);
    let ready = server.line();
    assert!(ready.contains("ready"), "{ready}{:?}", server.end());
    until("ben has heard of the group", || !disk.run(&["groups", "--json"]).rows().is_empty());
    disk.run(&["groups", "join", GROUP]).ok();

    let lines: Vec<String> = (0..200).map(|number| format!("{number} {}", "x".repeat(2000))).collect();
    let mut sent = HashSet::new();
    let refused = loop {
        let done = disk.feed(&["send", GROUP, "--json"], &lines);
        sent.extend(acknowledged(&done));
        if done.code != 0 {
            break done.failed();
        }
        assert!(sent.len() < 10_000, "the disk does not get full");
    };
    assert!(refused.contains("disk is full") && sent.len() >= 200, "{refused}");
    let kept = || {
        let history: HashSet<String> = disk.history().iter().map(id).collect();
        assert!(sent.is_subset(&history), "something acknowledged is lost");
    };
    kept();

    // There is no space for what others write either.
    let big: Vec<String> =
        (0..20).map(|number| format!("for later {number} {}", "y".repeat(60_000))).collect();
    assert_eq!(anna.send_lines(&big).len(), 20);
    let refused = disk.run(&["send", GROUP, &"z".repeat(60_000)]).failed();
    assert!(refused.contains("disk is full"), "{refused}");
    kept();

    // It arrives without help as soon as there is space.
    disk.grow("64m");
    until("what others wrote is here", || said(&disk.history(), "for later").len() == 20);
    disk.run(&["send", GROUP, "room at last"]).ok();
    until("others have it", || said(&anna.history(), "room at last").len() == 1);
    kept();
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_file_that_may_not_grow_refuses_and_keeps_what_it_has() {
    let peer = Peer::created("anna");
    let lines: Vec<String> = (0..2000).map(|number| format!("{number} {}", "x".repeat(500))).collect();
    // About twice the size of the database; the shell's unit is 512 or 1024 bytes.
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$@\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, "sh", env!("CARGO_BIN_EXE_peer"), "--data"]).arg(&peer.data);
    limited.args(["send", GROUP, "--json"]);
    let done = output_of(limited, &lines);
    let sent = acknowledged(&done);
    let refused = done.failed();
    assert!(refused.contains("nothing was saved") && refused.contains("free space"), "{refused}");
    let history: HashSet<String> = peer.json(&["history", GROUP, "--all"]).iter().map(id).collect();
    assert!(sent.iter().all(|id| history.contains(id)));
    // Without the limit the same directory works again.
    peer.feed(&["send", GROUP], lines.join("\n").as_bytes()).ok();
    assert!(peer.bodies(GROUP).len() >= 2000);
}

/// The same damage met by every face: commands find it, salvage, and say so in one line.
#[test]
fn whatever_page_is_damaged_nothing_wrong_is_shown() {
    const PAGE: usize = 4096;
    let mut dice = Dice::new();
    let peer = Peer::created("anna");
    let lines: Vec<String> = (0..3000).map(|number| format!("{number} said")).collect();
    let sent = peer.feed(&["send", GROUP, "--json"], lines.join("\n").as_bytes()).rows();
    let database = peer.data.join("peer.db");
    let sound = std::fs::read(&database).unwrap();
    let expected: Vec<(String, &str)> = sent.iter().map(id).zip(lines.iter().map(String::as_str)).collect();
    let expected: HashSet<(String, &str)> = expected.into_iter().collect();
    let (mut salvaged, mut shown) = (0, 0);
    for _ in 0..12 {
        let mut bytes = sound.clone();
        let page = 1 + usize::try_from(dice.below((sound.len() / PAGE) as u64 - 1)).unwrap();
        let (from, length) = (dice.below(PAGE as u64 / 2) as usize, 1 + dice.below(PAGE as u64 / 2) as usize);
        for byte in &mut bytes[page * PAGE + from..][..length] {
            *byte ^= 0x5A;
        }
        std::fs::write(&database, &bytes).unwrap();
        let done = peer.run(&["history", GROUP, "--all", "--json"]);
        assert_eq!(done.code, 0, "page {page}: {done:?}");
        let aside = peer.data.join("peer.db.damaged-1");
        if aside.exists() {
            salvaged += 1;
            assert!(done.err.contains("kept as peer.db.damaged-1"), "page {page}: {:?}", done.err);
            assert_eq!(std::fs::read(&aside).unwrap(), bytes, "the damaged one is kept as it was");
            std::fs::remove_file(aside).unwrap();
        }
        for line in done.out.lines() {
            let row = serde_json::from_str::<Value>(line).unwrap();
            let said = row["kind"] != "message" || expected.contains(&(id(&row), body(&row)));
            assert!(said, "page {page}: {row} was never said");
            shown += 1;
        }
    }
    eprintln!(
        "of 12 damaged pages {salvaged} needed a salvage; {} of 3001 rows shown on average",
        shown / 12
    );
    std::fs::write(&database, &sound[..sound.len() / 2]).unwrap();
    let cut = peer.run(&["history", GROUP, "--all"]);
    assert!(cut.code == 0 && cut.err.contains("damaged") && cut.out.lines().count() > 500, "{:?}", cut.err);
    std::fs::write(&database, &sound).unwrap();
    assert_eq!(peer.bodies(GROUP), lines);
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let peer = Peer::created("anna");
    let home = peer.data.parent().unwrap().to_owned();
    if std::fs::metadata(&home).unwrap().uid() != 0 {
        eprintln!("SKIPPED: tests/cli_process has the same for other users than root");
        return;
    }
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for entry in std::fs::read_dir(&peer.data).unwrap() {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(&peer.data, Some(NOBODY), Some(NOBODY)).unwrap();
    mode(&home, 0o755);
    mode(&peer.data, 0o500);
    let fresh = home.join("new");
    let data = peer.data.display().to_string();
    for (data, args) in [
        (data.as_str(), &["send", GROUP, "x"][..]),
        (&data, &["history", GROUP]),
        (&data, &["serve", "--listen", "127.0.0.1:0"]),
        (fresh.to_str().unwrap(), &["serve", "--listen", "127.0.0.1:0"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        let Ok(output) = command.args(["--data", data]).args(args).uid(NOBODY).gid(NOBODY).output() else {
            eprintln!("SKIPPED: the program is not where everybody may run it");
            return;
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{args:?}: {said}");
        assert!(said.contains(&*home.to_string_lossy()) || said.contains("permissions"), "{args:?}: {said}");
    }
    mode(&peer.data, 0o700);
    assert!(peer.bodies(GROUP).is_empty() && !fresh.exists());
}
