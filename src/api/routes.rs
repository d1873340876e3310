//! The handlers of all routes. Authentication is in `guard`.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, http};
use peer_engine::group::EntryNo;
use peer_engine::id::ChangeHash;
use zeroize::Zeroizing;

use super::error::ApiError;
use super::events::{self, Events};
use super::extract::{Body, Path, Query};
use super::openapi::{self, Route};
use super::rows::rows;
use super::service::Service;
use super::types::{
    Code, Event, EventsQuery, Group, GroupCreated, GroupRef, Groups, Hello, History, HistoryQuery, Hit, Hits,
    Invitation, LateQuery, Link, Name, NewMessages, Preview, ReadMark, Row, Rows, SearchQuery, Sent,
    SentMessages, Status, TextQuery, Topic, User, Users, UsersQuery,
};
use super::{export, qr, socket};
use crate::limits::{
    API_BODY_BYTES_MAX, API_CODE_BYTES_MAX, PAGE_MAX, PATIENCE_MS_MAX, SEARCH_CONTEXT_MAX, SEARCH_HITS_MAX,
    SEND_BATCH_MAX, SENT_KEY_BYTES_MAX,
};
use crate::node::{GroupKey, wall_clock};
use crate::store::{GroupSummary, Page};

const NDJSON: &str = "application/x-ndjson";
const AUTOMERGE: &str = "application/vnd.automerge";

const PAGE: usize = 50;
const SEARCH_HITS: usize = 20;
const SEARCH_CONTEXT: usize = 2;

/// Where a browser exchanges its one-time code for a cookie.
pub(super) const SESSION: &str = "/v1/session";

type Answer<T> = Result<Json<T>, ApiError>;

pub(super) fn router(service: Service) -> Router {
    openapi::router(table())
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this route has other methods")
        })
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "no-such-route", "there is no such route"))
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .with_state(service)
}

/// Every route of the API.
fn table() -> Vec<Route> {
    vec![
        Route::new("get", "/v1", get(hello), "Who answers").answer::<Hello>(),
        Route::new("get", "/v1/openapi.json", get(describe), "This document").answer::<serde_json::Value>(),
        Route::new("get", "/v1/status", get(status), "This peer, its groups and its links")
            .answer::<Status>(),
        Route::new("get", "/v1/invite", get(invite), "A ticket; it holds the mesh secret")
            .answer::<Invitation>(),
        Route::new("get", "/v1/invite/qr", get(invite_as_qr), "The ticket as a QR code")
            .bytes("image/svg+xml"),
        Route::new("post", "/v1/link", post(link), "A one-time address that logs a browser in")
            .answer::<Link>(),
        Route::new(
            "post",
            SESSION,
            post(enter).layer(DefaultBodyLimit::max(API_CODE_BYTES_MAX)),
            "Exchange the code of such an address for a cookie",
        )
        .body::<Code>()
        .open(),
        Route::new("delete", SESSION, delete(log_out), "Log this browser out"),
        Route::new("put", "/v1/name", put(set_name), "Change the display name")
            .body::<Name>()
            .answer::<Name>(),
        Route::new("get", "/v1/users", get(users), "People, and who is connected")
            .query::<UsersQuery>()
            .answer::<Users>(),
        Route::new("get", "/v1/search", get(search), "Messages by their words, newest first")
            .query::<TextQuery>()
            .answer::<Hits>(),
        Route::new(
            "get",
            "/v1/events",
            get(happenings),
            "What happens, as it happens: one event per line, or per message of a WebSocket",
        )
        .query::<EventsQuery>()
        .stream::<Event>(NDJSON),
        Route::new("get", "/v1/groups", get(groups), "Groups of the mesh")
            .query::<SearchQuery>()
            .answer::<Groups>(),
        Route::new("post", "/v1/groups", post(create), "Create a public group and join it")
            .body::<GroupRef>()
            .answer::<GroupCreated>(),
        Route::new("get", "/v1/groups/{name}", get(group), "One group").answer::<Group>(),
        Route::new("post", "/v1/groups/{name}/join", post(join), "Join").answer::<GroupCreated>(),
        Route::new("post", "/v1/groups/{name}/leave", post(leave), "Leave").answer::<GroupRef>(),
        Route::new("put", "/v1/groups/{name}/topic", put(set_topic), "Set the topic")
            .body::<Topic>()
            .answer::<Sent>(),
        Route::new("put", "/v1/groups/{name}/read", put(set_read), "Say up to where one has read")
            .body::<ReadMark>()
            .answer::<Group>(),
        Route::new("post", "/v1/groups/{name}/messages", post(send), "Send; all of them or none")
            .body::<NewMessages>()
            .answer::<SentMessages>(),
        Route::new(
            "get",
            "/v1/groups/{name}/history",
            get(history),
            "A page: the newest, or before, after or around an entry",
        )
        .query::<HistoryQuery>()
        .answer::<History>(),
        Route::new("get", "/v1/groups/{name}/preview", get(preview), "The newest entries, ahead of the rest")
            .answer::<Preview>(),
        Route::new("get", "/v1/groups/{name}/entries/{id}", get(entry), "One entry").answer::<Row>(),
        Route::new("get", "/v1/groups/{name}/late", get(late), "Late entries, in order of arrival")
            .query::<LateQuery>()
            .answer::<Rows>(),
        Route::new(
            "get",
            "/v1/groups/{name}/export",
            get(export_group),
            "The group as an Automerge document",
        )
        .bytes(AUTOMERGE),
    ]
}

async fn describe() -> Json<serde_json::Value> {
    Json(openapi::document(&table()))
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

async fn invite_as_qr(State(service): State<Service>) -> Result<Response, ApiError> {
    let ticket = Zeroizing::new(service.node.ticket().to_string());
    let svg = qr::svg(&ticket).ok_or_else(|| {
        ApiError::bad_request("the ticket has too many addresses for a QR code; copy its text")
    })?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg.to_string()).into_response())
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
    let own = service.node.peer();
    let read = service.node.read(move |reader| {
        let found = reader.groups(query.search.as_deref())?;
        let attention = reader.attention(&found, &own)?;
        Ok(found.into_iter().zip(attention).map(|(group, attention)| Group::new(group, attention)).collect())
    });
    Ok(Json(Groups { groups: read.await? }))
}

async fn group(State(service): State<Service>, Path(key): Path<GroupKey>) -> Answer<Group> {
    let group = service.node.group(&key).await?;
    Ok(Json(with_attention(&service, group).await?))
}

/// A group as it is shown to the person at this peer.
async fn with_attention(service: &Service, group: GroupSummary) -> Result<Group, ApiError> {
    let own = service.node.peer();
    let read = service.node.read(move |reader| {
        let attention = reader.attention(std::slice::from_ref(&group), &own)?.pop();
        Ok(Group::new(group.clone(), attention.unwrap_or_default()))
    });
    Ok(read.await?)
}

async fn set_read(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
    Body(mark): Body<ReadMark>,
) -> Answer<Group> {
    let (no, group) = service.held(&key).await?;
    service.node.mark_read(no, EntryNo(mark.arrival)).await?;
    Ok(Json(with_attention(&service, group).await?))
}

async fn create(State(service): State<Service>, Body(body): Body<GroupRef>) -> Answer<GroupCreated> {
    let id = service.node.create(&body.name).await?;
    Ok(Json(GroupCreated { name: body.name, id }))
}

async fn join(State(service): State<Service>, Path(key): Path<GroupKey>) -> Answer<GroupCreated> {
    let group = service.node.group(&key).await?;
    let id = service.node.join(&group).await?;
    Ok(Json(GroupCreated { name: group.name, id }))
}

async fn leave(State(service): State<Service>, Path(key): Path<GroupKey>) -> Answer<GroupRef> {
    let group = service.node.group(&key).await?;
    service.node.leave(&group).await?;
    Ok(Json(GroupRef { name: group.name }))
}

async fn set_topic(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
    Body(body): Body<Topic>,
) -> Answer<Sent> {
    let group = service.node.group(&key).await?;
    let id = service.node.set_topic(&group, &body.topic).await?;
    Ok(Json(Sent { id, stored_on: 1 }))
}

async fn send(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
    Body(body): Body<NewMessages>,
) -> Answer<SentMessages> {
    if !(1..=SEND_BATCH_MAX).contains(&body.messages.len()) {
        let message =
            format!("a request has 1 to {SEND_BATCH_MAX} messages; this one has {}", body.messages.len());
        return Err(ApiError::bad_request(message));
    }
    for message in &body.messages {
        let fits = |key: &String| {
            (1..=SENT_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !message.key.as_ref().is_none_or(fits) {
            let message = format!("a `key` is 1 to {SENT_KEY_BYTES_MAX} visible ASCII characters");
            return Err(ApiError::bad_request(message));
        }
    }
    let group = service.node.group(&key).await?;
    let ids = service.node.send(&group, body.messages).await?;
    let patience = Duration::from_millis(body.patience_ms.min(PATIENCE_MS_MAX));
    // The messages are durable: a failure to look up who stores them must not look like a failure to send.
    let stored_on = match group.no {
        Some(no) => service.node.stored_on(no, &ids, patience).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let stored_on = stored_on.into_iter().chain(std::iter::repeat(1));
    let messages = ids.into_iter().zip(stored_on).map(|(id, stored_on)| Sent { id, stored_on }).collect();
    Ok(Json(SentMessages { messages }))
}

async fn history(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
    Query(query): Query<HistoryQuery>,
) -> Answer<History> {
    let limit = within("limit", query.limit.unwrap_or(PAGE), 1, PAGE_MAX)?;
    let page = match (query.before, query.after, query.around) {
        (None, None, None) => Page::Newest,
        (Some(id), None, None) => Page::Before(id),
        (None, Some(id), None) => Page::After(id),
        (None, None, Some(id)) => Page::Around(id),
        _ => return Err(ApiError::bad_request("a page is before an entry, after one or around one")),
    };
    // The end of the feed is read before the page: entries committed in between are on the page and also sent
    // as events, so none is missed.
    let (no, group) = service.held(&key).await?;
    let own = service.node.peer();
    let read = service.node.read(move |reader| {
        let end = reader.feed_end()?;
        let page = reader.history_page(no, page, limit)?;
        Ok((end, page.more_before, page.more_after, rows(reader, no, &own, page.entries)?))
    });
    let (end, more_before, more_after, mut entries) = read.await?;
    service.say_where(&group, &mut entries).await;
    let (arrival, cursor) = (group.entries, events::cursor(end));
    Ok(Json(History { entries, arrival, cursor, more_before, more_after }))
}

async fn preview(State(service): State<Service>, Path(key): Path<GroupKey>) -> Answer<Preview> {
    let (no, _) = service.held(&key).await?;
    let (from, entries) = service.node.preview(no).await?.unzip();
    let entries = entries.unwrap_or_default().into_iter().map(Row::from).collect();
    Ok(Json(Preview { from, entries }))
}

async fn entry(State(service): State<Service>, Path((key, id)): Path<(GroupKey, ChangeHash)>) -> Answer<Row> {
    let (no, group) = service.held(&key).await?;
    let own = service.node.peer();
    let read = service.node.read(move |reader| {
        let found = reader.entry_of(no, id)?;
        rows(reader, no, &own, found.into_iter().collect())
    });
    let mut found = read.await?;
    service.say_where(&group, &mut found).await;
    let damaged = || {
        let message = format!("the entry {id} is damaged here; it is fetched again from a peer that has it");
        ApiError::new(StatusCode::CONFLICT, "damaged-entry", message)
    };
    found.pop().map(Json).ok_or_else(damaged)
}

async fn late(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
    Query(query): Query<LateQuery>,
) -> Answer<Rows> {
    let limit = within("limit", query.limit.unwrap_or(PAGE), 1, PAGE_MAX)?;
    let (no, _) = service.held(&key).await?;
    let own = service.node.peer();
    let read = service.node.read(move |reader| {
        let found = reader.late_after(no, EntryNo(query.after), limit)?;
        rows(reader, no, &own, found)
    });
    Ok(Json(Rows { entries: read.await? }))
}

async fn happenings(
    State(service): State<Service>,
    Query(query): Query<EventsQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let only = match &query.group {
        Some(key) => Some(service.held(key).await?.0),
        None => None,
    };
    let room = service.streams.clone().try_acquire_owned().map_err(|_| {
        let message = "too many streams of events are open; close some";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    })?;
    let events = Events::open(&service, query.after.as_deref(), only, room).await?;
    if socket::is_wanted(request.headers()) {
        return socket::upgrade(request, events, service.stopping);
    }
    Ok(([(header::CONTENT_TYPE, NDJSON)], events.lines()).into_response())
}

async fn users(State(service): State<Service>, Query(query): Query<UsersQuery>) -> Answer<Users> {
    let group = match &query.group {
        Some(key) => Some(service.held(key).await?.0),
        None => None,
    };
    let found = service.node.read(move |reader| reader.users(group, query.search.as_deref())).await?;
    let status = service.node.status().await?;
    let mut connected: HashSet<_> = status.links.iter().map(|link| link.peer).collect();
    if service.login.is_some() {
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
        Some(key) => Some(service.held(key).await?.0),
        None => None,
    };
    let found = service.node.read(move |reader| reader.search(&query.text, group, limit, context)).await?;
    Ok(Json(Hits { hits: found.into_iter().map(Hit::from).collect() }))
}

async fn export_group(
    State(service): State<Service>,
    Path(key): Path<GroupKey>,
) -> Result<Response, ApiError> {
    let (no, _) = service.held(&key).await?;
    let document = export::automerge(&service.node, no).await?;
    let headers = [
        (header::CONTENT_TYPE, AUTOMERGE),
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
