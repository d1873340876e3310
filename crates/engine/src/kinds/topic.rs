//! `topic`: what the group is about. The body is the topic, up to [`TOPIC_BYTES_MAX`]; an empty one clears it.

use super::{Fold, Kind, Lists, Opened, Register};
use crate::limits::TOPIC_BYTES_MAX;

/// The kind's name, and the slot of the group's one topic; the key is empty.
pub const TOPIC: &str = "topic";

/// The kind `topic`, by which its author sets the group's topic.
pub struct Topic;

/// The topic is longer than [`TOPIC_BYTES_MAX`]. No state changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the topic is {bytes} bytes long, and may have {TOPIC_BYTES_MAX}")]
pub struct TooLong {
    /// Length in bytes of the refused topic.
    pub bytes: usize,
}

/// Checks that a topic is at most [`TOPIC_BYTES_MAX`] bytes long.
pub fn check(topic: &str) -> Result<(), TooLong> {
    match topic.len() {
        0..=TOPIC_BYTES_MAX => Ok(()),
        bytes => Err(TooLong { bytes }),
    }
}

impl Kind for Topic {
    fn name(&self) -> &'static str {
        TOPIC
    }

    fn fold(&self, entry: &Opened<'_>) -> Option<Fold> {
        check(entry.body).ok()?;
        Some(Fold::Register(Register { slot: TOPIC, key: Vec::new(), value: entry.body.to_owned() }))
    }

    fn sentence(&self, body: &str) -> Option<String> {
        check(body).ok()?;
        match body {
            "" => Some("cleared the topic".to_owned()),
            topic => Some(format!("set the topic: {topic}")),
        }
    }

    fn changes(&self) -> Lists {
        Lists { groups: true, people: false }
    }

    fn examples(&self) -> &'static [&'static str] {
        &["", "all about Rust", "東京"]
    }
}
