//! One group as far as it is on the screen: a window of its history, where one reads, and what is on its way out.

use std::collections::{HashMap, HashSet};

use peer_engine::id::{ChangeHash, GroupName, PeerId};

use super::event::{Effect, Part};
use crate::api::{History, MESSAGE, NewMessage, Row, User};

/// Rows of one page.
pub const PAGE: usize = 100;
/// Rows beyond the screen that are loaded ahead.
const NEAR: usize = 30;
/// Rows held of one group; what is further away is loaded again when it is scrolled to.
pub const WINDOW_MAX: usize = 800;

/// Causal order may show an entry so much after its author's clock; beyond that, a later clock stands below.
const CLOCK_STEPS_MS: i64 = 1000;

/// What is at the bottom of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anchor {
    /// The newest message, also when another comes.
    #[default]
    Newest,
    /// This row, whatever comes, with its last `below` lines out of sight.
    At { id: ChangeHash, below: usize },
}

/// An own message that the service has not acknowledged yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    pub key: String,
    pub body: String,
    pub re: Option<ChangeHash>,
    /// It is stored; its row is still to come.
    pub stored: Option<ChangeHash>,
}

impl Pending {
    /// Sends it, or sends it again: the service stores one message for each key.
    pub fn send(&self, group: &GroupName) -> Effect {
        let message =
            NewMessage { key: Some(self.key.clone()), re: self.re, ..NewMessage::text(self.body.clone()) };
        Effect::Send { group: group.clone(), message }
    }
}

#[derive(Debug)]
pub struct Room {
    pub name: GroupName,
    /// A contiguous part of the history, oldest first.
    pub rows: Vec<Row>,
    pub has_older: bool,
    pub has_newer: bool,
    pub loaded: bool,
    pub loading: Option<Part>,
    /// Late entries came: what is held may have gaps.
    pub stale: bool,
    pub anchor: Anchor,
    /// Messages that came while one was reading further up.
    pub new_below: usize,
    /// What was unread when the group was opened: arrivals after the first, up to the second.
    pub unread: Option<(u64, u64)>,
    /// Late entries that have not been jumped to, oldest arrival first.
    pub late: Vec<ChangeHash>,
    /// Where to look for late entries from.
    pub read_at_opening: u64,
    pub pending: Vec<Pending>,
    /// On how many peers own messages are. Rows come on pages and by the stream, and either may know less.
    stored_on: HashMap<ChangeHash, u32>,
    /// The newest arrival known.
    pub arrival: u64,
    /// The arrival that the service was told to be read.
    pub marked: u64,
    pub marking: bool,
    pub draft: String,
    pub reply: Option<ChangeHash>,
    /// The row that was searched for or jumped to.
    pub found: Option<ChangeHash>,
    /// Rows outside the window that rows in it refer to.
    pub quoted: HashMap<ChangeHash, Row>,
    pub members: Vec<User>,
}

impl Room {
    pub fn new(name: GroupName) -> Self {
        Self {
            name,
            rows: Vec::new(),
            has_older: false,
            has_newer: false,
            loaded: false,
            loading: None,
            stale: false,
            anchor: Anchor::Newest,
            new_below: 0,
            unread: None,
            late: Vec::new(),
            read_at_opening: 0,
            pending: Vec::new(),
            stored_on: HashMap::new(),
            arrival: 0,
            marked: 0,
            marking: false,
            draft: String::new(),
            reply: None,
            found: None,
            quoted: HashMap::new(),
            members: Vec::new(),
        }
    }

    pub fn index(&self, id: &ChangeHash) -> Option<usize> {
        self.rows.iter().rposition(|row| row.id == *id)
    }

    pub fn row(&self, id: &ChangeHash) -> Option<&Row> {
        self.index(id).map(|index| &self.rows[index]).or_else(|| self.quoted.get(id))
    }

    /// The newest messages are on the screen.
    pub fn is_at_newest(&self) -> bool {
        self.loaded && self.anchor == Anchor::Newest && !self.has_newer
    }

    /// Above which row unread begins.
    pub fn first_unread(&self, me: &PeerId) -> Option<usize> {
        let (read, opened) = self.unread?;
        let of_others = |row: &Row| row.kind == MESSAGE && row.author != *me;
        let unread = |row: &Row| row.arrival > read && row.arrival <= opened && !row.late && of_others(row);
        let index = self.rows.iter().position(unread)?;
        // At the top of a window it may begin further up.
        (index > 0 || !self.has_older).then_some(index)
    }

    /// An entry as it arrives, in order of arrival. Says whether it is new here.
    pub fn arrived(&mut self, row: Row, me: &PeerId) -> bool {
        if row.author == *me {
            self.delivered(&row.id, 1);
            let is_it = |sent: &Pending| sent.stored == Some(row.id);
            let known = self.pending.iter().position(is_it);
            // The stream may be faster than the answer.
            let same = |sent: &Pending| sent.stored.is_none() && Some(&sent.body) == row.body.as_ref();
            if let Some(index) = known.or_else(|| self.pending.iter().position(same)) {
                self.pending.remove(index);
            }
        }
        let known = row.arrival <= self.arrival;
        self.arrival = self.arrival.max(row.arrival);
        if !self.loaded {
            // A page that is on its way may be too old to hold it.
            self.has_newer = true;
            return !known;
        }
        if let Some(index) = self.index(&row.id) {
            self.rows[index] = row;
            return false;
        }
        if known && !row.late {
            return false;
        }
        let below = self.anchor != Anchor::Newest || self.has_newer;
        if row.late {
            self.stale = true;
            self.has_older = true;
            if row.author != *me && !self.late.contains(&row.id) {
                self.late.push(row.id);
            }
            return !known;
        }
        if below && row.kind == MESSAGE {
            self.new_below += 1;
        }
        // Only the service knows where one belongs whose author's clock is behind that of a row above it.
        let belongs_above = |other: &Row| row.at.millis() < other.at.millis() + CLOCK_STEPS_MS;
        self.stale |= self.rows.iter().any(belongs_above);
        self.has_older |= self.rows.first().is_some_and(belongs_above);
        if self.has_newer {
            return true;
        }
        if self.rows.len() >= WINDOW_MAX {
            match self.anchor {
                Anchor::Newest => {
                    self.rows.drain(..2 * PAGE);
                    self.has_older = true;
                }
                // What one reads stays; the rest is loaded when it is scrolled to.
                Anchor::At { .. } => {
                    self.has_newer = true;
                    return true;
                }
            }
        }
        self.rows.push(row);
        true
    }

    /// An own message is known to be on so many peers.
    pub fn delivered(&mut self, id: &ChangeHash, stored_on: u32) {
        if self.stored_on.len() >= 2 * WINDOW_MAX {
            let shown: HashSet<ChangeHash> = self.rows.iter().map(|row| row.id).collect();
            self.stored_on.retain(|id, _| shown.contains(id));
        }
        let known = self.stored_on.entry(*id).or_default();
        *known = stored_on.max(*known);
    }

    /// On how many peers an own message is known to be.
    pub fn stored_on(&self, row: &Row) -> Option<u32> {
        row.stored_on.max(self.stored_on.get(&row.id).copied())
    }

    /// A part of the history that was asked for.
    pub fn take(&mut self, part: Part, page: History) {
        // What was asked for before something else was is of no use any more.
        if self.loading != Some(part) {
            return;
        }
        self.loading = None;
        let first_time = !self.loaded;
        self.loaded = true;
        // What was told while the page was on its way may not be on it.
        for row in &page.entries {
            if let Some(stored_on) = row.stored_on {
                self.delivered(&row.id, stored_on);
            }
        }
        let before = self.arrival;
        let overtaken = page.arrival < before;
        self.arrival = before.max(page.arrival);
        match part {
            Part::Newest | Part::Around(_) | Part::Oldest(_) => {
                self.has_older = page.more_before;
                self.end_with(page, 0, overtaken);
            }
            Part::Before(id) if self.rows.first().is_some_and(|row| row.id == id) => {
                self.has_older = page.more_before;
                // It says nothing of the end.
                self.arrival = before;
                let new = self.unknown(page.entries);
                self.rows.splice(..0, new);
                if self.rows.len() > WINDOW_MAX {
                    self.rows.truncate(WINDOW_MAX);
                    self.has_newer = true;
                }
            }
            Part::After(id) if self.rows.last().is_some_and(|row| row.id == id) => {
                self.has_newer = page.more_after || overtaken;
                let new = self.unknown(page.entries);
                self.rows.extend(new);
                if self.rows.len() > WINDOW_MAX {
                    self.rows.drain(..self.rows.len() - WINDOW_MAX);
                    self.has_older = true;
                }
            }
            Part::Again(id) if self.rows.first().is_some_and(|row| row.id == id) => {
                self.end_with(page, 1, overtaken);
            }
            // The window has moved on since it was asked for.
            Part::Before(_) | Part::After(_) | Part::Again(_) => self.arrival = before,
        }
        if let Anchor::At { id, .. } = self.anchor
            && self.index(&id).is_none()
        {
            self.anchor = Anchor::Newest;
        }
        let rows = &self.rows;
        self.pending.retain(|sent| sent.stored.is_none_or(|id| rows.iter().all(|row| row.id != id)));
        if first_time && !self.has_newer {
            self.new_below = 0;
        }
    }

    /// Those that are not in the window yet.
    fn unknown(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let known: HashSet<ChangeHash> = self.rows.iter().map(|row| row.id).collect();
        rows.retain(|row| !known.contains(&row.id));
        rows
    }

    /// Puts a page behind the first rows that stay. What was told after it was read follows it, if that was all kept.
    fn end_with(&mut self, page: History, staying: usize, overtaken: bool) {
        let whole = !self.has_newer && !page.more_after;
        let behind = self.rows.split_off(staying);
        self.rows.extend(page.entries);
        self.has_newer = page.more_after || overtaken && !whole;
        if whole {
            let known: HashSet<ChangeHash> = self.rows.iter().map(|row| row.id).collect();
            let told = |row: &Row| row.arrival > page.arrival && !known.contains(&row.id);
            self.rows.extend(behind.into_iter().filter(told));
        }
    }

    /// Notes that a part is asked for.
    pub fn ask(&mut self, part: Part) {
        self.loading = Some(part);
        if !matches!(part, Part::Before(_) | Part::After(_)) {
            self.stale = false;
        }
    }

    /// What to load so that nothing is missing on a screen of so many lines, nor near it.
    pub fn missing(&self, lines: usize) -> Option<Part> {
        if self.loading.is_some() {
            return None;
        }
        if !self.loaded {
            return Some(Part::Newest);
        }
        if self.anchor == Anchor::Newest && (self.has_newer || self.stale) {
            return Some(Part::Newest);
        }
        let (first, last) = (self.rows.first()?.id, self.rows.last()?.id);
        if self.stale {
            return Some(Part::Again(first));
        }
        let bottom = match self.anchor {
            Anchor::At { id, .. } => self.index(&id)?,
            Anchor::Newest => self.rows.len() - 1,
        };
        // A row takes a line at least.
        if self.has_older && bottom < lines + NEAR {
            return Some(Part::Before(first));
        }
        (self.has_newer && bottom + NEAR >= self.rows.len()).then_some(Part::After(last))
    }
}
