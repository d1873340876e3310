//! A chat without a terminal: a state, a service that answers from memory, and the screen as text.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use peer::api::{Behind, Group, History, Hit, LinkStatus, MESSAGE, Preview, Row, Status, User, What};
use peer::tui::event::{Answer, Part};
use peer::tui::keys::{Key, KeyMap};
use peer::tui::theme::Theme;
use peer::tui::{Effect, Event, Settings, State, update, view};
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::kinds;
use peer_engine::time::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

pub const ME: PeerId = PeerId([1; 32]);
pub const ANNA: PeerId = PeerId([0xA1; 32]);
pub const BOB: PeerId = PeerId([0xB2; 32]);

const PAGE: usize = 100;

pub fn name(group: &str) -> GroupName {
    group.parse().unwrap()
}

pub fn id(number: u64) -> ChangeHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ChangeHash(bytes)
}

/// An entry that is no message, with its sentence.
pub fn of_kind(kind: &str, row: Row) -> Row {
    let says = kinds::sentence(Some(kind), row.body.as_deref().unwrap());
    Row { kind: kind.to_owned(), says, ..row }
}

/// The `number`th message in `rust`, a minute after the one before.
pub fn row(number: u64, author: PeerId, body: &str) -> Row {
    let name = [(ME, "me"), (ANNA, "anna"), (BOB, "bob")].into_iter().find(|(key, _)| *key == author);
    Row {
        id: id(number),
        group: name_of("rust"),
        group_id: GroupId([7; 32]),
        at: at("2026-01-31T12:00:00Z", number),
        eff: at("2026-01-31T12:00:00Z", number).millis(),
        author,
        name: name.map(|(_, name)| name.to_owned()),
        from: None,
        kind: MESSAGE.to_owned(),
        says: None,
        body: Some(body.to_owned()),
        sealed: false,
        re: None,
        late: false,
        arrival: number,
        mention: false,
        stored_on: None,
        marks: Vec::new(),
    }
}

fn name_of(group: &str) -> GroupName {
    name(group)
}

fn at(start: &str, minutes: u64) -> Timestamp {
    let start = Timestamp::parse(start).unwrap().millis();
    Timestamp::from_millis(start + i64::try_from(minutes).unwrap() * 60_000).unwrap()
}

pub fn user(key: PeerId, name: &str, connected: bool) -> User {
    User { key, name: Some(name.to_owned()), joined: true, connected }
}

pub fn status(links: Vec<LinkStatus>) -> Status {
    Status {
        peer: ME,
        name: Some("me".to_owned()),
        mesh: MeshId([9; 16]),
        groups: Vec::new(),
        links,
        unreachable: Vec::new(),
        flagged: Vec::new(),
        set_aside: Vec::new(),
        disk_bytes: 1_048_576,
    }
}

pub fn link(skew_ms: i64, behind: Vec<Behind>) -> LinkStatus {
    LinkStatus {
        peer: ANNA,
        name: Some("anna".to_owned()),
        address: "192.0.2.1:7117".to_owned(),
        rtt_ms: Some(1.5),
        skew_ms: Some(skew_ms),
        bytes_in: 0,
        bytes_out: 0,
        behind,
    }
}

/// A chat, and the service that it talks to.
pub struct Chat {
    pub state: State,
    /// Each group's history, oldest first.
    pub rows: BTreeMap<GroupName, Vec<Row>>,
    /// Each group's preview, sent by anna.
    pub previews: BTreeMap<GroupName, Vec<Row>>,
    pub groups: Vec<Group>,
    pub people: Vec<User>,
    pub status: Status,
    /// Effects that the service has not answered.
    pub asked: Vec<Effect>,
    /// Whether the service answers, which it does at once.
    pub serving: bool,
}

impl Chat {
    /// Started, and not connected.
    pub fn started(columns: u16, lines: u16) -> Self {
        let settings =
            Settings { theme: Theme { colour: true }, keys: KeyMap::default(), zone: TimeZone::UTC, run: 7 };
        Self {
            state: State::new(settings, (columns, lines)),
            rows: BTreeMap::new(),
            previews: BTreeMap::new(),
            groups: Vec::new(),
            people: vec![user(ME, "me", true)],
            status: status(Vec::new()),
            asked: Vec::new(),
            serving: true,
        }
    }

    /// Connected, with these messages in `rust`, all of them read, and a link to anna.
    pub fn with(columns: u16, lines: u16, rows: Vec<Row>) -> Self {
        let mut chat = Self::started(columns, lines);
        chat.people.extend([user(ANNA, "anna", true), user(BOB, "bob", false)]);
        chat.status.links = vec![link(0, Vec::new())];
        chat.add("rust", rows);
        chat.groups[0].topic = Some("all about Rust".to_owned());
        chat.connect();
        chat.feed(What::Status { links: 1, behind: Vec::new(), ahead: Vec::new() });
        chat
    }

    /// Adds a group in which everything is read.
    pub fn add(&mut self, group: &str, rows: Vec<Row>) {
        let mut group = Group {
            name: name(group),
            id: GroupId([u8::try_from(self.groups.len()).unwrap(); 32]),
            entries: 0,
            topic: None,
            joined: true,
            unread: 0,
            mentions: 0,
            read: 0,
            newest: rows.last().map(|row| row.at),
        };
        let rows: Vec<Row> = rows.into_iter().map(|row| Row { group: group.name.clone(), ..row }).collect();
        group.entries = rows.iter().map(|row| row.arrival).max().unwrap_or(0);
        group.read = group.entries;
        self.rows.insert(group.name.clone(), rows);
        self.groups.push(group);
    }

    pub fn group(&mut self, group: &str) -> &mut Group {
        self.groups.iter_mut().find(|known| known.name == name(group)).unwrap()
    }

    pub fn connect(&mut self) {
        self.tell(Event::Connected { peer: ME, own: true });
    }

    pub fn tell(&mut self, event: Event) {
        let mut effects = update(&mut self.state, event);
        while !effects.is_empty() {
            let effect = effects.remove(0);
            match self.serving.then(|| self.answer(&effect)).flatten() {
                Some(answer) => effects.extend(update(&mut self.state, Event::Answer(answer))),
                None => self.asked.push(effect),
            }
        }
    }

    pub fn feed(&mut self, what: What) {
        self.tell(Event::Feed(what));
    }

    /// A message arrives; the service keeps it in its place by effective time and id.
    pub fn arrives(&mut self, row: Row) {
        let rows = self.rows.get_mut(&row.group).unwrap();
        let place = rows.partition_point(|known| (known.eff, known.id) < (row.eff, row.id));
        rows.insert(place, row.clone());
        self.feed(What::Entry { row: Box::new(row) });
    }

    pub fn press(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            self.tell(Event::Key(key.parse::<Key>().unwrap().into()));
        }
    }

    pub fn write(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                ' ' => self.press("space"),
                c => self.press(&c.to_string()),
            }
        }
    }

    /// The effects that were not answered since the last call.
    pub fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    pub fn buffer(&self) -> Buffer {
        let (columns, lines) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        terminal.draw(|frame| view(&self.state, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The lines of the screen, without spaces at their ends.
    pub fn screen(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut line = String::new();
            let mut x = 0;
            while x < buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(peer::text::width(symbol)).unwrap().max(1);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    #[track_caller]
    pub fn shows(&self, expected: &str) {
        let screen = self.screen();
        let expected = expected.strip_prefix('\n').unwrap_or(expected);
        assert!(screen == expected, "\n--- expected\n{expected}\n--- on the screen\n{screen}");
    }

    /// What the service answers now.
    pub fn answer(&self, effect: &Effect) -> Option<Answer> {
        Some(match effect {
            Effect::LoadGroups => Answer::Groups(self.groups.clone()),
            Effect::LoadPeople => Answer::People(self.people.clone()),
            Effect::LoadMembers(group) => Answer::Members(group.clone(), self.people.clone()),
            Effect::LoadStatus => Answer::Status(Box::new(self.status.clone())),
            Effect::LoadPage { group, part, .. } => {
                Answer::Page { group: group.clone(), part: *part, page: self.page(group, *part) }
            }
            Effect::LoadLate { group, after } => {
                let late = self.rows[group].iter().filter(|row| row.late && row.arrival > *after);
                Answer::Late { group: group.clone(), rows: late.cloned().collect() }
            }
            Effect::LoadPreview { group, number } => {
                let entries = self.previews.get(group).cloned().unwrap_or_default();
                let from = (!entries.is_empty()).then_some(ANNA);
                Answer::Preview { number: *number, preview: Preview { from, entries } }
            }
            Effect::MarkRead { group, arrival } => {
                let group = self.groups.iter().find(|known| known.name == *group).unwrap().clone();
                Answer::Marked(Box::new(Group { read: *arrival, unread: 0, mentions: 0, ..group }))
            }
            Effect::Search(words) => {
                let rows = self.rows.values().flatten();
                let hits = rows.filter(|row| row.body.as_ref().is_some_and(|body| body.contains(words)));
                let hit = |row: &Row| Hit { row: row.clone(), before: Vec::new(), after: Vec::new() };
                Answer::Found { words: words.clone(), hits: hits.rev().map(hit).collect() }
            }
            Effect::ShowTicket => Answer::Ticket("peer1secret".to_owned()),
            Effect::Whois(user) => Answer::Whois { user: user.clone(), groups: vec![name("rust")] },
            _ => return None,
        })
    }

    fn page(&self, group: &GroupName, part: Part) -> History {
        let rows = &self.rows[group];
        let place = |id: ChangeHash| rows.iter().position(|row| row.id == id).unwrap();
        let (start, end) = match part {
            Part::Newest => (rows.len().saturating_sub(PAGE), rows.len()),
            Part::Before(id) => (place(id).saturating_sub(PAGE), place(id)),
            Part::After(id) => (place(id) + 1, (place(id) + 1 + PAGE).min(rows.len())),
            Part::Around(id) => (place(id).saturating_sub(PAGE / 2), (place(id) + PAGE / 2).min(rows.len())),
            Part::Again(id) => (place(id).saturating_sub(400), (place(id) + 400).min(rows.len())),
            Part::Oldest(_) => (0, PAGE.min(rows.len())),
        };
        History {
            entries: rows[start..end].to_vec(),
            arrival: rows.iter().map(|row| row.arrival).max().unwrap_or(0),
            cursor: String::new(),
            more_before: start > 0,
            more_after: end < rows.len(),
        }
    }
}

/// `count` messages by anna and bob in turn.
pub fn talk(count: u64) -> Vec<Row> {
    (1..=count).map(|n| row(n, if n % 2 == 1 { ANNA } else { BOB }, &format!("message {n}"))).collect()
}
