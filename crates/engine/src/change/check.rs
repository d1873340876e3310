//! The consensus limits on the parts of a change. The verdict depends on the change alone, so all peers agree.

use super::content::{Body, Content, Header};
use super::genesis::Genesis;
use crate::limits::{BODY_BYTES_MAX, DEPS_MAX, FROM_BYTES_MAX, KIND_BYTES_MAX, MAX_OP_MAX};

/// Why an entry cannot be said. The texts are shown to users. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    #[error("a message is at most {BODY_BYTES_MAX} bytes; this one has {bytes}")]
    BodyTooLong { bytes: usize },
    #[error("a message is at least 1 byte; this one is empty")]
    BodyEmpty,
    #[error("a kind is 1 to {KIND_BYTES_MAX} bytes; this one has {bytes}")]
    KindLength { bytes: usize },
    #[error("a kind is made of a-z, 0-9, '.' and '-', and starts with a letter or a digit")]
    KindSyntax,
    #[error("a message is written by leaving its kind out, not by the kind \"message\"")]
    KindMessage,
    #[error("a relayed name is 1 to {FROM_BYTES_MAX} bytes; this one has {bytes}")]
    FromLength { bytes: usize },
}

/// Why a header cannot be that of a change. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a change has 1 to {DEPS_MAX} dependencies; this one has {count}")]
    DepsCount { count: usize },
    #[error("a change's dependencies are in strictly ascending order")]
    DepsOrder,
    #[error("a sequence number is 1 to {MAX_OP_MAX}; this one is {seq}")]
    Seq { seq: u64 },
    #[error("the first operation after a genesis is number {}; this change starts at {start_op}", Genesis::MAX_OP + 1)]
    StartOp { start_op: u64 },
    #[error(
        "the group is full: its operations are numbered up to {MAX_OP_MAX}, and this change ends at {max_op}"
    )]
    MaxOp { max_op: u64 },
}

impl Content {
    /// Whether the entry is within the consensus limits.
    pub fn check(&self) -> Result<(), ContentError> {
        let body_bytes = match &self.body {
            Body::Text(text) => text.len(),
            Body::Sealed(bytes) => bytes.len(),
        };
        if body_bytes > BODY_BYTES_MAX {
            return Err(ContentError::BodyTooLong { bytes: body_bytes });
        }
        match &self.kind {
            Some(kind) => check_kind(kind)?,
            None if body_bytes == 0 => return Err(ContentError::BodyEmpty),
            None => {}
        }
        if let Some(from) = &self.from
            && !(1..=FROM_BYTES_MAX).contains(&from.len())
        {
            return Err(ContentError::FromLength { bytes: from.len() });
        }
        Ok(())
    }
}

fn check_kind(kind: &str) -> Result<(), ContentError> {
    if !(1..=KIND_BYTES_MAX).contains(&kind.len()) {
        return Err(ContentError::KindLength { bytes: kind.len() });
    }
    if kind == "message" {
        return Err(ContentError::KindMessage);
    }
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !word(kind.as_bytes()[0]) || !kind.bytes().all(|c| word(c) || c == b'.' || c == b'-') {
        return Err(ContentError::KindSyntax);
    }
    Ok(())
}

impl Header {
    /// Whether the header can be that of a change with this content, as far as the change alone can tell.
    pub fn check(&self, content: &Content) -> Result<(), HeaderError> {
        if !(1..=DEPS_MAX).contains(&self.deps.len()) {
            return Err(HeaderError::DepsCount { count: self.deps.len() });
        }
        if !self.deps.is_sorted_by(|a, b| a < b) {
            return Err(HeaderError::DepsOrder);
        }
        // Every change takes operations, so no honest sequence number passes the operation counter.
        if !(1..=MAX_OP_MAX).contains(&self.seq) {
            return Err(HeaderError::Seq { seq: self.seq });
        }
        if self.start_op <= Genesis::MAX_OP {
            return Err(HeaderError::StartOp { start_op: self.start_op });
        }
        let max_op = self.max_op(content);
        if max_op > MAX_OP_MAX {
            return Err(HeaderError::MaxOp { max_op });
        }
        Ok(())
    }
}
