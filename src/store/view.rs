//! What readers hand to the faces: entries, groups and people as they are shown.

use crate::change::Body;
use crate::group::{EntryNo, GroupNo};
use crate::id::{ChangeHash, GroupId, GroupName, PeerId};
use crate::time::Timestamp;

/// One entry of a group, checked against its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub no: EntryNo,
    pub id: ChangeHash,
    pub group: GroupName,
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
}

/// Which page of a history. The genesis (a group's id) counts as before everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Newest,
    /// The entries just above this one, itself not included.
    Before(ChangeHash),
    /// The entries just below this one, itself not included.
    After(ChangeHash),
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
