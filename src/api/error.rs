//! The one format of errors: `{"error": {"code": …, "message": …}}` with a matching HTTP status.
//!
//! The code is stable, for programs; the message tells people what happened and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use peer_engine::id::GroupName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::{GroupKey, NodeError, Refusal};
use crate::store::StoreError;

/// An error as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    pub code: String,
    pub message: String,
    /// Names of existing groups that are similar to the requested one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<GroupName>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct Envelope {
    pub error: ErrorBody,
}

/// A refused or failed request. Unless the text says otherwise, nothing has changed.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub body: ErrorBody,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: code.to_owned(), message: message.into(), nearest: Vec::new() };
        Self { status, body }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub fn unknown_group(group: &GroupKey, nearest: Vec<GroupName>) -> Self {
        let message = match (group, nearest.as_slice()) {
            (GroupKey::Id(id), _) => format!("no group here has the id {id}; `peer groups` lists all"),
            (GroupKey::Name(name), []) => format!(
                "no group is called {name} here; `peer groups` lists all, `peer groups create {name}` makes it"
            ),
            (GroupKey::Name(name), names) => {
                let names: Vec<&str> = names.iter().map(GroupName::as_str).collect();
                format!("no group is called {name} here; did you mean {}?", names.join(" or "))
            }
        };
        let mut error = Self::new(StatusCode::NOT_FOUND, "unknown-group", message);
        error.body.nearest = nearest;
        error
    }

    pub fn not_joined(name: &GroupName) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "not-joined",
            format!("you are not in the group {name}; `peer groups join {name}` gets you in"),
        )
    }

    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    }

    pub fn store(error: &StoreError) -> Self {
        let (status, code) = match error {
            StoreError::NoEntry(_) => (StatusCode::NOT_FOUND, "unknown-entry"),
            StoreError::Full => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let message = error.to_string();
        match error {
            NodeError::UnknownGroup { group, nearest } => Self::unknown_group(&group, nearest),
            NodeError::NotJoined { name } => Self::not_joined(&name),
            NodeError::Command(Refusal::KeyTaken { .. }) => {
                Self::new(StatusCode::CONFLICT, "key-taken", message)
            }
            NodeError::Name { .. } | NodeError::Topic { .. } | NodeError::Command(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "content", message)
            }
            NodeError::Store(error) => Self::store(&error),
            NodeError::NotSaved(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "not-saved", message),
            NodeError::Stopped => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopped", message),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(Envelope { error: self.body })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use peer_engine::change::{ContentError, SignError};

    use super::*;

    #[test]
    fn an_unknown_group_suggests_the_nearest() {
        let name: GroupKey = "rast".parse().unwrap();
        let nearest: Vec<GroupName> = vec!["rust".parse().unwrap(), "cast".parse().unwrap()];
        let error = ApiError::unknown_group(&name, nearest);
        assert_eq!(error.status, StatusCode::NOT_FOUND);
        let json = serde_json::to_value(Envelope { error: error.body }).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "code": "unknown-group",
                "message": "no group is called rast here; did you mean rust or cast?",
                "nearest": ["rust", "cast"],
            }})
        );
        let alone = ApiError::unknown_group(&name, Vec::new());
        let json = serde_json::to_value(alone.body).unwrap();
        assert!(json.get("nearest").is_none());
        assert!(json["message"].as_str().unwrap().contains("peer groups create rast"));
    }

    #[test]
    fn errors_keep_their_kind_and_their_text() {
        let too_long = SignError::from(ContentError::BodyTooLong { bytes: 70_000 });
        let content = ApiError::from(NodeError::Command(too_long.into()));
        assert_eq!(
            (content.status, content.body.code.as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "content")
        );
        assert!(content.body.message.contains("65536"), "{}", content.body.message);
        let missing =
            ApiError::from(NodeError::Store(StoreError::NoEntry(peer_engine::id::ChangeHash([7; 32]))));
        assert_eq!((missing.status, missing.body.code.as_str()), (StatusCode::NOT_FOUND, "unknown-entry"));
        assert!(missing.body.message.contains("0707"), "{}", missing.body.message);
        let full = ApiError::from(NodeError::Store(StoreError::Full));
        assert_eq!(full.body.code, "disk-full");
    }
}
