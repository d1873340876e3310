//! What readers return to the user interfaces: entries, groups and people as they are shown.

use peer_engine::change::Body;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, GroupName, PeerId};
use peer_engine::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of a group, checked against its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub no: EntryNo,
    pub id: ChangeHash,
    pub group: GroupName,
    pub group_id: GroupId,
    /// The author's own clock.
    pub at: Timestamp,
    /// Effective time in milliseconds. It and the id determine the place in the display order.
    pub eff: i64,
    pub author: PeerId,
    /// The author's latest display name.
    pub name: Option<String>,
    /// The name that the author relays for.
    pub from: Option<String>,
    /// `None` is a message.
    pub kind: Option<String>,
    pub body: Body,
    pub re: Option<ChangeHash>,
    /// Newer entries were already there when it arrived.
    pub late: bool,
    /// The marks that others, and the author, have put on it.
    pub marks: Vec<MarkOn>,
    pub(super) arrival: u64,
}

/// A mark on an entry. The kind that sets it decides whether it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarkOn {
    pub slot: String,
    pub author: PeerId,
    pub tag: String,
    pub value: String,
}

impl Entry {
    /// This peer's own number for it, in the order of arrival; 0 while one of its ancestors is lost here.
    pub fn arrival(&self) -> u64 {
        self.arrival
    }
}

/// Which page of a history. The genesis (a group's id) is before all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Newest,
    /// The entries just above this one, without it.
    Before(ChangeHash),
    /// The entries just below this one, without it.
    After(ChangeHash),
    /// The entries around this one.
    Around(ChangeHash),
}

/// A page, oldest first, and whether there are more entries beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    pub entries: Vec<T>,
    pub more_before: bool,
    pub more_after: bool,
}

/// What a person has not read in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// The last entry that the person has read, in the order of arrival.
    pub read: EntryNo,
    /// Messages of others that arrived after that; at most `UNREAD_MAX` are counted.
    pub unread: u64,
    /// How many of these are mentions.
    pub mentions: u64,
    /// The effective time of the last entry in display order.
    pub newest: Option<Timestamp>,
}

/// A place in the order of arrival of all groups: just after an entry. The default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedPlace {
    pub seq: u64,
    /// The first bytes of the hash of the entry before it.
    pub entry: [u8; 8],
}

/// An entry that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    /// The place just after it.
    pub place: FeedPlace,
    pub group: GroupNo,
    pub what: FeedWhat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedWhat {
    /// In a group that this peer has joined.
    Entry(Box<Entry>),
    /// In the directory of the mesh: an entry of this kind.
    Directory(Option<String>),
    /// In a group that this peer has left; or the entry cannot be read now.
    Elsewhere,
}

/// A group that is stored here, or that only the directory names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// `None` when only the directory names the group and none of its entries are stored here.
    pub no: Option<GroupNo>,
    pub id: GroupId,
    pub name: GroupName,
    pub entries: u64,
    pub topic: Option<String>,
    pub joined: bool,
    /// The entries that no other depends on.
    pub heads: Vec<ChangeHash>,
}

/// A person who wrote, joined or has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub key: PeerId,
    pub name: Option<String>,
    pub joined: bool,
}

/// An entry that a search found, with the entries around it, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub entry: Entry,
    pub before: Vec<Entry>,
    pub after: Vec<Entry>,
}

/// A group saved as an Automerge document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// It holds the entries up to this number.
    pub entries: u64,
    pub bytes: Vec<u8>,
}
