//! The newest entries of the group on the screen, sent ahead by a peer while what they stand on is still on its way.
//!
//! They are looked at and nothing else: they are no rows of the room, so that nothing pages, marks, picks or searches
//! by them.

use peer_engine::id::{ChangeHash, PeerId};

use super::refresh::Refresh;
use super::room::Room;
use crate::api::{Preview, Row};

#[derive(Debug, Default)]
pub struct SentAhead {
    entries: Vec<Row>,
    /// The peer that sent them.
    from: Option<PeerId>,
    /// Lines of what stands below the newest row of the history that are out of sight, or so many as there are.
    pub below: usize,
    /// The number of the last request: the answer to any other is too old, or of another group.
    asked: u64,
    refresh: Refresh,
}

impl SentAhead {
    /// The number of the request that is to be made now.
    pub fn ask(&mut self) -> Option<u64> {
        self.refresh.ask().then(|| self.next())
    }

    /// What the request of this number has brought. The number of the one that is to follow it, if any.
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

    /// There is none, and what was asked for is of no use any more.
    pub fn forget(&mut self) {
        *self = Self { asked: self.asked + 1, ..Self::default() };
    }

    /// What is to be shown below the rows of `room`, oldest first.
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
