//! The stream of events: one for all groups, with a cursor from which a client can resume.
//!
//! Nothing is buffered for a slow reader: each batch is read from the store once the one before it has been
//! taken. A reader that falls behind further than the store remembers gets `resync` and has to read
//! everything again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use data_encoding::HEXLOWER;
use futures_util::stream;
use peer_engine::group::GroupNo;
use peer_engine::id::ChangeHash;
use peer_engine::kinds;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::rows::rows;
use super::service::Service;
use super::types::{Event, What};
use crate::limits::EVENTS_BATCH_MAX;
use crate::node::{Following, News, Node, NodeError, OwnMessage, Spread};
use crate::store::{FeedItem, FeedPlace, FeedWhat};

pub(super) struct Events {
    node: Node,
    /// If set, only events of this group are sent.
    only: Option<GroupNo>,
    place: Option<FeedPlace>,
    news: watch::Receiver<News>,
    stopping: watch::Receiver<bool>,
    told: Told,
    _following: Following,
    _place: OwnedSemaphorePermit,
}

/// Which of the news this stream has sent.
#[derive(Default)]
struct Told {
    /// All entries up to this count have been sent; `None`: there are more.
    entries: Option<u64>,
    read_marks: u64,
    /// All changes of previews up to this number have been sent; `None`: not even the present previews.
    previews: Option<u64>,
    spread: Option<Arc<Spread>>,
    /// The number of peers that store each own message, as last sent.
    stored_on: HashMap<ChangeHash, u32>,
    /// Entries have been sent, and the spread has not been sent since.
    owed: bool,
}

/// The text of a cursor, as clients keep it.
pub(super) fn cursor(place: FeedPlace) -> String {
    format!("{:x}.{}", place.seq, HEXLOWER.encode(&place.entry))
}

fn place_of(cursor: &str) -> Option<FeedPlace> {
    let (seq, entry) = cursor.split_once('.')?;
    let entry = HEXLOWER.decode(entry.as_bytes()).ok()?;
    Some(FeedPlace { seq: u64::from_str_radix(seq, 16).ok()?, entry: entry.try_into().ok()? })
}

impl Events {
    /// Starts after the cursor, or with the next event if there is none.
    pub async fn open(
        service: &Service,
        after: Option<&str>,
        only: Option<GroupNo>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, NodeError> {
        let node = service.node.clone();
        let news = node.watch();
        let told = Told { read_marks: news.borrow().read_marks, ..Told::default() };
        let place = match after {
            Some(cursor) => place_of(cursor),
            None => Some(node.read(|reader| reader.feed_end()).await?),
        };
        let stopping = service.stopping.clone();
        let _following = node.follow_spread();
        Ok(Self { node, only, place, news, stopping, told, _following, _place: permit })
    }

    /// The next events, at least one; `None` when the server stops.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, NodeError> {
        loop {
            // Taken before the read, so that everything that it counts is read.
            let news = self.news.borrow().clone();
            let mut events = Vec::new();
            if self.told.entries != Some(news.entries) {
                events = self.arrived(news.entries).await?;
            }
            let is_level = self.told.entries.is_some();
            // The spread follows the entries that it is about. While there are more entries, it is sent after
            // every second batch.
            if is_level || std::mem::replace(&mut self.told.owed, true) {
                self.told.owed = false;
                events.extend(self.spread(&news, is_level));
            }
            if std::mem::replace(&mut self.told.read_marks, news.read_marks) != news.read_marks
                && self.only.is_none()
            {
                events.push(self.event(What::Groups));
            }
            // The end of a preview is sent only after the entries that replaced it.
            events.extend(self.previews(&news, is_level).await?);
            if !events.is_empty() {
                return Ok(Some(events));
            }
            if !is_level {
                continue;
            }
            let told = &self.told;
            tokio::select! {
                news = self.news.wait_for(|news| told.is_behind(news)) => if news.is_err() {
                    return Ok(None);
                },
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(None),
            }
        }
    }

    fn event(&self, what: What) -> Event {
        Event { cursor: cursor(self.place.unwrap_or_default()), what }
    }

    /// Reads a batch of entries, and the events that they cause. If the batch is not full, all entries up to
    /// `count` have been read.
    async fn arrived(&mut self, count: u64) -> Result<Vec<Event>, NodeError> {
        let (place, own) = (self.place, self.node.peer());
        let read = self.node.read(move |reader| {
            let Some(place) = place else { return Ok(None) };
            let Some(items) = reader.feed_after(place, EVENTS_BATCH_MAX)? else { return Ok(None) };
            let mut marked = HashMap::new();
            let mut by_group: BTreeMap<GroupNo, Vec<_>> = BTreeMap::new();
            for item in &items {
                if let FeedWhat::Entry(entry) = &item.what {
                    by_group.entry(item.group).or_default().push(Clone::clone(&**entry));
                }
            }
            for (group, entries) in by_group {
                for row in rows(reader, group, &own, entries)? {
                    marked.insert(row.id, row);
                }
            }
            Ok(Some((items, marked)))
        });
        let Some((items, mut marked)) = read.await? else {
            self.place = Some(self.node.read(|reader| reader.feed_end()).await?);
            // Events were missed: the spread is sent again.
            self.told.spread = None;
            self.told.entries = None;
            return Ok(vec![self.event(What::Resync)]);
        };
        self.told.entries = (items.len() < EVENTS_BATCH_MAX).then_some(count);
        let mut events = Vec::new();
        let (mut groups, mut users) = (false, false);
        for FeedItem { place, group, what } in items {
            self.place = Some(place);
            match what {
                FeedWhat::Entry(entry) => {
                    let lists = kinds::changes(entry.kind.as_deref());
                    groups |= lists.groups;
                    users |= lists.people;
                    if self.only.is_some_and(|only| only != group) {
                        continue;
                    }
                    let Some(row) = marked.remove(&entry.id) else { continue };
                    events.push(self.event(What::Entry { row: Box::new(row) }));
                }
                FeedWhat::Directory(kind) => {
                    let lists = kinds::changes(kind.as_deref());
                    groups |= lists.groups;
                    users |= lists.people;
                }
                FeedWhat::Elsewhere => groups = true,
            }
        }
        if self.only.is_none() {
            events.extend(groups.then(|| self.event(What::Groups)));
            events.extend(users.then(|| self.event(What::Users)));
        }
        Ok(events)
    }

    /// Groups whose preview has changed or ended.
    async fn previews(&mut self, news: &News, with_ends: bool) -> Result<Vec<Event>, NodeError> {
        let (mut groups, changes) = news.previews.changed_after(self.told.previews, with_ends);
        self.told.previews = Some(changes);
        groups.retain(|group| self.only.is_none_or(|only| only == *group));
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.node.read(|reader| reader.held_groups()).await?;
        let changed = held.into_iter().filter(|row| groups.contains(&row.no));
        Ok(changed.map(|row| self.event(What::Preview { group: row.name })).collect())
    }

    /// The links, and what is known through them. Includes own messages only once all entries have been sent.
    fn spread(&mut self, news: &News, is_level: bool) -> Vec<Event> {
        let Some(spread) = &news.spread else { return Vec::new() };
        let mut events = if is_level { self.deliveries(spread) } else { Vec::new() };
        let before = self.told.spread.replace(spread.clone());
        if self.only.is_some() {
            return events;
        }
        if before.is_none() {
            events.insert(0, self.event(What::Groups));
        }
        let differs =
            |part: fn(&Spread, &Spread) -> bool| before.as_ref().is_none_or(|before| !part(before, spread));
        if differs(|a, b| a.connected == b.connected) {
            events.push(self.event(What::Users));
        }
        if differs(|a, b| (&a.connected, &a.behind, &a.ahead) == (&b.connected, &b.behind, &b.ahead)) {
            events.push(self.event(What::Status {
                links: spread.connected.len() as u32,
                behind: spread.behind.iter().cloned().collect(),
                ahead: spread.ahead.iter().cloned().collect(),
            }));
        }
        events
    }

    fn deliveries(&mut self, spread: &Spread) -> Vec<Event> {
        let mut events = Vec::new();
        let mut stored_on = HashMap::new();
        for own in spread.own.iter().filter(|own| self.only.is_none_or(|only| only == own.group)) {
            if self.told.stored_on.get(&own.id).copied().unwrap_or(1) != own.stored_on {
                let OwnMessage { name, id, stored_on, .. } = own.clone();
                events.push(self.event(What::Delivery { group: name, id, stored_on }));
            }
            stored_on.insert(own.id, own.stored_on);
        }
        self.told.stored_on = stored_on;
        events
    }

    /// One event per line.
    pub fn lines(self) -> Body {
        Body::from_stream(stream::try_unfold(self, async |mut events| {
            let Some(batch) = events.next().await? else { return Ok::<_, NodeError>(None) };
            let mut lines = Vec::new();
            for event in &batch {
                // Does not fail: an event holds no value that JSON cannot represent.
                if serde_json::to_writer(&mut lines, event).is_ok() {
                    lines.push(b'\n');
                }
            }
            Ok(Some((Bytes::from(lines), events)))
        }))
    }
}

impl Told {
    fn is_behind(&self, news: &News) -> bool {
        let is_same_spread = match (&self.spread, &news.spread) {
            (Some(told), Some(new)) => Arc::ptr_eq(told, new),
            (_, new) => new.is_none(),
        };
        self.entries != Some(news.entries)
            || self.read_marks != news.read_marks
            || self.previews != Some(news.previews.changes())
            || !is_same_spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_short_and_read_back() {
        for place in [FeedPlace::default(), FeedPlace { seq: u64::MAX, entry: [0xab; 8] }] {
            assert!(cursor(place).len() < 40);
            assert_eq!(place_of(&cursor(place)), Some(place));
        }
        for wrong in ["", "1", "1.", "x.0000000000000000", "1.00", "1.zz00000000000000"] {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
    }
}
