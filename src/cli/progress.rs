//! Shows the progress of a long command on standard error, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A command that takes less shows no progress.
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
    /// Clears the line, so that the next output begins on an empty one.
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
