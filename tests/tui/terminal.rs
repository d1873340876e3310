//! `peer chat` in a real terminal: processes under tmux, their screens, and the bytes that they write.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use peer::tui::terminal::{Terminal, on_panic};
use tempfile::TempDir;

use crate::peer::Peer;

/// Long enough for a slow machine; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Whether tmux is installed. Without it these tests say so and pass, unless `PEER_REQUIRE_TMUX` is set.
fn tmux_is_there() -> bool {
    let there = Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("PEER_REQUIRE_TMUX").is_none(), "tmux is required, and not there");
    if !there {
        eprintln!("SKIPPED: there is no tmux, so nothing was shown about a real terminal");
    }
    there
}

/// A shell in a terminal of its own.
struct Window {
    home: TempDir,
}

impl Window {
    fn new(columns: u16, lines: u16) -> Self {
        let window = Self { home: tempfile::tempdir().unwrap() };
        let size = [columns.to_string(), lines.to_string()];
        window.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size[0],
            "-y",
            &size[1],
            "env PS1=ready: sh",
        ]);
        window.tmux(&["set-option", "-g", "remain-on-exit", "on"]);
        window.until("the shell is there", |screen| screen.contains("ready:"));
        window
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.home.path().join("tmux")).args(args);
        command.env_remove("TMUX").env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command.env("TZ", "UTC").env_remove("NO_COLOR");
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn enter(&self, text: &str) {
        self.write(text);
        self.press("Enter");
    }

    /// Closes the view that shows `text` with Escape, and waits: a key right after Escape would be read as one with
    /// Alt.
    #[track_caller]
    fn closes(&self, text: &str) {
        self.press("Escape");
        self.until("the window behind", |screen| !screen.contains(text));
    }

    #[track_caller]
    fn until(&self, what: &str, condition: impl Fn(&str) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not come:\n{screen}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    #[track_caller]
    fn shows(&self, text: &str) -> Duration {
        self.until(text, |screen| screen.contains(text))
    }

    /// Runs `peer chat` on a peer's directory, with a configuration of the test's own.
    fn chat(&self, peer: &Peer, args: &str) {
        let (binary, data) = (env!("CARGO_BIN_EXE_peer"), peer.data.display());
        let config = self.home.path().display();
        self.enter(&format!(
            "XDG_CONFIG_HOME={config} {binary} --data {data} chat --listen 127.0.0.1:0 {args}"
        ));
    }

    /// The process that runs in the shell.
    fn running(&self) -> String {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", shell.trim()]).output().unwrap();
        String::from_utf8(children.stdout).unwrap().trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.running()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asserts that the shell is back on its own screen, with echo and input by lines.
    #[track_caller]
    fn is_given_back(&self) {
        self.until("the shell is back", |screen| screen.trim_end().ends_with("ready:"));
        let modes = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
        assert_eq!(self.tmux(&["display-message", "-p", modes]).trim(), "0 1 0");
        self.enter("clear; stty -a | tr ' ' '\\n' | grep -c -x -e icanon -e echo -e isig");
        self.until("a count", |screen| screen.lines().any(|line| line == "3"));
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.output(&["kill-server"]);
    }
}

#[test]
fn two_people_talk_part_and_meet_again() {
    if !tmux_is_there() {
        return;
    }
    let (ann, bob) = (Peer::nowhere(), Peer::nowhere());
    let (here, there) = (Window::new(80, 24), Window::new(80, 24));

    // One starts alone, without a data directory.
    here.chat(&ann, "--name ann");
    here.shows("You are in no group yet.");
    here.shows("alone");
    here.enter("/create rust");
    here.shows("ann joined");
    here.enter("anybody there?");
    here.shows("anybody there? ✓1");

    // The other comes in with a ticket that was never on a screen.
    let ticket = ann.data.with_file_name("ticket");
    here.enter(&format!("/invite {}", ticket.display()));
    here.shows("which only you can read");
    there.chat(&bob, &format!("--name bob --join @{}", ticket.display()));
    there.shows("/join GROUP joins one of these: rust");
    there.enter("/join rust");
    there.shows("anybody there?");
    here.shows("1 link, caught up");
    there.enter("I am");
    here.shows("bob │ I am");
    there.shows("I am ✓2");
    here.enter("good 日本 👍");
    there.shows("ann │ good 日本 👍");

    // Other commands work beside it, through the same peer.
    assert!(ann.bodies("rust").contains(&"I am".to_owned()));

    // One leaves. The other sees it and goes on writing.
    there.signal("TERM");
    there.is_given_back();
    here.shows("OFFLINE");
    here.enter("written in a tunnel");
    here.shows("written in a tunnel ✓1");
    there.chat(&bob, "");
    there.shows("written in a tunnel");
    here.shows("written in a tunnel ✓2");

    here.press("C-d");
    here.is_given_back();
}

#[test]
fn it_uses_the_peer_that_runs_and_takes_its_place_when_that_stops() {
    if !tmux_is_there() {
        return;
    }
    let ann = Peer::nowhere();
    let server = ann.serve(&["--name", "ann"]);
    ann.run(&["groups", "create", "rust"]).ok();
    ann.run(&["send", "rust", "from the shell"]).ok();
    let window = Window::new(100, 24);
    window.chat(&ann, "");
    window.shows("from the shell");
    window.enter("/status");
    window.shows("the peer runs on its own");
    window.closes("the peer runs on its own");
    server.stop();
    window.enter("with or without it");
    window.shows("with or without it ✓1");
    window.enter("/status");
    window.shows("this window runs the peer");
    window.closes("this window runs the peer");
    window.enter("/quit");
    window.is_given_back();
    assert_eq!(ann.bodies("rust"), ["from the shell", "with or without it"]);
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    if !tmux_is_there() {
        return;
    }
    let ann = Peer::created("ann");
    for signal in ["INT", "TERM", "HUP"] {
        let window = Window::new(60, 20);
        window.chat(&ann, "");
        window.shows("ann joined");
        window.write("half a mess");
        window.shows("> half a mess");
        window.signal(signal);
        window.is_given_back();
    }
    // After a suspension the screen is as it was.
    let window = Window::new(60, 20);
    window.chat(&ann, "");
    window.shows("ann joined");
    window.write("half a mess");
    window.shows("> half a mess");
    window.press("C-z");
    window.until("the shell is back", |screen| screen.trim_end().ends_with("ready:"));
    window.enter("fg");
    window.shows("> half a mess");
    // A start that fails says why on the restored terminal.
    window.press("C-c");
    window.press("C-d");
    window.is_given_back();
    window.chat(&ann, "--join nonsense");
    window.shows("peer: ");
    window.is_given_back();
}

/// The test runs itself in the window, to panic there.
#[test]
fn a_panic_is_told_on_the_screen_that_was_there() {
    const PANIC: &str = "PEER_TUI_PANIC";
    if std::env::var_os(PANIC).is_some() {
        on_panic(|| {});
        let _terminal = Terminal::take(true).unwrap();
        panic!("an error of ours");
    }
    if !tmux_is_there() {
        return;
    }
    let window = Window::new(100, 30);
    window.enter("echo as it was");
    window.shows("\nas it was");
    let myself = std::env::current_exe().unwrap();
    let name = "terminal::a_panic_is_told_on_the_screen_that_was_there";
    // Without a backtrace, which would scroll the earlier output off the screen.
    window.enter(&format!("{PANIC}=1 RUST_BACKTRACE=0 {} --exact {name} --nocapture", myself.display()));
    let told = |screen: &str| screen.contains("\nas it was") && screen.contains("an error of ours");
    window.until("the panic", told);
    window.is_given_back();
}

#[test]
fn hostile_text_stays_text() {
    if !tmux_is_there() {
        return;
    }
    let ann = Peer::created("ann");
    let server = ann.serve(&[]);
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]0;evil title\u{7}\u{1b}[31m\u{1b}[2J\u{9b}5m\u{202e}end";
    post(&ann, "/v1/groups/rust/messages", &serde_json::json!({ "messages": [{ "body": evil }] }));
    let window = Window::new(80, 24);
    let raw = window.home.path().join("raw");
    window.tmux(&["pipe-pane", &format!("cat > {}", raw.display())]);
    window.chat(&ann, "");
    window.shows("␛]52;c;ZXZpbA==␇");
    window.shows("end");
    let title = window.tmux(&["display-message", "-p", "#{pane_title}"]);
    assert!(!title.contains("evil"), "{title}");
    window.enter("/quit");
    window.is_given_back();
    let bytes = fs::read(raw).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for foreign in ["\u{1b}]", "\u{9b}", "\u{202e}", "\u{1b}[31m", "\u{7}"] {
        assert!(!text.contains(foreign), "{foreign:?} was written");
    }
    server.stop();
}

/// Prints how long the first screen takes with many messages, how much processor time waiting uses, and how fast a key
/// is on the screen while thousands of messages arrive. `PEER_CHAT_MESSAGES` sets the number of messages.
#[test]
fn the_first_screen_is_quick_and_waiting_costs_nothing() {
    if !tmux_is_there() {
        return;
    }
    let count: usize = std::env::var("PEER_CHAT_MESSAGES").map_or(2_000, |count| count.parse().unwrap());
    let ann = Peer::created("ann");
    let server = ann.serve(&[]);
    ann.run(&["import", "rust", &ann.file("many.jsonl", lines("message", count))]).ok();
    let burst = ann.file("burst.jsonl", lines("burst", 5_000.min(count)));
    let window = Window::new(140, 40);
    window.chat(&ann, "");
    let first = window.shows(&format!("message {count}"));
    println!("{count} messages: the newest are on the screen {} ms after Enter", first.as_millis());

    let import = ann.command(&["import", "rust", &burst]).spawn().unwrap();
    let mut written = String::new();
    let mut slowest = Duration::ZERO;
    for c in "keys are on the screen at once".chars().filter(|c| *c != ' ') {
        written.push(c);
        window.write(&c.to_string());
        slowest = slowest.max(window.shows(&format!("> {written}")));
    }
    println!("while {} arrive: a key is on the screen within {} ms", 5_000.min(count), slowest.as_millis());
    assert!(import.wait_with_output().unwrap().status.success());
    window.shows(&format!("burst {}", 5_000.min(count)));
    if let Some(used) = idle(&window.running()) {
        println!("waiting: {used} ms of processor time in 3 s");
    }
    window.press("C-c");
    window.press("C-d");
    window.is_given_back();
    server.stop();
}

fn lines(what: &str, count: usize) -> String {
    let line = |n| {
        let at =
            format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + n / 86_400, n / 3600 % 24, n / 60 % 60, n % 60);
        format!("{{\"at\":\"{at}\",\"author\":\"someone\",\"body\":\"{what} {n}\"}}\n")
    };
    (1..=count).map(line).collect()
}

/// Processor time in milliseconds that a process uses in three seconds of waiting.
#[cfg(target_os = "linux")]
fn idle(process: &str) -> Option<u64> {
    let ticks = || -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    let before = ticks()?;
    // Waiting is what is measured here.
    std::thread::sleep(Duration::from_secs(3));
    Some((ticks()? - before) * 10)
}

#[cfg(not(target_os = "linux"))]
fn idle(_: &str) -> Option<u64> {
    None
}

/// Sends a request that no command would send.
fn post(peer: &Peer, path: &str, body: &serde_json::Value) {
    let found: PathBuf = peer.data.join("api.json");
    let found: serde_json::Value = serde_json::from_slice(&fs::read(found).unwrap()).unwrap();
    let (address, token) = (found["address"].as_str().unwrap(), found["token"].as_str().unwrap());
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
