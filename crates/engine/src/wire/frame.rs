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

/// Why bytes are not a valid frame. No state changes; the engine closes the link that delivered them. The texts repeat
/// nothing that the other side wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message has no bytes.
    #[error("the frame is empty")]
    Empty,
    /// The first byte is none of the known kinds.
    #[error("the frame is of the unknown kind {0}")]
    Kind(u8),
    /// The frame, or the changes of a preview, exceed their limit.
    #[error("the frame is {bytes} bytes long; the limit is {max}")]
    TooLarge {
        /// The length in bytes.
        bytes: usize,
        /// The largest length in bytes that is allowed here.
        max: usize,
    },
    /// The control frame is not JSON, or a field is missing or of the wrong type.
    #[error("the control frame is not valid JSON, or lacks a field")]
    Json,
    /// The named list has more items than its limit.
    #[error("the frame holds too many {0}")]
    TooMany(&'static str),
    /// The named field has an invalid value.
    #[error("the control frame holds an invalid {0}")]
    Invalid(&'static str),
    /// The frame ends within its group id.
    #[error("the frame is cut off before its group")]
    Group,
    /// The preview carries heads, needs or filters.
    #[error("the preview holds more than changes")]
    Preview,
    /// The sync message is invalid.
    #[error("{0}")]
    Sync(#[from] SyncMessageError),
    /// The compressed sync message cannot be decompressed.
    #[error("{0}")]
    Inflate(#[from] InflateError),
}

impl FrameError {
    /// The code with which to close the link.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::TooLarge { .. } | Self::TooMany(_) | Self::Inflate(InflateError::TooLarge { .. }) => {
                CloseCode::TooLarge
            }
            _ => CloseCode::Protocol,
        }
    }
}

/// One message between two peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// About the peers and the link.
    Control(Control),
    /// A step of the sync session of one group.
    Sync {
        /// The group to sync.
        group: GroupId,
        /// Heads, requests and changes; the changes are unchecked bytes.
        message: SyncMessage,
    },
    /// The newest entries of a group, without their dependencies.
    Preview {
        /// The group that the entries are said to be of.
        group: GroupId,
        /// Unchecked bytes within `PREVIEW_ENTRIES` and `PREVIEW_BYTES_MAX`, oldest first.
        changes: Vec<Arc<[u8]>>,
    },
}

/// What peers tell each other about themselves and the link. Written as JSON, with the name of the variant as `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// The first frame of each side, and no later one.
    Hello {
        /// The sender's [`PROTOCOL`](super::PROTOCOL).
        version: u32,
        /// Shows that the sender knows the mesh secret.
        proof: Proof,
        /// Where the sender can be dialled, as `host:port`; at most `ADDRESSES_MAX`.
        listen: Vec<String>,
        /// Whether the sender reads compressed frames.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deflate: bool,
    },
    /// Where other peers can be dialled; built by [`Control::peers`].
    Peers {
        /// At most `PEERS_PER_FRAME_MAX`.
        peers: Vec<PeerRecord>,
    },
    /// The sender wants to sync these groups; built by [`Control::subscribe`].
    Subscribe {
        /// At most `GROUPS_PER_FRAME_MAX`.
        groups: Vec<GroupId>,
    },
    /// The sender no longer wants to sync these groups; built by [`Control::unsubscribe`].
    Unsubscribe {
        /// At most `GROUPS_PER_FRAME_MAX`.
        groups: Vec<GroupId>,
    },
    /// The sender asks for a preview: the newest entries of a group before the rest.
    #[serde(rename = "newest")]
    Preview {
        /// The group to preview.
        group: GroupId,
    },
    /// Asks for a pong, to keep the link alive and to compare heads.
    Ping {
        /// Repeated by the pong.
        nonce: u64,
        /// Hash of the sender's heads in all groups that sync on this link; absent if the sender does not compare.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<u64>,
    },
    /// Answers a ping.
    Pong {
        /// The nonce of the ping.
        nonce: u64,
        /// The sender's wall clock in milliseconds since 1970.
        wall_ms: i64,
        /// As in the ping, for the sender of the pong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<u64>,
    },
    /// The last frame of a side; built by [`Control::close`].
    Close {
        /// The number of a [`CloseCode`], possibly of a later version.
        code: u16,
        /// Printable ASCII, at most `CLOSE_REASON_BYTES_MAX` bytes.
        reason: String,
    },
    /// A control type of a later version, to be ignored.
    #[serde(other)]
    Unknown,
}

/// What one peer tells of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Public key of the peer.
    pub key: PeerId,
    /// Where the peer can be dialled, as `host:port`; at most `ADDRESSES_MAX`.
    pub addresses: Vec<String>,
}

/// Shows that its sender knows the mesh secret. Valid for one connection and one role (dialler or listener) only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof(pub [u8; 32]);

impl Frame {
    /// The bytes of one WebSocket message, uncompressed.
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

    /// Compresses an encoded sync frame, for a peer whose hello set `deflate`. `None` for other frames, or if it
    /// saves nothing.
    pub fn deflate(encoded: &[u8]) -> Option<Vec<u8>> {
        let (head, message) = encoded.split_at_checked(SYNC_HEAD).filter(|(head, _)| head[0] == KIND_SYNC)?;
        let packed = deflate::deflate(message)?;
        Some([&[KIND_DEFLATED][..], &head[1..], &packed].concat())
    }

    /// About how many bytes of memory a received frame takes once decoded.
    pub fn decoded_bytes(bytes: &[u8]) -> usize {
        match bytes.split_at_checked(SYNC_HEAD) {
            Some(([KIND_DEFLATED, ..], message)) => {
                // An unreadable length counts as 0 here; `decode` refuses it.
                SYNC_HEAD + deflate::inflated_bytes(message).unwrap_or_default()
            }
            _ => bytes.len(),
        }
    }

    /// Reads one WebSocket message and checks every limit. Changes are not looked into.
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

/// Reads a sync message that holds changes alone, within the limits of a preview.
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
    /// Announces these peers, in as many frames as it takes.
    pub fn peers(peers: &[PeerRecord]) -> Vec<Self> {
        peers.chunks(PEERS_PER_FRAME_MAX).map(|part| Self::Peers { peers: part.to_vec() }).collect()
    }

    /// Subscribes to these groups, in as many frames as it takes.
    pub fn subscribe(groups: &[GroupId]) -> Vec<Self> {
        groups.chunks(GROUPS_PER_FRAME_MAX).map(|part| Self::Subscribe { groups: part.to_vec() }).collect()
    }

    /// Unsubscribes from these groups, in as many frames as it takes.
    pub fn unsubscribe(groups: &[GroupId]) -> Vec<Self> {
        groups.chunks(GROUPS_PER_FRAME_MAX).map(|part| Self::Unsubscribe { groups: part.to_vec() }).collect()
    }

    /// The frame that gives `code` as the reason for closing.
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
