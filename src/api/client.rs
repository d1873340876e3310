//! How a face does anything: typed requests to the local service.
//!
//! The same HTTP requests go either over TCP to the running peer, or directly into the routes of a node that
//! is started in this process without a network. The lock of the data directory decides: the process that
//! holds it answers for the directory.

mod calls;
mod streams;

pub use streams::{Events, Export};

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::discovery::{self, Announcement};
use super::error::{Envelope, ErrorBody};
use super::guard::{self, Gate};
use super::routes;
use super::service::Service;
use super::token::Token;
use crate::limits::{API_HEADER_MS_MAX, HOLDER_WAIT_MS};
use crate::node::{DataDir, DataDirError, Node, NodeError, Options};

const LOOK_AGAIN: Duration = Duration::from_millis(25);
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// How long an idle connection is kept: for less time than the server waits for the next request.
const IDLE: Duration = Duration::from_millis(API_HEADER_MS_MAX / 3);

/// Why there is no client, or no answer. After a failed write, only [`ClientError::Gone`] leaves open whether
/// the write happened; the other variants mean that it did not.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "there is no peer in {} yet; `peer serve` starts a new mesh there, `peer join TICKET` enters one",
        .0.display()
    )]
    NoPeer(PathBuf),
    #[error("another `peer` process is using {} and does not answer; wait for it, or stop it", .0.display())]
    Busy(PathBuf),
    #[error("cannot use {}: {source}", path.display())]
    Discovery { path: PathBuf, source: io::Error },
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The service refused; nothing has changed.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    #[error("the running peer went away before it answered ({0})")]
    Gone(String),
    #[error("the running peer's answer is not one that this command expects; are both of one version? ({0})")]
    Protocol(String),
}

/// A connection to the service of one data directory.
pub struct Client {
    carrier: Carrier,
    authorization: HeaderValue,
}

enum Carrier {
    Tcp {
        client: HttpClient<HttpConnector, Body>,
        authority: String,
    },
    /// The service runs in this process. Its streams end when the sender is dropped.
    Here {
        router: Router,
        node: Node,
        _stop: watch::Sender<bool>,
    },
}

impl Client {
    /// Connects to the running peer's service, or starts one in this process if no peer runs. Waits a little
    /// for a process that is just starting or stopping.
    pub async fn open(data: &Path) -> Result<Self, ClientError> {
        if !DataDir::exists(data)? {
            return Err(ClientError::NoPeer(data.to_owned()));
        }
        let give_up = Instant::now() + Duration::from_millis(HOLDER_WAIT_MS);
        loop {
            match DataDir::open(data, None) {
                Ok(dir) => return Self::start(dir).await,
                Err(DataDirError::Locked { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(client) = Self::connect(data).await? {
                return Ok(client);
            }
            if Instant::now() >= give_up {
                return Err(ClientError::Busy(data.to_owned()));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Connects to the service of the peer that runs on `data`. `None` while no service answers.
    pub(super) async fn connect(data: &Path) -> Result<Option<Self>, ClientError> {
        let found = Announcement::read(data)
            .map_err(|source| ClientError::Discovery { path: discovery::path(data), source })?;
        let Some(Announcement { address, token }) = found else { return Ok(None) };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WAIT));
        let client = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        let carrier = Carrier::Tcp { client, authority: address.to_string() };
        let client = Self { carrier, authorization: authorization(&token)? };
        let answered = timeout(CONNECT_WAIT, client.hello()).await;
        Ok(matches!(answered, Ok(Ok(_))).then_some(client))
    }

    async fn start(dir: DataDir) -> Result<Self, ClientError> {
        let data = dir.path();
        Announcement::remove(data)
            .map_err(|source| ClientError::Discovery { path: discovery::path(data), source })?;
        let node = Node::start(dir, Options::default()).await?;
        let token = Token::random()?;
        let authorization = authorization(&token)?;
        let (stop, stopping) = watch::channel(false);
        let service = Service::new(node.clone(), None, stopping);
        let router = guard::protect(routes::router(service), Gate { token, login: None, page: &[] });
        Ok(Self { carrier: Carrier::Here { router, node, _stop: stop }, authorization })
    }

    /// Whether the client is connected to a running peer, which has links to others.
    pub fn is_serving(&self) -> bool {
        matches!(self.carrier, Carrier::Tcp { .. })
    }

    /// Releases the data directory, if this client holds it.
    pub async fn close(self) {
        if let Carrier::Here { router, node, .. } = self.carrier {
            drop(router);
            node.stop().await;
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        json(self.response(Method::GET, path, query, None).await?).await
    }

    async fn without_body<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, ClientError> {
        json(self.response(method, path, &(), None).await?).await
    }

    async fn with_body<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Protocol(error.to_string()))?;
        json(self.response(method, path, &(), Some(body)).await?).await
    }

    /// Sends a request and returns the response if its status is a success.
    async fn response(
        &self,
        method: Method,
        path: &str,
        query: &impl Serialize,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Body>, ClientError> {
        let protocol = |error: String| ClientError::Protocol(error);
        let query = serde_urlencoded::to_string(query).map_err(|error| protocol(error.to_string()))?;
        let authority = match &self.carrier {
            Carrier::Tcp { authority, .. } => authority,
            Carrier::Here { .. } => "localhost",
        };
        let separator = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{authority}{path}{separator}{query}"))
            .header(header::HOST, authority)
            .header(header::AUTHORIZATION, self.authorization.clone());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.map_or_else(Body::empty, Body::from))
            .map_err(|error| protocol(error.to_string()))?;
        let response = match &self.carrier {
            Carrier::Tcp { client, .. } => client
                .request(request)
                .await
                .map_err(|error| ClientError::Gone(error.to_string()))?
                .map(Body::new),
            Carrier::Here { router, .. } => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED && self.is_serving() {
            return Err(ClientError::Gone("another one has its address now".to_owned()));
        }
        let bytes = bytes(response.into_body()).await?;
        match serde_json::from_slice::<Envelope>(&bytes) {
            Ok(envelope) => Err(ClientError::Refused(envelope.error)),
            Err(_) => Err(protocol(status.to_string())),
        }
    }
}

async fn bytes(body: Body) -> Result<Bytes, ClientError> {
    let collected = body.collect().await.map_err(|error| ClientError::Gone(error.to_string()))?;
    Ok(collected.to_bytes())
}

async fn json<T: DeserializeOwned>(response: Response<Body>) -> Result<T, ClientError> {
    let bytes = bytes(response.into_body()).await?;
    serde_json::from_slice(&bytes).map_err(|error| ClientError::Protocol(error.to_string()))
}

fn authorization(token: &Token) -> Result<HeaderValue, ClientError> {
    let mut value =
        HeaderValue::from_str(&token.bearer()).map_err(|error| ClientError::Protocol(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::super::error::ApiError;
    use super::super::types::Hello;
    use super::*;

    /// Stands in for a running peer: opens a listener and announces it.
    async fn announced(data: &Path, token: &Token) -> Announcement {
        let hello = Hello { peer: peer_engine::id::PeerId([7; 32]), mesh: peer_engine::id::MeshId([8; 16]) };
        let router = Router::new()
            .route("/v1", get(async move || axum::Json(hello)))
            .route("/v1/status", get(async || ApiError::bad_request("no")))
            .route("/v1/groups", get(async || "not JSON"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate { token: token.clone(), login: None, page: &[] };
        tokio::spawn(axum::serve(listener, guard::protect(router, gate)).into_future());
        let announcement = Announcement { address, token: token.clone() };
        announcement.write(data).unwrap();
        announcement
    }

    #[tokio::test]
    async fn a_running_peer_is_found_and_errors_keep_their_shape() {
        let data = tempfile::tempdir().unwrap();
        assert!(Client::connect(data.path()).await.unwrap().is_none());
        let token = Token::random().unwrap();
        announced(data.path(), &token).await;
        let mut client = None;
        for _ in 0..60 {
            if client.is_none() {
                client = Client::connect(data.path()).await.unwrap();
            }
        }
        let client = client.unwrap();
        assert!(client.is_serving());
        assert_eq!(client.hello().await.unwrap().mesh, peer_engine::id::MeshId([8; 16]));
        match client.status().await {
            Err(ClientError::Refused(body)) => assert_eq!(body.code, "bad-request"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(client.groups(None).await, Err(ClientError::Protocol(_))));
        assert!(matches!(client.invite().await, Err(ClientError::Protocol(text)) if text.contains("404")));
    }

    #[tokio::test]
    async fn a_stale_announcement_finds_nobody() {
        let data = tempfile::tempdir().unwrap();
        let mut announcement = announced(data.path(), &Token::random().unwrap()).await;
        // Another process has the port now.
        announcement.token = Token::random().unwrap();
        announcement.write(data.path()).unwrap();
        assert!(Client::connect(data.path()).await.unwrap().is_none());
        // No process listens on the port.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        announcement.address = free;
        announcement.write(data.path()).unwrap();
        assert!(Client::connect(data.path()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_directory_without_a_peer_is_not_made_into_one() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("new");
        assert!(matches!(Client::open(&data).await, Err(ClientError::NoPeer(_))));
        assert!(!data.exists());
    }
}
