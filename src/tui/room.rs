//! What the terminal holds of one group: a window of its history, the place on the screen, and own messages that are
//! not stored yet.
//!
//! The rows of a group are in the order of `(eff, id)`. The window holds all rows between its first and its last, so a
//! row from the event stream is inserted if its place is inside, and is left to a later page if not.

use std::collections::{HashMap, HashSet};

use peer_engine::id::{ChangeHash, GroupName, PeerId};

use super::event::{Effect, Part};
use crate::api::{History, MESSAGE, NewMessage, Row, User};

/// Rows of one page.
pub const PAGE: usize = 100;
/// The next page is loaded when fewer rows than this are left beyond the screen.
const NEAR: usize = 30;
/// Maximum number of rows held of one group. Rows further away are loaded again when they are scrolled to.
pub const WINDOW_MAX: usize = 800;

/// What is at the bottom of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anchor {
    /// The newest message: the screen moves on when another arrives.
    #[default]
    Newest,
    /// This row, with its last `below` lines hidden: the screen stays when others arrive.
    At { id: ChangeHash, below: usize },
}

/// An own message that the service has not acknowledged yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    pub key: String,
    pub body: String,
    pub re: Option<ChangeHash>,
    /// The service has stored it, and its row has not arrived yet.
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
    /// A contiguous part of the history, in the order of `(eff, id)`.
    pub rows: Vec<Row>,
    /// There are, or may be, rows above the first.
    pub has_older: bool,
    /// There are rows below the last.
    pub has_newer: bool,
    pub loaded: bool,
    pub loading: Option<Part>,
    /// Rows that arrived since the page in `loading` was requested, in order of arrival: the page may lack them.
    meanwhile: Vec<Row>,
    /// Events were missed, so rows may be missing between those held.
    pub stale: bool,
    pub anchor: Anchor,
    /// Messages that arrived at the end of the history while the screen was further up.
    pub new_below: usize,
    /// What was unread when the group was opened: arrivals after the first number, up to the second.
    pub unread: Option<(u64, u64)>,
    /// Late entries that have not been jumped to, oldest arrival first.
    pub late: Vec<ChangeHash>,
    pub pending: Vec<Pending>,
    /// On how many peers own messages are stored: the highest number of any page, answer or event.
    stored_on: HashMap<ChangeHash, u32>,
    /// The highest arrival number seen.
    pub arrival: u64,
    /// The arrival up to which the service was told that everything is read.
    pub marked: u64,
    pub marking: bool,
    pub draft: String,
    pub reply: Option<ChangeHash>,
    /// The row that was jumped to, as from a search.
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
            meanwhile: Vec::new(),
            stale: false,
            anchor: Anchor::Newest,
            new_below: 0,
            unread: None,
            late: Vec::new(),
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

    /// Whether the newest row is on the screen.
    pub fn is_at_newest(&self) -> bool {
        self.loaded && self.anchor == Anchor::Newest && !self.has_newer
    }

    /// The first row that was unread when the group was opened, if the window shows that it is the first.
    pub fn first_unread(&self, me: &PeerId) -> Option<usize> {
        let (read, opened) = self.unread?;
        let of_others = |row: &Row| row.kind == MESSAGE && row.author != *me;
        let unread = |row: &Row| row.arrival > read && row.arrival <= opened && !row.late && of_others(row);
        let index = self.rows.iter().position(unread)?;
        // Unread rows may continue above the window.
        (index > 0 || !self.has_older).then_some(index)
    }

    /// Takes in a row from the event stream. Rows come in the order in which the service stored them. Returns whether
    /// it is new here.
    pub fn arrived(&mut self, row: Row, me: &PeerId) -> bool {
        if row.author == *me {
            self.acknowledged(&row);
        }
        let held = self.index(&row.id).is_some();
        let new = row.arrival > self.arrival && !held;
        self.arrival = self.arrival.max(row.arrival);
        if self.loading.is_some() && self.meanwhile.len() < WINDOW_MAX {
            self.meanwhile.push(row.clone());
        } else if self.loading.is_some() {
            // Too many to keep: what is then missing is read after the page.
            self.stale = true;
        }
        if !self.loaded {
            return new;
        }
        if row.late && !held && row.author != *me && !self.late.contains(&row.id) {
            self.late.push(row.id);
        }
        if new && !row.late && row.kind == MESSAGE && (self.anchor != Anchor::Newest || self.has_newer) {
            self.new_below += 1;
        }
        self.insert(row);
        self.trim();
        new
    }

    /// Removes the pending message that `row` is, now that the row is there to be shown.
    fn acknowledged(&mut self, row: &Row) {
        self.delivered(&row.id, 1);
        let answered = self.pending.iter().position(|sent| sent.stored == Some(row.id));
        // The row may arrive before the answer to the request that sent it.
        let same = |sent: &Pending| sent.stored.is_none() && Some(&sent.body) == row.body.as_ref();
        if let Some(index) = answered.or_else(|| self.pending.iter().position(same)) {
            self.pending.remove(index);
        }
    }

    /// Inserts a row if its place is inside the window. Outside, `has_older` or `has_newer` already says that there is
    /// more to load.
    fn insert(&mut self, row: Row) {
        let index = self.rows.partition_point(|other| (other.eff, other.id) < (row.eff, row.id));
        let outside = index == 0 && self.has_older || index == self.rows.len() && self.has_newer;
        match self.rows.get_mut(index) {
            Some(held) if held.id == row.id => *held = row,
            _ if outside => {}
            _ => self.rows.insert(index, row),
        }
    }

    /// Drops the rows furthest from the screen once there are more than [`WINDOW_MAX`].
    fn trim(&mut self) {
        let excess = self.rows.len().saturating_sub(WINDOW_MAX);
        if excess == 0 {
            return;
        }
        let bottom = match self.anchor {
            Anchor::At { id, .. } => self.index(&id).unwrap_or(self.rows.len()),
            Anchor::Newest => self.rows.len(),
        };
        if bottom >= self.rows.len() / 2 {
            self.rows.drain(..excess);
            self.has_older = true;
        } else {
            self.rows.truncate(WINDOW_MAX);
            self.has_newer = true;
        }
    }

    /// Notes that an own message is stored on at least `stored_on` peers.
    pub fn delivered(&mut self, id: &ChangeHash, stored_on: u32) {
        if self.stored_on.len() >= 2 * WINDOW_MAX {
            let shown: HashSet<ChangeHash> = self.rows.iter().map(|row| row.id).collect();
            self.stored_on.retain(|id, _| shown.contains(id));
        }
        let known = self.stored_on.entry(*id).or_default();
        *known = stored_on.max(*known);
    }

    /// On how many peers an own message is known to be stored.
    pub fn stored_on(&self, row: &Row) -> Option<u32> {
        row.stored_on.max(self.stored_on.get(&row.id).copied())
    }

    /// Takes in the page for `part`, and after it the rows that have arrived since it was requested.
    pub fn take(&mut self, part: Part, page: History) {
        // Another part was requested after this one, and replaces it.
        if self.loading != Some(part) {
            return;
        }
        self.loading = None;
        self.loaded = true;
        for row in &page.entries {
            if let Some(stored_on) = row.stored_on {
                self.delivered(&row.id, stored_on);
            }
        }
        if !page.more_after {
            self.arrival = self.arrival.max(page.arrival);
        }
        match part {
            Part::Newest | Part::Around(_) | Part::Oldest(_) | Part::Again(_) => {
                (self.has_older, self.has_newer) = (page.more_before, page.more_after);
                self.rows = page.entries;
            }
            Part::Before(id) if self.rows.first().is_some_and(|row| row.id == id) => {
                self.has_older = page.more_before;
                self.rows.splice(..0, page.entries);
            }
            Part::After(id) if self.rows.last().is_some_and(|row| row.id == id) => {
                self.has_newer = page.more_after;
                self.rows.extend(page.entries);
            }
            // The window has moved since the request.
            Part::Before(_) | Part::After(_) => {}
        }
        for row in std::mem::take(&mut self.meanwhile) {
            self.insert(row);
        }
        self.trim();
        if let Anchor::At { id, .. } = self.anchor
            && self.index(&id).is_none()
        {
            self.anchor = Anchor::Newest;
        }
        let rows = &self.rows;
        self.pending.retain(|sent| sent.stored.is_none_or(|id| rows.iter().all(|row| row.id != id)));
    }

    /// Notes that a part is requested.
    pub fn ask(&mut self, part: Part) {
        self.loading = Some(part);
        self.meanwhile.clear();
        if !matches!(part, Part::Before(_) | Part::After(_)) {
            self.stale = false;
        }
    }

    /// Notes that events were missed, and that the service may count arrivals anew: it may have been set back to a
    /// backup, or its database may be a new one.
    pub fn missed_events(&mut self) {
        self.stale = true;
        (self.arrival, self.marked) = (0, 0);
    }

    /// The part to load next, so that a screen of so many lines, and `NEAR` rows beyond it, can be shown.
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
        if let Anchor::At { id, .. } = self.anchor
            && self.stale
        {
            return Some(Part::Again(id));
        }
        let (first, last) = (self.rows.first()?.id, self.rows.last()?.id);
        let bottom = match self.anchor {
            Anchor::At { id, .. } => self.index(&id)?,
            Anchor::Newest => self.rows.len() - 1,
        };
        // A row takes at least one line.
        if self.has_older && bottom < lines + NEAR {
            return Some(Part::Before(first));
        }
        (self.has_newer && bottom + NEAR >= self.rows.len()).then_some(Part::After(last))
    }
}
