//! Entries that set something: the newest in display order wins, on every peer alike.

use crate::change::{Body, Content};
use crate::id::{GroupName, PeerId};
use crate::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};

/// The kinds that this version knows. An entry without a kind is a message.
pub mod kind {
    pub const JOIN: &str = "join";
    pub const LEAVE: &str = "leave";
    pub const TOPIC: &str = "topic";
    /// In the directory: the author's display name.
    pub const NAME: &str = "name";
    /// In the directory: a group of this name exists.
    pub const GROUP: &str = "group";
}

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// Key: author. Value: "join" or "leave".
    Member,
    /// Key: empty. Value: the topic.
    Topic,
    /// Key: author. Value: the display name.
    Name,
    /// Key: the group's name. Value: empty.
    Group,
}

impl Slot {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Topic => "topic",
            Self::Name => "name",
            Self::Group => "group",
        }
    }
}

/// One register that an entry sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    pub slot: Slot,
    pub key: Vec<u8>,
    pub value: String,
}

/// The register that an entry of this author sets, if any. What does not make sense (an over-long
/// topic, a group name that does not parse) stays in the history and sets nothing.
pub fn register_of(author: &PeerId, content: &Content) -> Option<Register> {
    let Body::Text(body) = &content.body else { return None };
    let by_author =
        |slot, value: &str| Some(Register { slot, key: author.as_bytes().to_vec(), value: value.to_owned() });
    match content.kind.as_deref()? {
        kind::JOIN => by_author(Slot::Member, kind::JOIN),
        kind::LEAVE => by_author(Slot::Member, kind::LEAVE),
        kind::NAME if (1..=NAME_BYTES_MAX).contains(&body.len()) => by_author(Slot::Name, body),
        kind::TOPIC if body.len() <= TOPIC_BYTES_MAX => {
            Some(Register { slot: Slot::Topic, key: Vec::new(), value: body.clone() })
        }
        kind::GROUP => {
            let name: GroupName = body.parse().ok()?;
            Some(Register { slot: Slot::Group, key: name.as_str().into(), value: String::new() })
        }
        _ => None,
    }
}
