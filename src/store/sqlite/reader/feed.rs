//! What arrived in all groups, for a client that follows or was away.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupName, PeerId};

use super::{Reader, Source};
use crate::store::sqlite::feed;
use crate::store::{FeedItem, FeedPlace, FeedWhat, StoreError};

impl Reader {
    /// The place after the newest entry.
    pub fn feed_end(&self) -> Result<FeedPlace, StoreError> {
        Ok(feed::end(&self.conn)?)
    }

    /// What arrived after `place`, in order. `None` when `place` is not in this feed, or too much has arrived
    /// since.
    pub fn feed_after(&self, place: FeedPlace, limit: usize) -> Result<Option<Vec<FeedItem>>, StoreError> {
        self.in_one_state(|| {
            let Some(arrived) = feed::after(&self.conn, place, limit)? else { return Ok(None) };
            let mut groups: HashMap<GroupNo, (Source, bool)> = HashMap::new();
            let mut names: HashMap<PeerId, Option<String>> = HashMap::new();
            let mut items = Vec::with_capacity(arrived.len());
            for arrived in arrived {
                let (source, joined) = match groups.entry(arrived.group) {
                    Slot::Occupied(known) => known.into_mut(),
                    Slot::Vacant(new) => {
                        new.insert((self.source(arrived.group)?, self.is_joined(arrived.group)?))
                    }
                };
                let what = if source.group.id == self.directory {
                    FeedWhat::Directory(arrived.kind)
                } else if !*joined {
                    FeedWhat::Elsewhere
                } else {
                    match self.entries(source, &[arrived.no], &mut names)?.pop() {
                        Some(entry) => FeedWhat::Entry(Box::new(entry)),
                        // Damaged; the feed returns it again once it is repaired.
                        None => FeedWhat::Elsewhere,
                    }
                };
                items.push(FeedItem { place: arrived.place, group: arrived.group, what });
            }
            Ok(Some(items))
        })
    }

    /// The author's messages among the last entries of groups that this peer has joined, the newest last.
    pub fn recent_of(
        &self,
        author: &PeerId,
        limit: usize,
    ) -> Result<Vec<(GroupNo, GroupName, EntryNo, ChangeHash)>, StoreError> {
        self.in_one_state(|| {
            let mut recent = Vec::new();
            for (group, no, id) in feed::recent_of(&self.conn, author, limit)? {
                if self.is_joined(group)? {
                    recent.push((group, self.source(group)?.name, no, id));
                }
            }
            Ok(recent)
        })
    }

    fn is_joined(&self, group: GroupNo) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT joined FROM grp WHERE no = ?1")?;
        Ok(statement.query_row([group.0], |row| row.get(0))?)
    }
}
