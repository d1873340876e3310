//! Exports a group as one Automerge document, which every Automerge reader opens.

use axum::http::StatusCode;
use peer_engine::change::Change;
use peer_engine::group::{EntryNo, GroupNo};

use super::error::ApiError;
use crate::limits::PAGE_MAX;
use crate::node::Node;
use crate::store::export::{self, Document, ExportError};
use crate::store::{Reader, StoreError};

/// Response header: "true" if the document could not keep the changes as their authors signed them.
pub(super) const REAUTHORED: &str = "x-peer-reauthored";

/// Takes seconds for a large group, so it runs on a blocking thread.
pub(super) async fn automerge(node: &Node, group: GroupNo) -> Result<Document, ApiError> {
    let done = node
        .read(move |reader| {
            let genesis = reader.genesis(group)?;
            Ok(export::automerge(&genesis, Changes { reader, group, page: Vec::new().into_iter(), after: 0 }))
        })
        .await?;
    done.map_err(|error| match error {
        ExportError::Store(error) => ApiError::store(&error),
        error => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "export", error.to_string()),
    })
}

/// All changes of a group in a causal order, read page by page.
struct Changes<'a> {
    reader: &'a Reader,
    group: GroupNo,
    page: std::vec::IntoIter<Change>,
    /// The number of the entry that was returned last.
    after: u64,
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            match self.reader.changes_after(self.group, EntryNo(self.after), PAGE_MAX) {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let change = self.page.next()?;
        // Numbers are consecutive.
        self.after += 1;
        Some(Ok(change))
    }
}
