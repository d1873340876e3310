//! The API's socket, with limits on the number of connections and on the size and duration of requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::limits::{
    ACCEPT_RETRY_MS, API_CONNECTIONS_MAX, API_HEADER_BYTES_MAX, API_HEADER_FIELDS_MAX, API_HEADER_MS_MAX,
    API_TURNED_AWAY_MAX, CLOSE_MS_MAX,
};

/// Serves until `stopping` is true, and then until open requests are done.
pub(super) async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(API_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "the local API cannot accept a connection");
                sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                continue;
            }
        };
        // A short answer must not wait for an acknowledgement (Nagle's algorithm).
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY");
        }
        match room.clone().try_acquire_owned() {
            Ok(place) => {
                let (router, stopping) = (router.clone(), stopping.clone());
                connections.spawn(async move {
                    answer(stream, router, stopping).await;
                    drop(place);
                });
            }
            Err(_) if connections.len() < API_CONNECTIONS_MAX + API_TURNED_AWAY_MAX => {
                connections.spawn(turn_away(stream));
            }
            Err(_) => drop(stream),
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn answer(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(API_HEADER_MS_MAX))
        .max_headers(API_HEADER_FIELDS_MAX)
        .max_buf_size(API_HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stopping) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the local API ended");
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which counts as a stop.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Sends the reason, and reads until the other side closes: unread data would make the system discard it.
async fn turn_away(mut stream: TcpStream) {
    let body = r#"{"error":{"code":"busy","message":"too many connections to this peer; close some"}}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Nothing depends on whether the answer arrived.
    let _ = timeout(Duration::from_millis(CLOSE_MS_MAX), told).await;
}
