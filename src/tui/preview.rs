//! The preview of the group on the screen: its newest entries, which a peer has sent while the entries before them are
//! still on their way.
//!
//! A preview is only shown. Its rows are not in the [`Room`]: they cannot be paged from, marked read, picked or found.

use peer_engine::id::{ChangeHash, PeerId};

use super::refresh::Refresh;
use super::room::Room;
use crate::api::{Preview, Row};

#[derive(Debug, Default)]
pub struct CurrentPreview {
    entries: Vec<Row>,
    /// The peer that sent them.
    from: Option<PeerId>,
    /// How many of the lines below the newest row of the history are hidden below the screen; if it is more than there
    /// are, all.
    pub below: usize,
    /// The number of the last request. An answer with another number is out of date, or of another group.
    asked: u64,
    refresh: Refresh,
}

impl CurrentPreview {
    /// The preview has changed. Returns the number of the request to make now, if none is under way.
    pub fn ask(&mut self) -> Option<u64> {
        self.refresh.ask().then(|| self.next())
    }

    /// Takes in the answer to the request of this number. Returns the number of the next request, if the preview has
    /// changed meanwhile.
    pub fn take(&mut self, number: u64, preview: Preview) -> Option<u64> {
        if number != self.asked {
            return None;
        }
        if preview.entries.is_empty() {
            self.below = 0;
        }
        (self.from, self.entries) = (preview.from, preview.entries);
        self.refresh.done().then(|| self.next())
    }

    /// Drops the preview, and the answer to the request under way.
    pub fn forget(&mut self) {
        *self = Self { asked: self.asked + 1, ..Self::default() };
    }

    /// The rows to show below those of `room`, oldest first: those that are not in the history yet.
    pub fn of(&self, room: &Room) -> Vec<&Row> {
        if !room.is_at_newest() {
            return Vec::new();
        }
        self.entries.iter().filter(|row| room.index(&row.id).is_none()).collect()
    }

    pub fn from(&self) -> Option<&PeerId> {
        self.from.as_ref()
    }

    pub fn row(&self, id: &ChangeHash) -> Option<&Row> {
        self.entries.iter().find(|row| row.id == *id)
    }

    fn next(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}
