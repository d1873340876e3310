//! What readers hand to the faces: entries, groups and people as they are shown.

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
    /// Effective time in milliseconds: with the id, the place in the history.
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
    /// Arrived when newer entries were already there.
    pub late: bool,
    /// What others, and the author, have put on it.
    pub marks: Vec<MarkOn>,
    pub(super) arrival: u64,
}

/// A mark that lies on an entry. Whether it counts is for the kind that sets it to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarkOn {
    pub slot: String,
    pub author: PeerId,
    pub tag: String,
    pub value: String,
}

impl Entry {
    /// This peer's own number for it, in the order of arrival; 0 while something beneath it is lost here.
    pub fn arrival(&self) -> u64 {
        self.arrival
    }
}

/// Which page of a history. The genesis (a group's id) counts as before everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Newest,
    /// The entries just above this one, itself not included.
    Before(ChangeHash),
    /// The entries just below this one, itself not included.
    After(ChangeHash),
    /// This one in the middle.
    Around(ChangeHash),
}

/// A page, oldest first, and whether the history goes on beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    pub entries: Vec<T>,
    pub more_before: bool,
    pub more_after: bool,
}

/// What a person has to look at in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// He has read what arrived up to here.
    pub read: EntryNo,
    /// Messages of others that arrived after that; no more than `UNREAD_MAX` are counted.
    pub unread: u64,
    /// Of these, those that are meant for him.
    pub mentions: u64,
    /// The effective time of the last entry in display order.
    pub newest: Option<Timestamp>,
}

/// A place in the order of arrival of all groups: just after an entry. The default is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedPlace {
    pub seq: u64,
    /// The beginning of the hash of the entry before.
    pub entry: [u8; 8],
}

/// Something that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    /// Just after it.
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
    /// In a group that this peer has left; or it cannot be read now.
    Elsewhere,
}

/// A group that is held here, or that is only known by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// `None` when the directory names the group and nothing of it is held here.
    pub no: Option<GroupNo>,
    pub id: GroupId,
    pub name: GroupName,
    pub entries: u64,
    pub topic: Option<String>,
    pub joined: bool,
    /// The entries that nothing depends on.
    pub heads: Vec<ChangeHash>,
}

/// Somebody who wrote, joined or has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub key: PeerId,
    pub name: Option<String>,
    pub joined: bool,
}

/// An entry that a search found, and what surrounds it, oldest first.
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
