//! What one binary WebSocket message holds: a kind byte, then control JSON, a sync message or a preview.
//!
//! A decoded frame is within every limit and its texts are plain ASCII, so they can be logged. Control
//! types of later versions decode to [`Control::Unknown`], to be ignored.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{GroupId, PeerId};
use crate::limits::{
    ADDRESSES_MAX, CLOSE_REASON_BYTES_MAX, CONTROL_BYTES_MAX, FRAME_BYTES_MAX, GROUPS_PER_FRAME_MAX,
    PEERS_PER_FRAME_MAX, PREVIEW_BYTES_MAX, PREVIEW_ENTRIES,
};
use crate::wire::address;
use crate::wire::close::CloseCode;
use crate::wire::deflate::{self, InflateError};
use crate::wire::sync_message::{SyncMessage, SyncMessageError};

const KIND_CONTROL: u8 = 0;
const KIND_SYNC: u8 = 1;
const KIND_DEFLATED: u8 = 2;
const KIND_PREVIEW: u8 = 3;
/// What comes before a sync message: kind and group.
const SYNC_HEAD: usize = 33;

/// Why bytes are not a frame. No state changes; the link that brought them is to be closed. No text of
/// the other side is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame is empty")]
    Empty,
    #[error("the frame is of the unknown kind {0}")]
    Kind(u8),
    #[error("the frame is {bytes} bytes long; the limit is {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("the control frame is not valid JSON, or lacks a field")]
    Json,
    #[error("the frame holds too many {0}")]
    TooMany(&'static str),
    #[error("the control frame holds an invalid {0}")]
    Invalid(&'static str),
    #[error("the frame is cut off before its group")]
    Group,
    #[error("the preview holds more than changes")]
    Preview,
    #[error("{0}")]
    Sync(#[from] SyncMessageError),
    #[error("{0}")]
    Inflate(#[from] InflateError),
}

impl FrameError {
    /// The code with which the link is closed.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::TooLarge { .. } | Self::TooMany(_) | Self::Inflate(InflateError::TooLarge { .. }) => {
                CloseCode::TooLarge
            }
            _ => CloseCode::Protocol,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Control(Control),
    Sync {
        group: GroupId,
        message: SyncMessage,
    },
    /// The newest entries of a group, without what they depend on. Nothing has been checked of them but their lengths.
    Preview {
        group: GroupId,
        changes: Vec<Arc<[u8]>>,
    },
}

/// What peers tell each other about themselves and the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// The first frame of each side, and only the first.
    Hello {
        version: u32,
        proof: Proof,
        /// Where the sender can be dialled.
        listen: Vec<String>,
        /// The sender reads compressed frames.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deflate: bool,
    },
    /// Where others can be dialled; made by [`Control::peers`].
    Peers { peers: Vec<PeerRecord> },
    /// The sender wants to sync these groups; made by [`Control::subscribe`].
    Subscribe { groups: Vec<GroupId> },
    /// The sender no longer wants to sync these; made by [`Control::unsubscribe`].
    Unsubscribe { groups: Vec<GroupId> },
    /// The sender wants the newest entries of this group before the rest.
    #[serde(rename = "newest")]
    Preview { group: GroupId },
    Ping {
        nonce: u64,
        /// Stands for the sender's heads of all groups that sync on this link; absent from those that do not
        /// compare.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<u64>,
    },
    /// Answers a ping with its nonce, the answering side's wall clock and its own digest.
    Pong {
        nonce: u64,
        wall_ms: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<u64>,
    },
    /// The last frame of a side; made by [`Control::close`].
    Close { code: u16, reason: String },
    /// A control type of a later version.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    pub key: PeerId,
    pub addresses: Vec<String>,
}

/// Shows that its sender knows the mesh secret, on one connection and in one role only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof(pub [u8; 32]);

impl Frame {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Control(control) => {
                let mut out = vec![KIND_CONTROL];
                // A control frame has no map keys but field names, and writing to memory does not fail.
                if let Err(error) = serde_json::to_writer(&mut out, control) {
                    unreachable!("a control frame is always JSON: {error}");
                }
                out
            }
            Self::Sync { group, message } => {
                let mut out = vec![KIND_SYNC];
                out.extend_from_slice(&group.0);
                message.encode_to(&mut out);
                out
            }
            Self::Preview { group, changes } => {
                let mut out = vec![KIND_PREVIEW];
                out.extend_from_slice(&group.0);
                SyncMessage { changes: changes.clone(), ..SyncMessage::default() }.encode_to(&mut out);
                out
            }
        }
    }

    /// An encoded frame made smaller, for who said that it reads such frames; `None` where that is not worth it.
    pub fn deflate(encoded: &[u8]) -> Option<Vec<u8>> {
        let (head, message) = encoded.split_at_checked(SYNC_HEAD).filter(|(head, _)| head[0] == KIND_SYNC)?;
        let packed = deflate::deflate(message)?;
        Some([&[KIND_DEFLATED][..], &head[1..], &packed].concat())
    }

    /// The memory that a received frame takes once it is decoded, in bytes, about.
    pub fn decoded_bytes(bytes: &[u8]) -> usize {
        match bytes.split_at_checked(SYNC_HEAD) {
            Some(([KIND_DEFLATED, ..], message)) => {
                // What cannot be read is refused when it is decoded.
                SYNC_HEAD + deflate::inflated_bytes(message).unwrap_or_default()
            }
            _ => bytes.len(),
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (&kind, rest) = bytes.split_first().ok_or(FrameError::Empty)?;
        let max = if kind == KIND_CONTROL { CONTROL_BYTES_MAX } else { FRAME_BYTES_MAX };
        if bytes.len() > max {
            return Err(FrameError::TooLarge { bytes: bytes.len(), max });
        }
        match kind {
            KIND_CONTROL => {
                // The parser's own error text would repeat what the other side wrote.
                let control: Control = serde_json::from_slice(rest).map_err(|_| FrameError::Json)?;
                control.check()?;
                Ok(Self::Control(control))
            }
            KIND_SYNC => {
                let (group, message) = rest.split_first_chunk().ok_or(FrameError::Group)?;
                Ok(Self::Sync { group: GroupId(*group), message: SyncMessage::decode(message)? })
            }
            KIND_DEFLATED => {
                let (group, message) = rest.split_first_chunk().ok_or(FrameError::Group)?;
                let message = SyncMessage::decode(&deflate::inflate(message)?)?;
                Ok(Self::Sync { group: GroupId(*group), message })
            }
            KIND_PREVIEW => {
                let (group, message) = rest.split_first_chunk().ok_or(FrameError::Group)?;
                Ok(Self::Preview { group: GroupId(*group), changes: read_preview(message)? })
            }
            _ => Err(FrameError::Kind(kind)),
        }
    }
}

/// A sync message that holds changes alone, few enough to be kept apart.
fn read_preview(message: &[u8]) -> Result<Vec<Arc<[u8]>>, FrameError> {
    let SyncMessage { heads, need, have, changes } = SyncMessage::decode(message)?;
    if !heads.is_empty() || !need.is_empty() || !have.is_empty() {
        return Err(FrameError::Preview);
    }
    if changes.len() > PREVIEW_ENTRIES {
        return Err(FrameError::TooMany("changes"));
    }
    let bytes = changes.iter().map(|change| change.len()).sum();
    if bytes > PREVIEW_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes, max: PREVIEW_BYTES_MAX });
    }
    Ok(changes)
}

impl Control {
    /// Tells of these peers, in as many frames as it takes.
    pub fn peers(peers: &[PeerRecord]) -> Vec<Self> {
        peers.chunks(PEERS_PER_FRAME_MAX).map(|part| Self::Peers { peers: part.to_vec() }).collect()
    }

    /// Asks for these groups, in as many frames as it takes.
    pub fn subscribe(groups: &[GroupId]) -> Vec<Self> {
        groups.chunks(GROUPS_PER_FRAME_MAX).map(|part| Self::Subscribe { groups: part.to_vec() }).collect()
    }

    /// Gives these groups up, in as many frames as it takes.
    pub fn unsubscribe(groups: &[GroupId]) -> Vec<Self> {
        groups.chunks(GROUPS_PER_FRAME_MAX).map(|part| Self::Unsubscribe { groups: part.to_vec() }).collect()
    }

    pub fn close(code: CloseCode) -> Self {
        Self::Close { code: code.number(), reason: code.reason().to_owned() }
    }

    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Hello { listen, .. } => check_addresses(listen),
            Self::Peers { peers } if peers.len() > PEERS_PER_FRAME_MAX => Err(FrameError::TooMany("peers")),
            Self::Peers { peers } => peers.iter().try_for_each(|peer| check_addresses(&peer.addresses)),
            Self::Subscribe { groups } | Self::Unsubscribe { groups }
                if groups.len() > GROUPS_PER_FRAME_MAX =>
            {
                Err(FrameError::TooMany("groups"))
            }
            Self::Close { reason, .. } => {
                let plain = |c: u8| c.is_ascii_graphic() || c == b' ';
                let valid = reason.len() <= CLOSE_REASON_BYTES_MAX && reason.bytes().all(plain);
                if valid { Ok(()) } else { Err(FrameError::Invalid("reason")) }
            }
            _ => Ok(()),
        }
    }
}

fn check_addresses(addresses: &[String]) -> Result<(), FrameError> {
    if addresses.len() > ADDRESSES_MAX {
        return Err(FrameError::TooMany("addresses"));
    }
    addresses
        .iter()
        .try_for_each(|address| address::check(address).map_err(|_| FrameError::Invalid("address")))
}

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a proof is 64 hexadecimal digits"))
    }
}

impl From<Control> for Frame {
    fn from(control: Control) -> Self {
        Self::Control(control)
    }
}
