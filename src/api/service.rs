//! The state that the routes share, and helpers that several of them need.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use peer_engine::group::GroupNo;
use peer_engine::id::ChangeHash;
use tokio::sync::{Semaphore, watch};

use super::error::ApiError;
use super::login::Login;
use super::types::{MESSAGE, Row};
use crate::limits::{EVENTS_MAX, OWN_RECENT_ARRIVALS_MAX};
use crate::node::{GroupKey, Node};
use crate::store::GroupSummary;

/// The state that the routes share.
#[derive(Clone)]
pub(super) struct Service {
    pub node: Node,
    /// `None`: no browser can log in, since this is a command's own node without a network.
    pub login: Option<Arc<Login>>,
    /// Becomes true when open streams have to end.
    pub stopping: watch::Receiver<bool>,
    /// One permit for each possible stream of events.
    pub streams: Arc<Semaphore>,
}

impl Service {
    pub fn new(node: Node, login: Option<Arc<Login>>, stopping: watch::Receiver<bool>) -> Self {
        Self { node, login, stopping, streams: Arc::new(Semaphore::new(EVENTS_MAX)) }
    }

    pub fn login(&self) -> Result<&Arc<Login>, ApiError> {
        self.login.as_ref().ok_or_else(|| {
            let message = "no browser can reach this peer; start it with `peer serve`";
            ApiError::new(StatusCode::CONFLICT, "not-serving", message)
        })
    }

    /// Sets `stored_on` of own messages, as far as they are new enough that looking it up is cheap.
    pub async fn say_where(&self, group: &GroupSummary, rows: &mut [Row]) {
        let own = self.node.peer();
        let recent = |row: &&mut Row| {
            row.arrival + OWN_RECENT_ARRIVALS_MAX > group.entries && row.author == own && row.kind == MESSAGE
        };
        let mut rows: Vec<&mut Row> = rows.iter_mut().filter(recent).collect();
        let Some(no) = group.no.filter(|_| group.joined && !rows.is_empty()) else { return };
        let ids: Vec<ChangeHash> = rows.iter().map(|row| row.id).collect();
        // If the lookup fails, the rows are right without it.
        let found = self.node.stored_on(no, &ids, Duration::ZERO).await.unwrap_or_default();
        for (row, stored_on) in rows.iter_mut().zip(found) {
            row.stored_on = Some(stored_on);
        }
    }

    /// A group of which something is held here, and its number.
    pub async fn held(&self, key: &GroupKey) -> Result<(GroupNo, GroupSummary), ApiError> {
        let group = self.node.group(key).await?;
        match group.no {
            Some(no) => Ok((no, group)),
            None => Err(ApiError::not_joined(&group.name)),
        }
    }
}
