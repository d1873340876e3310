//! Answers that come piece by piece.

use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

use super::ClientError;
use crate::api::types::Event;

/// What happens, as it happens.
pub struct Events {
    body: Body,
    events: VecDeque<Event>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
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
    pub(super) fn new(reauthored: bool, body: Body) -> Self {
        Self { reauthored, body }
    }

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

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;
    use crate::api::types::{MESSAGE, Row, What};

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
            kind: MESSAGE.to_owned(),
            says: None,
            body: Some("two\nlines".to_owned()),
            sealed: false,
            re: None,
            late: false,
            arrival,
            mention: false,
            stored_on: None,
            marks: Vec::new(),
        }
    }

    fn event(arrival: u64) -> Event {
        let what = What::Entry { row: Box::new(row(arrival)) };
        Event { cursor: arrival.to_string(), what }
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
