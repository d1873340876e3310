//! A group as one Automerge document, which any Automerge reader opens.

use super::error::ApiError;
use crate::node::Node;
use crate::store::GroupRow;

/// Response header: "true" when the document could not keep its authors' changes.
pub(super) const REAUTHORED: &str = "x-peer-reauthored";

pub(super) struct Document {
    pub bytes: Vec<u8>,
    pub reauthored: bool,
}

pub(super) async fn automerge(_node: &Node, _group: GroupRow) -> Result<Document, ApiError> {
    todo!()
}
