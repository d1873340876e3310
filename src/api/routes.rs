//! What the API answers: every route, and nothing about who may ask.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, http};
use tokio::sync::watch;

use super::error::ApiError;
use super::extract::{Body, Path, Query};
use super::login::Login;
use super::types::{
    Code, FollowQuery, Group, GroupCreated, GroupRef, Groups, Hello, History, HistoryQuery, Hit, Hits,
    Invitation, Link, Name, NewMessages, Row, SearchQuery, Sent, SentMessages, Status, TextQuery, Topic,
    User, Users, UsersQuery,
};
use super::{export, follow};
use crate::group::{EntryNo, GroupNo};
use crate::id::GroupName;
use crate::limits::{
    API_BODY_BYTES_MAX, PAGE_MAX, PATIENCE_MS_MAX, SEARCH_CONTEXT_MAX, SEARCH_HITS_MAX, SEND_BATCH_MAX,
};
use crate::node::{Node, wall_clock};
use crate::store::{GroupSummary, Page};

const PAGE: usize = 50;
const SEARCH_HITS: usize = 20;
const SEARCH_CONTEXT: usize = 2;
const SUGGESTIONS: usize = 3;

/// What the routes work on.
#[derive(Clone)]
pub(super) struct Service {
    pub node: Node,
    /// The node has a network: it is the running peer, not a command's own.
    pub serving: bool,
    /// `None`: no browser can come.
    pub login: Option<Arc<Login>>,
    /// Becomes true when open streams have to end.
    pub stopping: watch::Receiver<bool>,
}

/// Where a browser exchanges its one-time code for a cookie.
pub(super) const SESSION: &str = "/v1/session";

type Answer<T> = Result<Json<T>, ApiError>;

pub(super) fn router(service: Service) -> Router {
    Router::new()
        .route("/v1", get(hello))
        .route("/v1/status", get(status))
        .route("/v1/invite", get(invite))
        .route("/v1/link", post(link))
        .route(SESSION, post(enter).delete(log_out))
        .route("/v1/name", put(set_name))
        .route("/v1/users", get(users))
        .route("/v1/search", get(search))
        .route("/v1/groups", get(groups).post(create))
        .route("/v1/groups/{name}", get(group))
        .route("/v1/groups/{name}/join", post(join))
        .route("/v1/groups/{name}/leave", post(leave))
        .route("/v1/groups/{name}/topic", put(set_topic))
        .route("/v1/groups/{name}/messages", post(send))
        .route("/v1/groups/{name}/history", get(history))
        .route("/v1/groups/{name}/follow", get(follow_group))
        .route("/v1/groups/{name}/export", get(export_group))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this route has other methods")
        })
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "no-such-route", "there is no such route"))
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .with_state(service)
}

impl Service {
    fn login(&self) -> Result<&Arc<Login>, ApiError> {
        self.login.as_ref().ok_or_else(|| {
            let message = "no browser can reach this peer; start it with `peer serve`";
            ApiError::new(StatusCode::CONFLICT, "not-serving", message)
        })
    }

    /// What is known of a group.
    async fn group(&self, name: &GroupName) -> Result<GroupSummary, ApiError> {
        let wanted = name.clone();
        if let Some(group) = self.node.read(move |reader| reader.group(&wanted)).await? {
            return Ok(group);
        }
        let wanted = name.clone();
        let nearest = self.node.read(move |reader| reader.nearest(wanted.as_str(), SUGGESTIONS)).await?;
        Err(ApiError::unknown_group(name, nearest))
    }

    /// A group of which something is held here, and its number.
    async fn held(&self, name: &GroupName) -> Result<(GroupNo, GroupSummary), ApiError> {
        let group = self.group(name).await?;
        match group.no {
            Some(no) => Ok((no, group)),
            None => Err(ApiError::not_joined(name)),
        }
    }
}

async fn hello(State(service): State<Service>) -> Json<Hello> {
    Json(Hello { peer: service.node.peer(), mesh: service.node.mesh() })
}

async fn status(State(service): State<Service>) -> Answer<Status> {
    Ok(Json(service.node.status().await?))
}

async fn invite(State(service): State<Service>) -> Json<Invitation> {
    Json(Invitation { ticket: service.node.ticket().to_string() })
}

async fn link(State(service): State<Service>) -> Answer<Link> {
    let url = service.login()?.link().map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Link { url }))
}

async fn enter(State(service): State<Service>, Body(body): Body<Code>) -> Result<Response, ApiError> {
    let login = service.login()?.clone();
    let entered = tokio::task::spawn_blocking(move || login.exchange(&body.code, wall_clock())).await;
    match entered.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))? {
        Some(cookie) => Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()),
        None => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong-code",
            "this link was used before or is too old; `peer open` makes a new one",
        )),
    }
}

async fn log_out(State(service): State<Service>, headers: HeaderMap) -> Result<Response, ApiError> {
    let login = service.login()?.clone();
    let cookies = headers.get(header::COOKIE).cloned();
    let ended = tokio::task::spawn_blocking(move || {
        login.end(cookies.as_ref().map(http::HeaderValue::as_bytes).unwrap_or_default())
    });
    let cookie = ended
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

async fn set_name(State(service): State<Service>, Body(body): Body<Name>) -> Answer<Name> {
    service.node.set_name(&body.name).await?;
    Ok(Json(body))
}

async fn groups(State(service): State<Service>, Query(query): Query<SearchQuery>) -> Answer<Groups> {
    let found = service.node.read(move |reader| reader.groups(query.search.as_deref())).await?;
    Ok(Json(Groups { groups: found.into_iter().map(Group::from).collect() }))
}

async fn group(State(service): State<Service>, Path(name): Path<GroupName>) -> Answer<Group> {
    Ok(Json(service.group(&name).await?.into()))
}

async fn create(State(service): State<Service>, Body(body): Body<GroupRef>) -> Answer<GroupCreated> {
    let id = service.node.create(&body.name).await?;
    Ok(Json(GroupCreated { name: body.name, id }))
}

async fn join(State(service): State<Service>, Path(name): Path<GroupName>) -> Answer<GroupCreated> {
    let id = service.node.join(&name).await?;
    Ok(Json(GroupCreated { name, id }))
}

async fn leave(State(service): State<Service>, Path(name): Path<GroupName>) -> Answer<GroupRef> {
    service.node.leave(&name).await?;
    Ok(Json(GroupRef { name }))
}

async fn set_topic(
    State(service): State<Service>,
    Path(name): Path<GroupName>,
    Body(body): Body<Topic>,
) -> Answer<Sent> {
    let id = service.node.set_topic(&name, &body.topic).await?;
    Ok(Json(Sent { id, stored_on: 1 }))
}

async fn send(
    State(service): State<Service>,
    Path(name): Path<GroupName>,
    Body(body): Body<NewMessages>,
) -> Answer<SentMessages> {
    if !(1..=SEND_BATCH_MAX).contains(&body.messages.len()) {
        let message =
            format!("a request has 1 to {SEND_BATCH_MAX} messages; this one has {}", body.messages.len());
        return Err(ApiError::bad_request(message));
    }
    for message in &body.messages {
        message.check().map_err(|error| ApiError::content(&error))?;
    }
    let drafts = body.messages.into_iter().map(Into::into).collect();
    let ids = service.node.send(&name, drafts).await?;
    let patience = Duration::from_millis(body.patience_ms.min(PATIENCE_MS_MAX));
    // The messages are durable: that nobody could be asked about them must not look like a failure.
    let stored_on = service.node.stored_on(&name, &ids, patience).await.unwrap_or_default();
    let stored_on = stored_on.into_iter().chain(std::iter::repeat(1));
    let messages = ids.into_iter().zip(stored_on).map(|(id, stored_on)| Sent { id, stored_on }).collect();
    Ok(Json(SentMessages { messages }))
}

async fn history(
    State(service): State<Service>,
    Path(name): Path<GroupName>,
    Query(query): Query<HistoryQuery>,
) -> Answer<History> {
    let limit = within("limit", query.limit.unwrap_or(PAGE), 1, PAGE_MAX)?;
    let page = match (query.before, query.after) {
        (None, None) => Page::Newest,
        (Some(id), None) => Page::Before(id),
        (None, Some(id)) => Page::After(id),
        (Some(_), Some(_)) => return Err(ApiError::bad_request("a page is before an entry or after one")),
    };
    // The group before the page: what is committed in between is on the page and followed again, never lost.
    let (no, group) = service.held(&name).await?;
    let entries = service.node.read(move |reader| reader.history(no, page, limit)).await?;
    Ok(Json(History { entries: entries.into_iter().map(Row::from).collect(), arrival: group.entries }))
}

async fn follow_group(
    State(service): State<Service>,
    Path(name): Path<GroupName>,
    Query(query): Query<FollowQuery>,
) -> Result<Response, ApiError> {
    let (no, group) = service.held(&name).await?;
    let after = EntryNo(query.after.unwrap_or(group.entries));
    let body = follow::body(service.node, no, after, service.stopping);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn users(State(service): State<Service>, Query(query): Query<UsersQuery>) -> Answer<Users> {
    let group = match &query.group {
        Some(name) => Some(service.held(name).await?.0),
        None => None,
    };
    let found = service.node.read(move |reader| reader.users(group, query.search.as_deref())).await?;
    let status = service.node.status().await?;
    let mut connected: HashSet<_> = status.links.iter().map(|link| link.peer).collect();
    if service.serving {
        connected.insert(status.peer);
    }
    let users = found.into_iter().map(|user| User {
        connected: connected.contains(&user.key),
        key: user.key,
        name: user.name,
        joined: user.joined,
    });
    Ok(Json(Users { users: users.collect() }))
}

async fn search(State(service): State<Service>, Query(query): Query<TextQuery>) -> Answer<Hits> {
    let limit = within("limit", query.limit.unwrap_or(SEARCH_HITS), 1, SEARCH_HITS_MAX)?;
    let context = within("context", query.context.unwrap_or(SEARCH_CONTEXT), 0, SEARCH_CONTEXT_MAX)?;
    let group = match &query.group {
        Some(name) => Some(service.held(name).await?.0),
        None => None,
    };
    let found = service.node.read(move |reader| reader.search(&query.text, group, limit, context)).await?;
    Ok(Json(Hits { hits: found.into_iter().map(Hit::from).collect() }))
}

async fn export_group(
    State(service): State<Service>,
    Path(name): Path<GroupName>,
) -> Result<Response, ApiError> {
    let (no, _) = service.held(&name).await?;
    let document = export::automerge(&service.node, no).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.automerge"),
        (
            http::HeaderName::from_static(export::REAUTHORED),
            if document.reauthored { "true" } else { "false" },
        ),
    ];
    Ok((headers, HttpBody::from(document.bytes)).into_response())
}

fn within(what: &str, value: usize, min: usize, max: usize) -> Result<usize, ApiError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::bad_request(format!("`{what}` is {min} to {max}; this request says {value}")))
}
