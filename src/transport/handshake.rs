//! From an encrypted connection to a proven member: WebSocket, then one hello from each side.
//!
//! The dialler proves its membership first. To a dialler that does not know the mesh secret the listener
//! answers only with a close frame, so a stranger learns only that something listens. A proof is bound to one
//! TLS connection, to both keys and to the role, so it can be neither replayed, nor relayed, nor reflected.
//!
//! Nothing here has a deadline; the caller sets one for the whole handshake.

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use peer_engine::id::PeerId;
use peer_engine::identity::MeshSecret;
use peer_engine::limits::{ADDRESSES_MAX, FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use peer_engine::wire::{CloseCode, Control, Frame, PROTOCOL, Proof, address};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio_rustls::TlsStream;
use tokio_tungstenite::tungstenite::error::{Error as WebSocketError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

use super::error::TransportError;
use super::tls::Channel;
use super::traffic::Counted;
use crate::limits::LINK_BUFFER_BYTES;

const PROOF_DOMAIN: &[u8] = b"peer/1 hello\0";

pub(super) type Socket = WebSocketStream<TlsStream<Counted>>;

/// What a peer tells of itself in its hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelloInfo {
    /// Where it can be dialled, `host:port`. Invalid addresses, and those beyond the limit, are left out.
    pub listen: Vec<String>,
}

/// A connection to a member of the mesh.
pub(super) struct Proven {
    pub socket: Socket,
    pub told: Told,
}

/// What the other side's hello says besides its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub listen: Vec<String>,
    pub deflate: bool,
}

/// This peer's side of a hello.
pub(super) struct Member<'a> {
    pub myself: PeerId,
    pub secret: &'a MeshSecret,
    pub hello: HelloInfo,
}

#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Side {
    Dialler = 1,
    Listener = 2,
}

pub(super) async fn dial(channel: Channel, member: Member<'_>) -> Result<Proven, TransportError> {
    let Channel { stream, peer: listener, exporter } = channel;
    let proof = |side| proof(member.secret, side, &exporter, &member.myself, &listener);
    let (mut socket, _) = client_async_with_config("ws://peer/", stream, Some(config(FRAME_BYTES_MAX)))
        .await
        .map_err(websocket_error)?;
    send_hello(&mut socket, proof(Side::Dialler), &member.hello).await?;
    let told = expect_hello(&mut socket, proof(Side::Listener)).await?;
    Ok(Proven { socket, told })
}

pub(super) async fn accept(channel: Channel, member: Member<'_>) -> Result<Proven, TransportError> {
    let Channel { stream, peer: dialler, exporter } = channel;
    let proof = |side| proof(member.secret, side, &exporter, &dialler, &member.myself);
    // WebSocket reserves memory for a message when it has read its header: strangers get the lowest limit.
    let mut socket =
        accept_async_with_config(stream, Some(config(HELLO_BYTES_MAX))).await.map_err(websocket_error)?;
    let told = expect_hello(&mut socket, proof(Side::Dialler)).await?;
    // A member may send long messages. No byte is lost here: a dialler sends nothing until it is answered.
    let stream = socket.into_inner();
    let mut socket =
        WebSocketStream::from_raw_socket(stream, Role::Server, Some(config(FRAME_BYTES_MAX))).await;
    send_hello(&mut socket, proof(Side::Listener), &member.hello).await?;
    Ok(Proven { socket, told })
}

pub(super) fn proof(
    secret: &MeshSecret,
    side: Side,
    exporter: &[u8; 32],
    dialler: &PeerId,
    listener: &PeerId,
) -> Proof {
    // HMAC hashes keys that are longer than a block, so it takes 32 bytes like any other length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.0.bytes()) else {
        unreachable!("HMAC takes a key of any length");
    };
    mac.update(PROOF_DOMAIN);
    mac.update(exporter);
    mac.update(&[side as u8]);
    mac.update(&dialler.0);
    mac.update(&listener.0);
    Proof(mac.finalize().into_bytes().into())
}

pub(super) async fn send_hello(
    socket: &mut Socket,
    proof: Proof,
    hello: &HelloInfo,
) -> Result<(), TransportError> {
    let addresses = hello.listen.iter().filter(|address| address::check(address).is_ok());
    let listen = addresses.take(ADDRESSES_MAX).cloned().collect();
    let frame = Frame::Control(Control::Hello { version: PROTOCOL, proof, listen, deflate: true }).encode();
    socket.send(Message::Binary(frame.into())).await.map_err(websocket_error)
}

/// Reads the other side's hello, whose proof must be `expected`; closes the connection otherwise.
async fn expect_hello(socket: &mut Socket, expected: Proof) -> Result<Told, TransportError> {
    let told = match read_binary(socket).await {
        Ok(Some(bytes)) => check_hello(&bytes, &expected),
        Ok(None) => Err(TransportError::closed(None)),
        Err(error) => Err(error),
    };
    if let Err(error) = &told {
        close(socket, error.close_code()).await;
    }
    told
}

/// Parses the first message of a connection, and returns what a hello with this proof says. Public for
/// fuzzing: nothing else that a stranger sends is read.
pub fn check_hello(bytes: &[u8], expected: &Proof) -> Result<Told, TransportError> {
    if bytes.len() > HELLO_BYTES_MAX {
        return Err(TransportError::TooLarge);
    }
    match Frame::decode(bytes) {
        Ok(Frame::Control(Control::Hello { version, proof, listen, deflate })) => {
            if version != PROTOCOL {
                return Err(TransportError::Version { theirs: Some(version) });
            }
            if !bool::from(proof.0.ct_eq(&expected.0)) {
                return Err(TransportError::Stranger);
            }
            Ok(Told { listen, deflate })
        }
        _ => Err(TransportError::Protocol("it does not begin with a hello")),
    }
}

/// The next binary message; `None` when the other side has closed the connection in order.
pub(super) async fn read_binary<S>(socket: &mut S) -> Result<Option<Bytes>, TransportError>
where
    S: StreamExt<Item = Result<Message, WebSocketError>> + Unpin,
{
    loop {
        match socket.next().await {
            None => return Ok(None),
            Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                return match TransportError::closed(frame.map(|frame| frame.code.into())) {
                    TransportError::Closed { code: CloseCode::Leaving } => Ok(None),
                    error => Err(error),
                };
            }
            Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                return Err(TransportError::Protocol("it sends text where only binary messages are allowed"));
            }
            Some(Err(error)) => return Err(websocket_error(error)),
        }
    }
}

/// Tells the other side why, if it still listens.
pub(super) async fn close<S: SinkExt<Message> + Unpin>(socket: &mut S, code: CloseCode) {
    let frame = CloseFrame { code: code.number().into(), reason: code.reason().into() };
    // The connection ends either way.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

fn config(message_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
        .read_buffer_size(LINK_BUFFER_BYTES.min(message_bytes_max))
        .write_buffer_size(LINK_BUFFER_BYTES)
        .max_write_buffer_size(FRAME_BYTES_MAX + 4 * LINK_BUFFER_BYTES)
}

/// Drops the library's texts, which may repeat what the other side sent.
pub(super) fn websocket_error(error: WebSocketError) -> TransportError {
    match error {
        WebSocketError::Io(error) => match error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            true => TransportError::Protocol("it breaks off the TLS connection"),
            false => TransportError::Broken(error),
        },
        WebSocketError::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => TransportError::Broken(std::io::ErrorKind::UnexpectedEof.into()),
        WebSocketError::Capacity(_) => TransportError::TooLarge,
        WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => TransportError::closed(None),
        _ => TransportError::Protocol("it does not speak WebSocket as a peer does"),
    }
}
