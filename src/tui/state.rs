//! The state of the terminal UI, as one value.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::tz::TimeZone;
use peer_engine::id::{ChangeHash, GroupName, PeerId};

use super::editor::Editor;
use super::keys::KeyMap;
use super::preview::CurrentPreview;
use super::refresh::Refreshes;
use super::room::Room;
use super::theme::Theme;
use crate::api::{Group, Hit, Status, User};

/// What stays the same while the program runs.
#[derive(Clone, Debug)]
pub struct Settings {
    pub theme: Theme,
    pub keys: KeyMap,
    pub zone: TimeZone,
    /// Random in every run. The key of an own message consists of it and of the message's number in this run, so no two
    /// messages have the same key.
    pub run: u64,
}

#[derive(Debug)]
pub struct State {
    pub settings: Settings,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    pub connection: Connection,
    pub me: Option<PeerId>,
    /// All known groups, joined or not, sorted by name.
    pub groups: Vec<Group>,
    /// The groups that were opened, or in which something has arrived.
    pub rooms: BTreeMap<GroupName, Room>,
    pub current: Option<GroupName>,
    /// The preview of the current group.
    pub(super) preview: CurrentPreview,
    /// The group that was joined last, until the list of groups has it as joined.
    pub(super) entered: Option<GroupName>,
    pub people: Vec<User>,
    /// Their names now.
    pub names: HashMap<PeerId, String>,
    /// Names that several of them have.
    pub ambiguous: HashSet<String>,
    pub status: Option<Status>,
    pub links: u32,
    pub behind: Vec<GroupName>,
    pub ahead: Vec<GroupName>,
    pub editor: Editor,
    pub overlay: Option<Overlay>,
    /// The message that is picked.
    pub selection: Option<ChangeHash>,
    pub completion: Option<Completion>,
    /// A line that stays until the next key.
    pub notice: Option<Notice>,
    /// The last key was a request to quit that the next one confirms.
    pub leaving: bool,
    pub(super) sent: u64,
    pub(super) refreshes: Refreshes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connection {
    Starting,
    /// `own`: the service runs in this process.
    Open {
        own: bool,
    },
    Lost(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub text: String,
    pub wrong: bool,
}

/// A view over the screen, which receives the keys.
#[derive(Debug)]
pub enum Overlay {
    Help {
        scroll: usize,
    },
    /// The lines are cleaned.
    Text {
        title: String,
        lines: Vec<String>,
        scroll: usize,
    },
    Switcher {
        filter: Editor,
        selected: usize,
    },
    Found {
        words: String,
        hits: Vec<Hit>,
        selected: usize,
    },
    /// Before a ticket is shown.
    TicketWarning,
}

/// A word that is being completed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    pub options: Vec<String>,
    pub selected: usize,
    /// How many bytes before the cursor the selected option takes.
    pub taken: usize,
}

impl State {
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        Self {
            settings,
            size,
            connection: Connection::Starting,
            me: None,
            groups: Vec::new(),
            rooms: BTreeMap::new(),
            current: None,
            preview: CurrentPreview::default(),
            entered: None,
            people: Vec::new(),
            names: HashMap::new(),
            ambiguous: HashSet::new(),
            status: None,
            links: 0,
            behind: Vec::new(),
            ahead: Vec::new(),
            editor: Editor::default(),
            overlay: None,
            selection: None,
            completion: None,
            notice: None,
            leaving: false,
            sent: 0,
            refreshes: Refreshes::default(),
        }
    }

    pub fn room(&self) -> Option<&Room> {
        self.rooms.get(self.current.as_ref()?)
    }

    pub fn room_mut(&mut self) -> Option<&mut Room> {
        self.rooms.get_mut(self.current.as_ref()?)
    }

    pub fn joined(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.joined)
    }

    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == *name)
    }

    /// How many own messages no service has acknowledged.
    pub fn waiting(&self) -> usize {
        self.rooms.values().flat_map(|room| &room.pending).filter(|sent| sent.stored.is_none()).count()
    }

    pub fn is_me(&self, key: &PeerId) -> bool {
        self.me.as_ref() == Some(key)
    }

    /// The groups of the switcher: those with `filter` in their name, joined ones first.
    pub fn switchable(&self, filter: &str) -> Vec<&Group> {
        let filter = filter.to_lowercase();
        let (mut own, others): (Vec<_>, Vec<_>) = self
            .groups
            .iter()
            .filter(|group| group.name.as_str().contains(&filter))
            .partition(|group| group.joined);
        own.extend(others);
        own
    }

    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), wrong: false });
    }

    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), wrong: true });
    }
}
