//! Standard output: JSON lines for programs, text and tables for people.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::failure::{Failure, Result};
use crate::text;

pub(super) struct Output {
    json: bool,
    zone: TimeZone,
    stdout: BufWriter<Stdout>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json, zone: TimeZone::system(), stdout: BufWriter::new(io::stdout()) }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    pub fn is_terminal(&self) -> bool {
        self.stdout.get_ref().is_terminal()
    }

    /// The time zone in which times are shown.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Prints a line of text, which the caller has cleaned.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdout, "{line}").map_err(|error| Failure::output(&error))
    }

    /// Prints a line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let encoded = encode(value)?;
        self.line(&encoded)
    }

    /// Prints bytes unchanged.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.stdout.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// Writes out what has been printed so far.
    pub fn flush(&mut self) -> Result<()> {
        self.stdout.flush().map_err(|error| Failure::output(&error))
    }

    /// Writes out a secret, and drops the buffer that it was in.
    pub fn flush_secret(&mut self) -> Result<()> {
        self.flush()?;
        self.stdout = BufWriter::new(io::stdout());
        Ok(())
    }

    /// Prints rows of clean text in columns as wide as their widest cells.
    pub fn table<const N: usize>(&mut self, rows: &[[String; N]]) -> Result<()> {
        for line in columns(rows) {
            self.line(&line)?;
        }
        Ok(())
    }
}

/// `value` as one line of JSON. Characters that a terminal would act on are escaped.
pub(super) fn encode(value: &impl Serialize) -> Result<String> {
    Ok(text::json(serde_json::to_string(value)?))
}

/// `1 entry`, `2 entries`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = text::width(cell).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - text::width(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_wide_characters() {
        let rows = [
            ["日本".to_owned(), "a".to_owned()],
            ["rust".to_owned(), String::new()],
            ["go".to_owned(), "b".to_owned()],
        ];
        assert_eq!(columns(&rows), ["日本  a", "rust", "go    b"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            (count(1, "peer", "peers"), count(0, "peer", "peers")),
            ("1 peer".to_owned(), "0 peers".to_owned())
        );
    }
}
