//! How far a long command is, on standard error, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A command that is done sooner says nothing.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    verb: &'static str,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// `verb` as in "123 sent".
    pub fn new(verb: &'static str) -> Self {
        let next = io::stderr().is_terminal().then(|| Instant::now() + FIRST);
        Self { verb, next, shown: false }
    }

    pub fn at(&mut self, done: u64) {
        if self.next.is_some_and(|next| Instant::now() >= next) {
            let _ = write!(io::stderr(), "\r{done} {}", self.verb);
            self.next = Some(Instant::now() + EVERY);
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    /// What follows starts on a fresh line.
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
