//! Where a ticket comes from. It is a secret, so it may also come from a file or from standard input, where
//! no list of processes shows it.

use std::fs::File;
use std::io::{self, Read};

use peer_engine::limits::TICKET_CHARS_MAX;
use zeroize::Zeroizing;

use super::failure::{Failure, Result};
use crate::api::Ticket;

/// `TICKET`, `@FILE`, or `-` for standard input. What was typed is erased.
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
    // Twice the limit is enough to see that there is too much. Room for it from the start: what grows leaves
    // copies behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * TICKET_CHARS_MAX));
    reader
        .take(2 * TICKET_CHARS_MAX as u64)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("cannot read a ticket from {name}: {error}")))?;
    Ok(text.parse()?)
}
