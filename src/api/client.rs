//! The one way for a face to do anything: typed requests to the local service.
//!
//! The same HTTP requests go either over TCP to the running peer, or straight into the routes of a node that
//! is started here without a network. Which it is follows from the lock of the data directory: whoever
//! holds it answers for it.

use std::collections::VecDeque;
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
use peer_engine::id::{ChangeHash, GroupName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::discovery::{self, Announcement};
use super::error::{Envelope, ErrorBody};
use super::export;
use super::guard::{self, Gate};
use super::routes;
use super::service::Service;
use super::token::Token;
use super::types::{
    Event, EventsQuery, Group, GroupCreated, GroupRef, Groups, Hello, History, HistoryQuery, Hits,
    Invitation, LateQuery, Link, Name, NewMessage, NewMessages, Preview, ReadMark, Row, Rows, SearchQuery,
    Sent, SentMessages, Status, TextQuery, Topic, User, Users, UsersQuery,
};
use crate::limits::{API_HEADER_MS_MAX, HOLDER_WAIT_MS};
use crate::node::{DataDir, DataDirError, Node, NodeError, Options};

const LOOK_AGAIN: Duration = Duration::from_millis(25);
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// How long a connection is kept for the next request: less than the server waits for one.
const IDLE: Duration = Duration::from_millis(API_HEADER_MS_MAX / 3);

/// Why there is no client, or no answer. Where the request was a write, only [`ClientError::Gone`] leaves
/// open whether it happened; the others mean that it did not.
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
    #[error(
        "the running peer answers in another way than this command expects; are they of one version? ({0})"
    )]
    Protocol(String),
}

/// An open way to the service of one data directory.
pub struct Client {
    carrier: Carrier,
    authorization: HeaderValue,
}

enum Carrier {
    Tcp {
        client: HttpClient<HttpConnector, Body>,
        authority: String,
    },
    /// The service runs here. Its streams end when the sender goes.
    Here {
        router: Router,
        node: Node,
        _stop: watch::Sender<bool>,
    },
}

impl Client {
    /// The running peer's service if there is one, else one of its own. Waits a little for a process that is
    /// just starting or stopping.
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

    /// The service of the peer that runs on `data`. `None` while it has none that answers.
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

    /// Whether a running peer answers, with its links to others.
    pub fn is_serving(&self) -> bool {
        matches!(self.carrier, Carrier::Tcp { .. })
    }

    /// Lets go of the data directory, where it was taken.
    pub async fn close(self) {
        if let Carrier::Here { router, node, .. } = self.carrier {
            drop(router);
            node.stop().await;
        }
    }

    pub async fn hello(&self) -> Result<Hello, ClientError> {
        self.get("/v1", &()).await
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status", &()).await
    }

    pub async fn invite(&self) -> Result<Invitation, ClientError> {
        self.get("/v1/invite", &()).await
    }

    /// An address that logs one browser in.
    pub async fn link(&self) -> Result<Link, ClientError> {
        self.without_body(Method::POST, "/v1/link").await
    }

    pub async fn set_name(&self, name: &str) -> Result<Name, ClientError> {
        self.with_body(Method::PUT, "/v1/name", &Name { name: name.to_owned() }).await
    }

    pub async fn groups(&self, search: Option<String>) -> Result<Vec<Group>, ClientError> {
        let answer: Groups = self.get("/v1/groups", &SearchQuery { search }).await?;
        Ok(answer.groups)
    }

    pub async fn group(&self, name: &GroupName) -> Result<Group, ClientError> {
        self.get(&format!("/v1/groups/{name}"), &()).await
    }

    pub async fn create(&self, name: &GroupName) -> Result<GroupCreated, ClientError> {
        self.with_body(Method::POST, "/v1/groups", &GroupRef { name: name.clone() }).await
    }

    pub async fn join(&self, name: &GroupName) -> Result<GroupCreated, ClientError> {
        self.without_body(Method::POST, &format!("/v1/groups/{name}/join")).await
    }

    pub async fn leave(&self, name: &GroupName) -> Result<GroupRef, ClientError> {
        self.without_body(Method::POST, &format!("/v1/groups/{name}/leave")).await
    }

    pub async fn set_topic(&self, name: &GroupName, topic: &str) -> Result<Sent, ClientError> {
        let path = format!("/v1/groups/{name}/topic");
        self.with_body(Method::PUT, &path, &Topic { topic: topic.to_owned() }).await
    }

    /// Durable when it returns; all of them, or none.
    pub async fn send(
        &self,
        name: &GroupName,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<Sent>, ClientError> {
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let body = NewMessages { messages, patience_ms };
        let answer: SentMessages =
            self.with_body(Method::POST, &format!("/v1/groups/{name}/messages"), &body).await?;
        Ok(answer.messages)
    }

    pub async fn history(&self, name: &GroupName, query: &HistoryQuery) -> Result<History, ClientError> {
        self.get(&format!("/v1/groups/{name}/history"), query).await
    }

    pub async fn entry(&self, name: &GroupName, id: ChangeHash) -> Result<Row, ClientError> {
        self.get(&format!("/v1/groups/{name}/entries/{id}"), &()).await
    }

    /// Late entries that arrived after `after`, in order of arrival.
    pub async fn late(&self, name: &GroupName, after: u64, limit: usize) -> Result<Vec<Row>, ClientError> {
        let query = LateQuery { after, limit: Some(limit) };
        let answer: Rows = self.get(&format!("/v1/groups/{name}/late"), &query).await?;
        Ok(answer.entries)
    }

    /// The newest entries, as a peer sent them ahead of what they stand on.
    pub async fn preview(&self, name: &GroupName) -> Result<Preview, ClientError> {
        self.get(&format!("/v1/groups/{name}/preview"), &()).await
    }

    /// This peer's person has read what arrived up to here.
    pub async fn set_read(&self, name: &GroupName, arrival: u64) -> Result<Group, ClientError> {
        self.with_body(Method::PUT, &format!("/v1/groups/{name}/read"), &ReadMark { arrival }).await
    }

    /// What happens, from now or from a cursor on.
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, ClientError> {
        Ok(Events::new(self.response(Method::GET, "/v1/events", query, None).await?.into_body()))
    }

    pub async fn users(&self, query: &UsersQuery) -> Result<Vec<User>, ClientError> {
        let answer: Users = self.get("/v1/users", query).await?;
        Ok(answer.users)
    }

    pub async fn search(&self, query: &TextQuery) -> Result<Hits, ClientError> {
        self.get("/v1/search", query).await
    }

    /// The group as an Automerge document.
    pub async fn export(&self, name: &GroupName) -> Result<Export, ClientError> {
        let path = format!("/v1/groups/{name}/export");
        let response = self.response(Method::GET, &path, &(), None).await?;
        let reauthored = response.headers().get(export::REAUTHORED).is_some_and(|value| value == "true");
        Ok(Export { reauthored, body: response.into_body() })
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

    /// The response, if it is a success.
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

/// What happens, as it happens.
pub struct Events {
    body: Body,
    events: VecDeque<Event>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Events {
    fn new(body: Body) -> Self {
        Self { body, events: VecDeque::new(), partial: Vec::new() }
    }

    /// The next event; `None` when the peer stopped. Safe to drop while it waits: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = chunk(&mut self.body).await? else { return Ok(None) };
            for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
                self.partial.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    let event = serde_json::from_slice(&self.partial);
                    self.partial.clear();
                    self.events.push_back(event.map_err(|error| ClientError::Protocol(error.to_string()))?);
                }
            }
        }
    }
}

/// An Automerge document on its way.
pub struct Export {
    /// The document could not keep its authors' changes, since one of them forked the group.
    pub reauthored: bool,
    body: Body,
}

impl Export {
    /// The next piece of the document; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        chunk(&mut self.body).await
    }
}

async fn chunk(body: &mut Body) -> Result<Option<Bytes>, ClientError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::Gone(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
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
    use futures_util::stream;
    use tokio::net::TcpListener;

    use super::super::error::ApiError;
    use super::*;

    fn row(arrival: u64) -> Row {
        Row {
            id: peer_engine::id::ChangeHash([1; 32]),
            group: "rust".parse().unwrap(),
            group_id: peer_engine::id::GroupId([3; 32]),
            at: peer_engine::time::Timestamp::MIN,
            eff: 0,
            author: peer_engine::id::PeerId([2; 32]),
            name: None,
            from: None,
            kind: super::super::types::MESSAGE.to_owned(),
            body: Some("two\nlines".to_owned()),
            sealed: false,
            re: None,
            late: false,
            arrival,
            mention: false,
            stored_on: None,
        }
    }

    fn event(arrival: u64) -> Event {
        let what = super::super::types::What::Entry { row: Box::new(row(arrival)) };
        Event { cursor: arrival.to_string(), what }
    }

    /// A stand-in for a running peer: a listener and what it announces.
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
        // Somebody else has the port now.
        announcement.token = Token::random().unwrap();
        announcement.write(data.path()).unwrap();
        assert!(Client::connect(data.path()).await.unwrap().is_none());
        // Nobody has.
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

    #[tokio::test]
    async fn events_are_put_together_from_any_pieces() {
        let mut bytes = Vec::new();
        for arrival in 1..=3 {
            bytes.extend(serde_json::to_vec(&event(arrival)).unwrap());
            bytes.push(b'\n');
        }
        for size in [1, 7, 100, bytes.len()] {
            let pieces: Vec<io::Result<Vec<u8>>> =
                bytes.chunks(size).map(|piece| Ok(piece.to_vec())).collect();
            let mut events = Events::new(Body::from_stream(stream::iter(pieces)));
            for arrival in 1..=3 {
                assert_eq!(events.next().await.unwrap(), Some(event(arrival)));
            }
            assert_eq!(events.next().await.unwrap(), None);
        }
        let mut broken = Events::new(Body::from("{\n"));
        assert!(matches!(broken.next().await, Err(ClientError::Protocol(_))));
    }
}
