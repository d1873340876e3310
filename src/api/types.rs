//! The requests and responses of the API, which are also the JSON that the command line prints.

use std::fmt;
use std::net::SocketAddr;

use peer_engine::change::Body;
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::kinds;
use peer_engine::time::Timestamp;
use schemars::JsonSchema;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::SEND_BATCH_MAX;
use crate::store;

pub use crate::node::{Behind, Flagged, GroupKey, GroupStatus, LinkStatus, Status, Unreachable};
pub use crate::store::MarkOn;
pub use peer_engine::engine::Draft as NewMessage;
/// The `kind` of a row that is a message. In the change itself a message is an entry without a kind.
pub use peer_engine::kinds::MESSAGE;

/// One entry of a group's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    pub id: ChangeHash,
    pub group: GroupName,
    pub group_id: GroupId,
    /// The time of the entry by the author's clock.
    pub at: Timestamp,
    /// Effective time in milliseconds: rows of a group are shown in the order of `(eff, id)`.
    pub eff: i64,
    pub author: PeerId,
    /// The author's present display name.
    pub name: Option<String>,
    /// The name of the person whose message the author relays.
    pub from: Option<String>,
    pub kind: String,
    /// What the author did, to be displayed after the name, such as "joined". Absent for messages, and for
    /// kinds that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// `null` if the entry is sealed.
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub sealed: bool,
    /// The entry that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<ChangeHash>,
    /// Whether it arrived after entries that are shown below it.
    pub late: bool,
    /// Its number in the order of arrival, which is local to this peer.
    pub arrival: u64,
    /// Whether it is from somebody else, and mentions this peer's person or replies to them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mention: bool,
    /// For own messages: the number of peers that are known to store it, this one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_on: Option<u32>,
    /// The marks on it, such as reactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkOn>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl From<store::Entry> for Row {
    fn from(entry: store::Entry) -> Self {
        let arrival = entry.arrival();
        let (body, sealed) = match entry.body {
            Body::Text(text) => (Some(text), false),
            Body::Sealed(_) => (None, true),
        };
        Self {
            id: entry.id,
            group: entry.group,
            group_id: entry.group_id,
            at: entry.at,
            eff: entry.eff,
            author: entry.author,
            name: entry.name,
            from: entry.from,
            says: body.as_deref().and_then(|body| kinds::sentence(entry.kind.as_deref(), body)),
            kind: entry.kind.unwrap_or_else(|| MESSAGE.to_owned()),
            body,
            sealed,
            re: entry.re,
            late: entry.late,
            arrival,
            mention: false,
            stored_on: None,
            marks: entry.marks,
        }
    }
}

/// Who answers: the first request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    pub peer: PeerId,
    pub mesh: MeshId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub name: GroupName,
    pub id: GroupId,
    /// The number of entries held here; 0 for a group that is only known to exist.
    pub entries: u64,
    pub topic: Option<String>,
    pub joined: bool,
    /// Messages of others that arrived after `read`; 1000 means 1000 or more.
    pub unread: u64,
    /// How many of these mention this peer's person.
    pub mentions: u64,
    /// The arrival number up to which this peer's person has read.
    pub read: u64,
    /// The effective time of the last entry of the history.
    pub newest: Option<Timestamp>,
}

impl Group {
    pub(super) fn new(group: store::GroupSummary, attention: store::Attention) -> Self {
        Self {
            unread: attention.unread,
            mentions: attention.mentions,
            read: attention.read.0,
            newest: attention.newest,
            name: group.name,
            id: group.id,
            entries: group.entries,
            topic: group.topic,
            joined: group.joined,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Groups {
    pub groups: Vec<Group>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// A group to create, join or leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRef {
    pub name: GroupName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupCreated {
    pub name: GroupName,
    pub id: GroupId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Topic {
    pub topic: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Name {
    pub name: String,
}

/// The arrival number up to which this peer's person has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadMark {
    pub arrival: u64,
}

/// Which page of history: the newest, or the one before, after or around an entry. The id of a group is also
/// that of its genesis, so `after` with the group's id is the oldest page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ChangeHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ChangeHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<ChangeHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One page, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    pub entries: Vec<Row>,
    /// All entries up to this arrival number were stored when the page was read.
    pub arrival: u64,
    /// The cursor from which events continue without a gap; entries of this page may come again.
    pub cursor: String,
    pub more_before: bool,
    pub more_after: bool,
}

/// Late entries that arrived after `after`, in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateQuery {
    #[serde(default)]
    pub after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    pub entries: Vec<Row>,
}

/// The newest entries of a group that is still catching up, sent ahead by one peer. Each is complete and
/// signed by its author. Its place in the history, and whether it is accepted, is known once everything that
/// it depends on has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// The peer that sent them; `null` if there is no preview.
    pub from: Option<PeerId>,
    /// Oldest first, in the sender's order, without those that the history holds by now. `arrival` is 0.
    pub entries: Vec<Row>,
}

/// Where to begin, and optionally the one group whose events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventsQuery {
    /// The cursor of the last event that was handled; if absent, the stream begins with the next event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupKey>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The cursor to resume from after this event.
    pub cursor: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An entry of a group that this peer has joined, including own entries; in order of arrival.
    Entry { row: Box<Row> },
    /// Groups, topics, membership or read marks have changed.
    Groups,
    /// People, names or connections have changed.
    Users,
    Status {
        /// The number of linked peers.
        links: u32,
        /// Groups of which a linked peer has entries that are not here yet.
        behind: Vec<GroupName>,
        /// Groups of which a linked peer lacks entries that are here.
        ahead: Vec<GroupName>,
    },
    /// The number of peers that are known to store an own message, this one included.
    Delivery { group: GroupName, id: ChangeHash, stored_on: u32 },
    /// The preview of a group has changed or ended. A stream begins with one event per present preview.
    Preview { group: GroupName },
    /// The cursor is unknown or too old: read everything again, and resume from this event's cursor.
    Resync,
    /// An event of a later version.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewMessages {
    #[serde(deserialize_with = "at_most_a_batch")]
    pub messages: Vec<NewMessage>,
    /// How long to wait for the linked peers to store them before answering.
    #[serde(default)]
    pub patience_ms: u64,
}

/// Stops reading once there are too many: a body of empty messages would take twenty times its size.
fn at_most_a_batch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NewMessage>, D::Error> {
    struct Batch;

    impl<'de> Visitor<'de> for Batch {
        type Value = Vec<NewMessage>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {SEND_BATCH_MAX} messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut messages = Vec::new();
            while let Some(message) = items.next_element()? {
                if messages.len() == SEND_BATCH_MAX {
                    let text = format!("a request has 1 to {SEND_BATCH_MAX} messages; this one has more");
                    return Err(A::Error::custom(text));
                }
                messages.push(message);
            }
            Ok(messages)
        }
    }

    deserializer.deserialize_seq(Batch)
}

/// A message that is durable here, and the number of peers that are known to store it, this one included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    pub id: ChangeHash,
    pub stored_on: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentMessages {
    pub messages: Vec<Sent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    pub key: PeerId,
    pub name: Option<String>,
    pub joined: bool,
    pub connected: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Users {
    pub users: Vec<User>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsersQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextQuery {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How many rows before and after each hit are returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<usize>,
}

/// A message that was found, and the rows around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    #[serde(flatten)]
    pub row: Row,
    pub before: Vec<Row>,
    pub after: Vec<Row>,
}

impl From<store::Hit> for Hit {
    fn from(hit: store::Hit) -> Self {
        let rows = |entries: Vec<store::Entry>| entries.into_iter().map(Row::from).collect();
        Self { row: hit.entry.into(), before: rows(hit.before), after: rows(hit.after) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hits {
    pub hits: Vec<Hit>,
}

/// Holds the mesh secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invitation {
    pub ticket: String,
}

/// The URL that logs one browser in. Holds a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    pub url: String,
}

/// The code behind the `#open=` of such a URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Code {
    pub code: String,
}

/// What `peer serve` prints once it runs. Holds the mesh secret in its ticket, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Always "ready".
    pub event: String,
    pub peer: PeerId,
    pub name: Option<String>,
    pub mesh: MeshId,
    /// With the actual port if port 0 was requested.
    pub listen: Vec<SocketAddr>,
    pub api: Option<SocketAddr>,
    /// A URL that logs one browser in, once and within a short time.
    pub page: Option<String>,
    pub ticket: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            id: ChangeHash([1; 32]),
            group: "rust".parse().unwrap(),
            group_id: GroupId([4; 32]),
            at: Timestamp::from_millis(1_700_000_000_123).unwrap(),
            eff: 1_700_000_000_124,
            author: PeerId([2; 32]),
            name: None,
            from: None,
            kind: MESSAGE.to_owned(),
            says: None,
            body: Some("hi".to_owned()),
            sealed: false,
            re: None,
            late: false,
            arrival: 7,
            mention: false,
            stored_on: None,
            marks: Vec::new(),
        }
    }

    #[test]
    fn a_row_has_exactly_the_documented_fields() {
        let json = serde_json::to_value(row()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "id": "01".repeat(32), "group": "rust", "group_id": "04".repeat(32), "at": "2023-11-14T22:13:20.123Z", "eff": 1_700_000_000_124_i64, "author": "02".repeat(32),
                "name": null, "from": null, "kind": "message", "body": "hi", "late": false, "arrival": 7,
            })
        );
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row());
    }

    #[test]
    fn a_sealed_row_and_a_reply_say_so() {
        let sealed = Row { body: None, sealed: true, re: Some(ChangeHash([3; 32])), ..row() };
        let json = serde_json::to_value(&sealed).unwrap();
        assert_eq!((&json["body"], &json["sealed"]), (&serde_json::Value::Null, &true.into()));
        assert_eq!(json["re"], "03".repeat(32));
    }

    #[test]
    fn a_hit_is_a_row_with_its_surroundings() {
        let hit = Hit { row: row(), before: vec![row()], after: Vec::new() };
        let json = serde_json::to_value(&hit).unwrap();
        assert_eq!(json["body"], "hi");
        assert_eq!(json["before"][0]["arrival"], 7);
        assert_eq!(serde_json::from_value::<Hit>(json).unwrap(), hit);
    }

    #[test]
    fn a_message_that_no_peer_would_take_is_refused_with_the_limit() {
        let long = NewMessage::text("x".repeat(peer_engine::limits::BODY_BYTES_MAX + 1));
        assert!(
            long.check().unwrap_err().to_string().contains(&peer_engine::limits::BODY_BYTES_MAX.to_string())
        );
        assert!(NewMessage::text("x".repeat(peer_engine::limits::BODY_BYTES_MAX)).check().is_ok());
    }
}
