//! A ticket: all that a newcomer needs to enter a mesh, as one word to copy.
//!
//! It holds the mesh secret, so everybody who sees it can enter. Only `Display` writes it, never `Debug`.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::{MeshId, PeerId};
use crate::identity::{MeshSecret, Secret};
use crate::limits::{ADDRESSES_MAX, TICKET_CHARS_MAX};
use crate::wire::address;
use crate::wire::cursor::{Cursor, CursorError, write_number};

const PREFIX: &str = "peer1";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Why a text is not a valid ticket. No state changes; the text, which may hold the secret, is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The text lacks the prefix of a ticket, or is longer than `TICKET_CHARS_MAX`.
    #[error(
        "this is not a ticket: a ticket is one word that begins with \"{PREFIX}\"; copy it from `peer invite`"
    )]
    NotATicket,
    /// The checksum is wrong, or a field is invalid.
    #[error("the ticket is cut off or mistyped; copy it again as a whole from `peer invite`")]
    Damaged,
    /// The ticket has this later version.
    #[error("the ticket is of version {0}, made by a newer peer; upgrade this one")]
    Newer(u8),
}

/// An invitation to a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The mesh to enter.
    pub mesh: MeshId,
    /// Proves to the peers of the mesh that the newcomer may enter.
    pub secret: MeshSecret,
    /// The inviter's key, against which the connection is checked.
    pub peer: PeerId,
    /// Where the inviter can be dialled, as `host:port`. `Display` writes the first `ADDRESSES_MAX` only.
    pub addresses: Vec<String>,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(Vec::with_capacity(TICKET_CHARS_MAX));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.mesh.0);
        bytes.extend_from_slice(self.secret.0.bytes());
        bytes.extend_from_slice(&self.peer.0);
        let addresses = &self.addresses[..self.addresses.len().min(ADDRESSES_MAX)];
        write_number(&mut bytes, addresses.len() as u64);
        for address in addresses {
            write_number(&mut bytes, address.len() as u64);
            bytes.extend_from_slice(address.as_bytes());
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let mut text = Zeroizing::new(BASE32_NOPAD.encode(&bytes));
        text.make_ascii_lowercase();
        f.write_str(PREFIX)?;
        f.write_str(&text)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        let (prefix, encoded) = text.split_at_checked(PREFIX.len()).ok_or(TicketError::NotATicket)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) || text.len() > TICKET_CHARS_MAX {
            return Err(TicketError::NotATicket);
        }
        let encoded = Zeroizing::new(encoded.to_ascii_uppercase());
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| TicketError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        let (body, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TicketError::Damaged)?;
        if *found != checksum(body) {
            return Err(TicketError::Damaged);
        }
        match body.first() {
            Some(&VERSION) => parse(&body[1..]).map_err(|_| TicketError::Damaged),
            Some(&version) if version > VERSION => Err(TicketError::Newer(version)),
            _ => Err(TicketError::Damaged),
        }
    }
}

fn parse(fields: &[u8]) -> Result<Ticket, CursorError> {
    let mut cursor = Cursor::new(fields);
    let mesh = MeshId(cursor.array()?);
    let secret = MeshSecret(Secret::write(|bytes| {
        cursor.take(bytes.len()).map(|taken| bytes.copy_from_slice(taken))
    })?);
    let peer = PeerId(cursor.array()?);
    let count = cursor.count(ADDRESSES_MAX, 1)?;
    let mut addresses = Vec::with_capacity(count);
    for _ in 0..count {
        let address = std::str::from_utf8(cursor.bytes()?).map_err(|_| CursorError::Limit)?;
        address::check(address).map_err(|_| CursorError::Limit)?;
        addresses.push(address.to_owned());
    }
    if !cursor.is_empty() {
        return Err(CursorError::Limit);
    }
    Ok(Ticket { mesh, secret, peer, addresses })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(bytes));
    [a, b, c, d]
}
