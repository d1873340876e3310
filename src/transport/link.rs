//! A link: one authenticated connection to a member of the mesh, as binary messages.
//!
//! It moves bytes. The engine knows what they mean, and the node limits how many wait to be sent. The
//! connection ends when both halves have been dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use peer_engine::id::PeerId;
use peer_engine::limits::FRAME_BYTES_MAX;
use peer_engine::wire::CloseCode;
use tokio_tungstenite::tungstenite::Message;

use super::error::TransportError;
use super::handshake::{self, Socket};
use super::traffic::Traffic;
use crate::limits::CLOSE_MS_MAX;

pub struct Link {
    pub peer: PeerId,
    /// Whether this side dialled.
    pub dialled: bool,
    pub remote: SocketAddr,
    /// Where the other side says it can be dialled.
    pub listen: Vec<String>,
    /// The other side reads compressed frames.
    pub deflate: bool,
    pub traffic: Arc<Traffic>,
    pub reader: LinkReader,
    pub writer: LinkWriter,
}

pub struct LinkReader(SplitStream<Socket>);

pub struct LinkWriter(SplitSink<Socket, Message>);

/// The two halves of a proven connection.
pub(super) fn halves(socket: Socket) -> (LinkReader, LinkWriter) {
    let (writer, reader) = socket.split();
    (LinkReader(reader), LinkWriter(writer))
}

impl LinkReader {
    /// The next message; `None` once the other side has closed in order. Do not call it again after `None` or
    /// an error. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let message = handshake::read_binary(&mut self.0).await?;
        Ok(message.map(Vec::from))
    }
}

impl LinkWriter {
    /// Takes a message, waiting while the connection is congested. `flush` sends it.
    pub async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(TransportError::TooLarge);
        }
        self.0.feed(Message::Binary(frame.into())).await.map_err(handshake::websocket_error)
    }

    pub async fn flush(&mut self) -> Result<(), TransportError> {
        self.0.flush().await.map_err(handshake::websocket_error)
    }

    /// Tells the other side why the link ends, waiting for at most `CLOSE_MS_MAX`.
    pub async fn close(mut self, code: CloseCode) {
        let patience = Duration::from_millis(CLOSE_MS_MAX);
        // Sent or not, the connection ends.
        let _ = tokio::time::timeout(patience, handshake::close(&mut self.0, code)).await;
    }
}
