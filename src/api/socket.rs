//! The stream of events as a WebSocket: one event per text message. The client sends no messages.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tracing::debug;

use super::error::ApiError;
use super::events::Events;
use crate::limits::{API_SOCKET_BYTES_MAX, EVENT_SEND_MS_MAX};

pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// Answers the handshake, and then sends events until either side closes.
pub(super) fn upgrade(
    mut request: Request,
    events: Events,
    stopping: watch::Receiver<bool>,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let has = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    let right = has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key =
        headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| right).map(|key| derive_accept_key(key.as_bytes()));
    let accept = key.and_then(|key| HeaderValue::from_str(&key).ok());
    let (Some(accept), Some(upgrade)) = (accept, request.extensions_mut().remove::<OnUpgrade>()) else {
        return Err(ApiError::bad_request("this is no WebSocket handshake of version 13"));
    };
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let config = WebSocketConfig::default()
                    .max_message_size(Some(API_SOCKET_BYTES_MAX))
                    .max_frame_size(Some(API_SOCKET_BYTES_MAX))
                    .read_buffer_size(API_SOCKET_BYTES_MAX);
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                send(socket, events, stopping).await;
            }
            Err(error) => debug!(%error, "a WebSocket handshake failed"),
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

async fn send(socket: Socket, mut events: Events, mut stopping: watch::Receiver<bool>) {
    let (mut sink, mut stream) = socket.split();
    // Reading answers pings, and detects that the client has closed or has sent too much.
    let heard = async { while let Some(Ok(_)) = stream.next().await {} };
    let told = async {
        while let Ok(Some(batch)) = events.next().await {
            for event in batch {
                let Ok(text) = serde_json::to_string(&event) else { continue };
                let sent = timeout(Duration::from_millis(EVENT_SEND_MS_MAX), sink.send(Message::text(text)));
                match sent.await {
                    Ok(Ok(())) => {}
                    // When the client reconnects, it resumes from its cursor.
                    Ok(Err(_)) | Err(_) => return,
                }
            }
        }
        let close = tungstenite::protocol::CloseFrame {
            code: tungstenite::protocol::frame::coding::CloseCode::Away,
            reason: "the peer stops".into(),
        };
        let _ = sink.send(Message::Close(Some(close))).await;
    };
    tokio::select! {
        () = heard => {}
        () = told => {}
        () = async {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(Duration::from_millis(crate::limits::CLOSE_MS_MAX)).await;
        } => {}
    }
}
