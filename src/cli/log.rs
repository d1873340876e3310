//! Logs to standard error. Log lines may quote other people, so they are cleaned too.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::text;

/// Logs warnings; `-v` adds information, `-vv` debug messages, and `-vvv` traces.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("peer={level}")));
    let started =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Clean).try_init();
    // Only a program that embeds this one can have set up logging before.
    drop(started);
}

/// Standard error. Each event becomes one line without control characters.
struct Clean;

impl Write for Clean {
    /// The subscriber writes one event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full disk or a closed pipe must not stop the peer, so errors are ignored.
        let _ = io::stderr().lock().write_all(clean(bytes).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

fn clean(event: &[u8]) -> String {
    let event = String::from_utf8_lossy(event);
    format!("{}\n", text::line(event.strip_suffix('\n').unwrap_or(&event)))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn an_event_is_one_clean_line() {
        assert_eq!(clean(b"link \x1b[2Jlost\nWARN forged\n"), "link ␛[2Jlost␊WARN forged\n");
        assert_eq!(clean(b"\xff\n"), "\u{FFFD}\n");
    }
}
