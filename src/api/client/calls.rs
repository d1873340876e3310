//! What can be asked for: one function for each route.

use std::time::Duration;

use axum::http::Method;
use peer_engine::id::{ChangeHash, GroupName};

use super::streams::{Events, Export};
use super::{Client, ClientError};
use crate::api::export;
use crate::api::types::{
    EventsQuery, Group, GroupCreated, GroupRef, Groups, Hello, History, HistoryQuery, Hits, Invitation,
    LateQuery, Link, Name, NewMessage, NewMessages, Preview, ReadMark, Row, Rows, SearchQuery, Sent,
    SentMessages, Status, TextQuery, Topic, User, Users, UsersQuery,
};

impl Client {
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
        Ok(Export::new(reauthored, response.into_body()))
    }
}
