//! What goes over the wire, as bytes: frames, sync messages, Bloom filters, tickets, close codes.
//!
//! Decoding is bounded: a count is checked against its limit and against what is left of the input before
//! anything is allocated for it. Nothing here opens a socket, decides what to send, or looks inside a
//! change: the chunks of a sync message are passed on as bytes to the gate.

pub mod address;
pub mod bloom;
pub mod close;
mod cursor;
mod deflate;
pub mod frame;
pub mod sync_message;
pub mod ticket;

pub use bloom::Bloom;
pub use close::CloseCode;
pub use deflate::InflateError;
pub use frame::{Control, Frame, FrameError, PeerRecord, Proof};
pub use sync_message::{Have, SyncMessage, SyncMessageError};
pub use ticket::{Ticket, TicketError};

/// The version of the frames and sync messages. Tickets carry a version of their own.
pub const PROTOCOL: u32 = 1;
