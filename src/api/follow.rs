//! A group's entries as they arrive: one JSON row per line, until the client or the server goes.
//!
//! Nothing is buffered for a slow reader: each batch is read from the store when the one before it is sent.

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::watch;

use super::types::Row;
use crate::group::{EntryNo, GroupNo};
use crate::limits::PAGE_MAX;
use crate::node::{Node, NodeError};

struct Cursor {
    node: Node,
    group: GroupNo,
    after: EntryNo,
    commits: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
}

pub(super) fn body(node: Node, group: GroupNo, after: EntryNo, stopping: watch::Receiver<bool>) -> Body {
    let cursor = Cursor { commits: node.watch(), node, group, after, stopping };
    Body::from_stream(stream::try_unfold(cursor, async |mut cursor| {
        Ok::<_, NodeError>(cursor.next().await?.map(|lines| (lines, cursor)))
    }))
}

impl Cursor {
    /// The lines of the entries that came next; `None` when the server stops.
    async fn next(&mut self) -> Result<Option<Bytes>, NodeError> {
        loop {
            // Before the read, so that a commit during it wakes the wait below.
            self.commits.mark_unchanged();
            let (group, after) = (self.group, self.after);
            let entries = self.node.read(move |reader| reader.arrived_after(group, after, PAGE_MAX)).await?;
            if let Some(last) = entries.last() {
                self.after = last.no;
                return Ok(Some(lines(entries.into_iter().map(Row::from))));
            }
            tokio::select! {
                changed = self.commits.changed() => if changed.is_err() { return Ok(None) },
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(None),
            }
        }
    }
}

fn lines(rows: impl Iterator<Item = Row>) -> Bytes {
    let mut out = Vec::new();
    for row in rows {
        // A row has no value that JSON cannot hold.
        if serde_json::to_writer(&mut out, &row).is_ok() {
            out.push(b'\n');
        }
    }
    out.into()
}
