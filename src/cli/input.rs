//! Checks input before it is sent, so that an error can name the line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use super::failure::{Failure, Result};
use crate::text;

/// Reads the lines of a file or of standard input, and limits their length.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    bytes_max: usize,
    number: u64,
}

/// Why the line of this number is refused.
#[derive(Debug)]
pub(super) struct LineError {
    pub number: u64,
    pub reason: LineReason,
}

#[derive(Debug)]
pub(super) enum LineReason {
    TooLong { bytes_max: usize },
    NotUtf8,
    Control(char),
    Unreadable(io::Error),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match &self.reason {
            LineReason::TooLong { bytes_max } => {
                write!(f, "line {number} is too long: at most {bytes_max} bytes go into one")
            }
            LineReason::NotUtf8 => write!(f, "line {number} is not valid UTF-8"),
            LineReason::Control(c) => {
                write!(f, "line {number} has the control character {}", text::code_point(*c))
            }
            LineReason::Unreadable(error) => write!(f, "line {number} cannot be read: {error}"),
        }
    }
}

impl std::error::Error for LineError {}

impl<R: Read> Lines<R> {
    pub fn new(reader: R, bytes_max: usize) -> Self {
        Self { reader: BufReader::new(reader), bytes_max, number: 0 }
    }

    /// The number of the line that was read last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end, or `None` after the last.
    pub fn next(&mut self) -> std::result::Result<Option<String>, LineError> {
        self.number += 1;
        let failed = |reason| LineError { number: self.number, reason };
        let mut line = Vec::new();
        // Two bytes more for the end of the line, which does not count.
        let limit = self.bytes_max as u64 + 2;
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut line);
        if read.map_err(|error| failed(LineReason::Unreadable(error)))? == 0 {
            return Ok(None);
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        if line.len() > self.bytes_max {
            return Err(failed(LineReason::TooLong { bytes_max: self.bytes_max }));
        }
        String::from_utf8(line).map(Some).map_err(|_| failed(LineReason::NotUtf8))
    }
}

/// Refuses a message with control characters, except for line ends and tabs.
pub(super) fn check_message(message: &str) -> Result<()> {
    match text::control_in(message) {
        Some(c) => Err(Failure::new(format!(
            "the message has the control character {}; leave it out",
            text::code_point(c)
        ))),
        None => Ok(()),
    }
}

/// Refuses a name or a topic with control characters.
pub(super) fn check_line(what: &str, value: &str) -> Result<()> {
    match value.chars().find(|c| c.is_control()) {
        Some(c) => Err(Failure::new(format!(
            "the {what} has the control character {}; leave it out",
            text::code_point(c)
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], max: usize) -> (Vec<String>, Option<String>) {
        let mut lines = Lines::new(bytes, max);
        let mut out = Vec::new();
        loop {
            match lines.next() {
                Ok(Some(line)) => out.push(line),
                Ok(None) => return (out, None),
                Err(error) => return (out, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn lines_come_without_their_ends() {
        assert_eq!(all(b"a\r\n\nb\tc\nlast", 10).0, ["a", "", "b\tc", "last"]);
        assert_eq!(all(b"", 10), (Vec::new(), None));
    }

    #[test]
    fn the_bound_is_on_the_text_alone() {
        assert_eq!(all(b"1234\r\n1234\n1234", 4).0, ["1234", "1234", "1234"]);
        let (before, error) = all(b"1\n12345\n1", 4);
        assert_eq!(before, ["1"]);
        assert_eq!(error.unwrap(), "line 2 is too long: at most 4 bytes go into one");
        assert!(all(&[b'x'; 100_000], 4).1.unwrap().starts_with("line 1 is too long"));
    }

    #[test]
    fn bad_utf8_names_its_line() {
        let (before, error) = all(b"ok\n\xff\xfe\nok", 10);
        assert_eq!((before.len(), error.unwrap().as_str()), (1, "line 2 is not valid UTF-8"));
    }

    #[test]
    fn controls_of_ones_own_are_refused_by_name() {
        assert!(check_message("two\nlines\tand a tab").is_ok());
        let refused = check_message("bell\x07").unwrap_err().to_string();
        assert!(refused.contains("U+0007"), "{refused}");
        assert!(check_line("topic", "fine").is_ok());
        assert!(check_line("topic", "a\nb").unwrap_err().to_string().contains("the topic has"));
    }
}
