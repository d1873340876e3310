//! The consensus limits on the parts of a change. The verdict depends on the change alone, so all peers agree.

use super::content::{Body, Content, Header};
use super::genesis::Genesis;
use crate::limits::{BODY_BYTES_MAX, DEPS_MAX, FROM_BYTES_MAX, KIND_BYTES_MAX, MAX_OP_MAX};

/// Why a content is beyond the consensus limits. The texts are shown to users. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The body is longer than `BODY_BYTES_MAX`.
    #[error("a message is at most {BODY_BYTES_MAX} bytes; this one has {bytes}")]
    BodyTooLong {
        /// Length of the body in bytes.
        bytes: usize,
    },
    /// A message has an empty body, which only other kinds may have.
    #[error("a message is at least 1 byte; this one is empty")]
    BodyEmpty,
    /// The kind is empty or longer than `KIND_BYTES_MAX`.
    #[error("a kind is 1 to {KIND_BYTES_MAX} bytes; this one has {bytes}")]
    KindLength {
        /// Length of the kind in bytes.
        bytes: usize,
    },
    /// The kind holds a character that is not allowed.
    #[error("a kind is made of a-z, 0-9, '.' and '-', and starts with a letter or a digit")]
    KindSyntax,
    /// The kind is "message"; a message has none, so that there is one way to write it.
    #[error("a message is written by leaving its kind out, not by the kind \"message\"")]
    KindMessage,
    /// The relayed name is empty or longer than `FROM_BYTES_MAX`.
    #[error("a relayed name is 1 to {FROM_BYTES_MAX} bytes; this one has {bytes}")]
    FromLength {
        /// Length of the name in bytes.
        bytes: usize,
    },
}

/// Why a header is invalid, as far as the change alone can tell. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The change has no dependency, or more than `DEPS_MAX`.
    #[error("a change has 1 to {DEPS_MAX} dependencies; this one has {count}")]
    DepsCount {
        /// Number of dependencies.
        count: usize,
    },
    /// The dependencies are not in strictly ascending order.
    #[error("a change's dependencies are in strictly ascending order")]
    DepsOrder,
    /// The sequence number is out of range.
    #[error("a sequence number is 1 to {MAX_OP_MAX}; this one is {seq}")]
    Seq {
        /// The sequence number.
        seq: u64,
    },
    /// The first operation counter is one of the genesis.
    #[error("the first operation after a genesis is number {}; this change starts at {start_op}", Genesis::MAX_OP + 1)]
    StartOp {
        /// The first operation counter.
        start_op: u64,
    },
    /// The last operation counter exceeds `MAX_OP_MAX`.
    #[error(
        "the group is full: its operations are numbered up to {MAX_OP_MAX}, and this change ends at {max_op}"
    )]
    MaxOp {
        /// The last operation counter.
        max_op: u64,
    },
}

impl Content {
    /// Checks the content against the consensus limits.
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
    /// Checks the header of a change with this content, as far as the change alone can tell.
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
