//! Events, which change the state, and effects, which the state requests. Nothing else passes between the state and the
//! terminal, the service and the disk.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use peer_engine::id::{ChangeHash, GroupName, PeerId};

use crate::api::{Group, History, Hit, NewMessage, Preview, Row, Status, User, What};

#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    /// There is a connection to this peer's service; `own` if the service runs in this process.
    Connected {
        peer: PeerId,
        own: bool,
    },
    /// The connection is lost. The shell looks for another service.
    Lost(String),
    /// From the service's stream of events.
    Feed(What),
    /// An effect has succeeded.
    Answer(Answer),
    /// An effect has failed. `gone`: no service answered, so it may be tried again.
    Failed {
        effect: Effect,
        why: String,
        gone: bool,
    },
}

/// A part of a group's history to load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Newest,
    Before(ChangeHash),
    After(ChangeHash),
    Around(ChangeHash),
    /// From the group's genesis on.
    Oldest(ChangeHash),
    /// Around the row at the bottom of the screen, which stays there: events were missed.
    Again(ChangeHash),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    Quit,
    Redraw,
    Suspend,
    LoadGroups,
    LoadStatus,
    /// Everybody in the mesh.
    LoadPeople,
    LoadMembers(GroupName),
    LoadPage {
        group: GroupName,
        part: Part,
    },
    LoadLate {
        group: GroupName,
        after: u64,
    },
    /// Requests are numbered, so that an answer that is out of date is recognised.
    LoadPreview {
        group: GroupName,
        number: u64,
    },
    LoadQuoted {
        group: GroupName,
        id: ChangeHash,
    },
    /// Messages are sent in order, and again under the same key until a service answers.
    Send {
        group: GroupName,
        message: NewMessage,
    },
    MarkRead {
        group: GroupName,
        arrival: u64,
    },
    Join(GroupName),
    Create(GroupName),
    Leave(GroupName),
    SetTopic {
        group: GroupName,
        topic: String,
    },
    SetName(String),
    Search(String),
    Whois(User),
    ShowTicket,
    WriteTicket(PathBuf),
    Export {
        group: GroupName,
        file: PathBuf,
    },
}

pub enum Answer {
    Groups(Vec<Group>),
    Status(Box<Status>),
    People(Vec<User>),
    Members(GroupName, Vec<User>),
    Page {
        group: GroupName,
        part: Part,
        page: History,
    },
    Late {
        group: GroupName,
        rows: Vec<Row>,
    },
    Quoted {
        group: GroupName,
        row: Box<Row>,
    },
    Preview {
        number: u64,
        preview: Preview,
    },
    Sent {
        group: GroupName,
        key: String,
        id: ChangeHash,
        stored_on: u32,
    },
    Marked(Box<Group>),
    Entered(GroupName),
    Left(GroupName),
    Found {
        words: String,
        hits: Vec<Hit>,
    },
    Whois {
        user: User,
        groups: Vec<GroupName>,
    },
    Ticket(String),
    /// The effect is done; a line that says so.
    Done(String),
}

/// Prints only the name of the variant, since a ticket is a secret.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Groups(_) => "Groups",
            Self::Status(_) => "Status",
            Self::People(_) => "People",
            Self::Members(..) => "Members",
            Self::Page { .. } => "Page",
            Self::Late { .. } => "Late",
            Self::Quoted { .. } => "Quoted",
            Self::Preview { .. } => "Preview",
            Self::Sent { .. } => "Sent",
            Self::Marked(_) => "Marked",
            Self::Entered(_) => "Entered",
            Self::Left(_) => "Left",
            Self::Found { .. } => "Found",
            Self::Whois { .. } => "Whois",
            Self::Ticket(_) => "Ticket",
            Self::Done(_) => "Done",
        })
    }
}
