//! Reads a ticket from the arguments, a file or standard input. It is a secret, and a list of processes shows the
//! arguments.

use std::fs::File;
use std::io::{self, Read};

use peer_engine::limits::TICKET_CHARS_MAX;
use zeroize::Zeroizing;

use super::failure::{Failure, Result};
use crate::api::Ticket;

/// `source` is `TICKET`, `@FILE`, or `-` for standard input. Its memory is erased.
pub(super) fn read(source: String) -> Result<Ticket> {
    let source = Zeroizing::new(source);
    if *source == "-" {
        return parse(io::stdin().lock(), "standard input");
    }
    match source.strip_prefix('@') {
        Some(path) => {
            let file =
                File::open(path).map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
            parse(file, path)
        }
        None => Ok(source.parse()?),
    }
}

fn parse(reader: impl Read, name: &str) -> Result<Ticket> {
    // Read up to twice the limit, to notice a text that is too long. Allocate all of it first: a string that grows
    // leaves copies of the secret in memory.
    let mut text = Zeroizing::new(String::with_capacity(2 * TICKET_CHARS_MAX));
    reader
        .take(2 * TICKET_CHARS_MAX as u64)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("cannot read a ticket from {name}: {error}")))?;
    Ok(text.parse()?)
}
