//! One peer's data directory, and the processes that run on it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub struct Peer {
    _home: TempDir,
    pub data: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// The single line of standard error that gives the reason.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.err.starts_with("peer: ") && self.err.lines().count() == 1, "{self:?}");
        self.err
    }

    #[track_caller]
    pub fn rows(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl Peer {
    /// A directory for a peer, still empty.
    pub fn nowhere() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        Self { _home: home, data }
    }

    /// A peer that was started once, is stopped, and is in the group `rust`.
    pub fn created(name: &str) -> Self {
        let peer = Self::nowhere();
        peer.serve(&["--name", name]).stop();
        peer.run(&["groups", "create", "rust"]).ok();
        peer
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.data.with_file_name(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        command.arg("--data").arg(&self.data).args(args);
        command.env_remove("RUST_LOG").env_remove("PEER_DATA").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Done {
        done(self.command(args).output().unwrap())
    }

    pub fn feed(&self, args: &[&str], input: &[u8]) -> Done {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A command may end before it has read everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        done(output)
    }

    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        self.run(&[args, &["--json"]].concat()).rows()
    }

    pub fn bodies(&self, group: &str) -> Vec<String> {
        let rows = self.json(&["history", group, "--all"]);
        let messages = rows.iter().filter(|row| row["kind"] == "message");
        messages.map(|row| row["body"].as_str().unwrap().to_owned()).collect()
    }

    /// Starts a server on a free port and waits until it is ready.
    pub fn serve(&self, args: &[&str]) -> Server {
        let args = [&["serve", "--json", "--listen", "127.0.0.1:0"], args].concat();
        let mut running = Running::spawn(self.command(&args));
        let line = running.line();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}: {:?}", running.end()));
        Server { running, ready }
    }
}

pub fn done(output: std::process::Output) -> Done {
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A process that is read line by line. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    #[allow(dead_code, reason = "for tests that look at the process")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line; empty at the end of the output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end; returns its exit code and standard error.
    pub fn end(&mut self) -> (i32, String) {
        let mut err = String::new();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        if let Some(mut stderr) = self.child.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut err).unwrap();
        }
        (code, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Server {
    running: Running,
    pub ready: Value,
}

impl Server {
    pub fn ticket(&self) -> String {
        self.ready["ticket"].as_str().unwrap().to_owned()
    }

    #[allow(dead_code, reason = "for tests that look at the process")]
    pub fn process(&self) -> u32 {
        self.running.id()
    }

    /// Tells it to stop, and asserts that it ends without an error.
    #[track_caller]
    pub fn stop(self) {
        self.stop_by("TERM");
    }

    #[track_caller]
    pub fn stop_by(mut self, signal: &str) {
        self.running.signal(signal);
        assert_eq!(self.running.end(), (0, String::new()));
    }

    pub fn kill(self) {
        drop(self.running);
    }
}
