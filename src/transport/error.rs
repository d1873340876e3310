//! What can go wrong between two peers, in words for the user.

use std::io;

use peer_engine::id::PeerId;
use peer_engine::limits::FRAME_BYTES_MAX;
use peer_engine::wire::{CloseCode, PROTOCOL};

/// Why a connection was not made, or has ended. The transport keeps no other state, so only the connection
/// has changed; the texts repeat nothing that the other side sent, and no secret.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("TLS cannot be set up with this peer's key: {0}")]
    Setup(#[from] rustls::Error),
    #[error("{address} is in use by another program; stop that one, or listen on another port")]
    AddressInUse { address: std::net::SocketAddr },
    #[error("cannot listen on {address}: {source}; listen on an address of this machine")]
    Bind { address: std::net::SocketAddr, source: io::Error },
    #[error(transparent)]
    Address(#[from] peer_engine::wire::address::AddressError),
    #[error(
        "cannot reach {address}: {source}; check that the peer runs there and that nothing blocks the port"
    )]
    Unreachable { address: String, source: io::Error },
    /// The other side closed the connection because of our proof.
    #[error(
        "the peer refused this one: the mesh secret is wrong or has been changed; ask a member for a new ticket"
    )]
    Refused,
    /// The other side's proof is wrong, or belongs to another connection.
    #[error(
        "the other side does not prove that it knows the mesh secret; if it is a member, it needs a new ticket"
    )]
    Stranger,
    #[error(
        "another peer answers there: expected {expected}, found {found}; ask for a new ticket or address"
    )]
    WrongKey { expected: PeerId, found: PeerId },
    #[error("that address leads to this peer itself, or to a copy of its data directory; dial another peer")]
    Myself,
    #[error("the other side did not complete the handshake in time; try again later")]
    TimedOut,
    #[error("the other side speaks {} of the protocol, and this peer version {PROTOCOL}; upgrade the older one", version(.theirs))]
    Version { theirs: Option<u32> },
    #[error("the other side breaks the protocol: {0}; check that a peer runs there, of the same version")]
    Protocol(&'static str),
    #[error("a frame is longer than {FRAME_BYTES_MAX} bytes; check that both peers are of the same version")]
    TooLarge,
    /// The other side said why it closes the link.
    #[error("the other side closed the link: {code}")]
    Closed { code: CloseCode },
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
}

impl TransportError {
    /// The code with which to close a link that failed with this error.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Refused | Self::Stranger | Self::WrongKey { .. } => CloseCode::Refused,
            Self::Version { .. } => CloseCode::Version,
            Self::Myself => CloseCode::Myself,
            Self::TimedOut => CloseCode::Silent,
            Self::TooLarge => CloseCode::TooLarge,
            Self::Protocol(_) => CloseCode::Protocol,
            Self::Closed { .. } | Self::Broken(_) => CloseCode::Leaving,
            Self::Setup(_)
            | Self::AddressInUse { .. }
            | Self::Bind { .. }
            | Self::Address(_)
            | Self::Unreachable { .. } => CloseCode::Fault,
        }
    }

    /// The meaning of the code with which the other side closed the connection.
    pub(super) fn closed(number: Option<u16>) -> Self {
        match number.and_then(CloseCode::from_number) {
            Some(CloseCode::Refused) => Self::Refused,
            Some(CloseCode::Version) => Self::Version { theirs: None },
            Some(CloseCode::Myself) => Self::Myself,
            Some(code) => Self::Closed { code },
            None => Self::Closed { code: CloseCode::Leaving },
        }
    }
}

fn version(theirs: &Option<u32>) -> String {
    theirs.map_or_else(|| "another version".to_owned(), |version| format!("version {version}"))
}
