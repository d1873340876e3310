//! What happens, as it happens: one stream for everything, with a cursor to go on from.
//!
//! Nothing is buffered for a slow reader: each batch is read from the store when the one before it has been taken. Who
//! falls behind further than the store remembers is told to begin anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use axum::body::{Body, Bytes};
use data_encoding::HEXLOWER;
use futures_util::stream;
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupName, PeerId};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::rows::rows;
use super::service::Service;
use super::types::{Event, What, kind};
use crate::limits::{EVENT_LOOK_MS, EVENTS_BATCH_MAX, OWN_RECENT_ARRIVALS_MAX, OWN_RECENT_MAX};
use crate::node::{Node, NodeError};
use crate::store::{FeedItem, FeedPlace, FeedWhat};

pub(super) struct Events {
    node: Node,
    /// Only of this group.
    only: Option<GroupNo>,
    place: Option<FeedPlace>,
    commits: watch::Receiver<u64>,
    marks: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// When the links were last looked at; `None`: never.
    looked: Option<Instant>,
    /// Something happened since.
    unsettled: bool,
    /// News was told, and the links were not looked at since.
    owed: bool,
    seen: Seen,
    /// Changes of previews that were told; `None`: not those that are there.
    previews: Option<u64>,
    /// Own messages, the newest last, and on how many peers each was known to be.
    recent: Vec<Own>,
    _place: OwnedSemaphorePermit,
}

/// An own message.
struct Own {
    no: GroupNo,
    group: GroupName,
    arrival: EntryNo,
    id: ChangeHash,
    stored_on: u32,
}

/// What the last events said of the links.
#[derive(Default, PartialEq, Eq)]
struct Seen {
    connected: BTreeSet<PeerId>,
    behind: BTreeSet<GroupName>,
    ahead: BTreeSet<GroupName>,
}

/// As a client keeps it.
pub(super) fn cursor(place: FeedPlace) -> String {
    format!("{:x}.{}", place.seq, HEXLOWER.encode(&place.entry))
}

fn place_of(cursor: &str) -> Option<FeedPlace> {
    let (seq, entry) = cursor.split_once('.')?;
    let entry = HEXLOWER.decode(entry.as_bytes()).ok()?;
    Some(FeedPlace { seq: u64::from_str_radix(seq, 16).ok()?, entry: entry.try_into().ok()? })
}

impl Events {
    /// From the cursor on, or from now.
    pub async fn open(
        service: &Service,
        after: Option<&str>,
        only: Option<GroupNo>,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, NodeError> {
        let node = service.node.clone();
        let (commits, marks) = (node.watch(), node.watch_marks());
        let place = match after {
            Some(cursor) => place_of(cursor),
            None => Some(node.read(|reader| reader.feed_end()).await?),
        };
        let own = node.peer();
        let recent = node.read(move |reader| reader.recent_of(&own, OWN_RECENT_MAX)).await?;
        let recent =
            recent.into_iter().map(|(no, group, arrival, id)| Own { no, group, arrival, id, stored_on: 1 });
        let recent = recent.filter(|own| only.is_none_or(|only| only == own.no));
        Ok(Self {
            only,
            place,
            commits,
            marks,
            stopping: service.stopping.clone(),
            looked: None,
            unsettled: true,
            owed: false,
            seen: Seen::default(),
            previews: None,
            recent: recent.collect(),
            node,
            _place: room,
        })
    }

    /// What came next, never nothing; `None` when the server stops.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, NodeError> {
        loop {
            // Before the read, so that a commit during it wakes the wait below.
            self.unsettled |= self.commits.has_changed().unwrap_or(false);
            self.commits.mark_unchanged();
            let mut events = self.arrived().await?;
            let due = self.looked.map(|looked| looked + Duration::from_millis(EVENT_LOOK_MS));
            // Never before news, but between them where they do not end.
            let owed = std::mem::replace(&mut self.owed, !events.is_empty());
            if (events.is_empty() || owed) && self.unsettled && due.is_none_or(|due| due <= Instant::now()) {
                events.extend(self.look().await?);
                // When it ended, so that one which takes long does not follow itself.
                self.looked = Some(Instant::now());
            }
            if self.only.is_none() && self.marks.has_changed().unwrap_or(false) {
                self.marks.mark_unchanged();
                events.push(self.event(What::Groups));
            }
            // An end only behind the entries which it came with.
            events.extend(self.previews(events.is_empty()).await?);
            if !events.is_empty() {
                return Ok(Some(events));
            }
            let due = self.looked.map(|looked| looked + Duration::from_millis(EVENT_LOOK_MS));
            tokio::select! {
                changed = self.commits.changed() => match changed {
                    Ok(()) => self.unsettled = true,
                    Err(_) => return Ok(None),
                },
                // An error is the end of the node, which the commits tell too.
                _ = self.marks.changed() => self.marks.mark_changed(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if self.unsettled => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(None),
            }
        }
    }

    fn event(&self, what: What) -> Event {
        Event { cursor: cursor(self.place.unwrap_or_default()), what }
    }

    /// Entries, and what follows from them.
    async fn arrived(&mut self) -> Result<Vec<Event>, NodeError> {
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
            // Whatever was missed: the links are told of anew.
            self.looked = None;
            self.unsettled = true;
            return Ok(vec![self.event(What::Resync)]);
        };
        let mut events = Vec::new();
        let (mut groups, mut users) = (false, false);
        for FeedItem { place, group, what } in items {
            self.place = Some(place);
            match what {
                FeedWhat::Entry(entry) => {
                    let told = matches!(entry.kind.as_deref(), Some(kind::JOIN | kind::LEAVE));
                    groups |= told || entry.kind.as_deref() == Some(kind::TOPIC);
                    users |= told;
                    if self.only.is_some_and(|only| only != group) {
                        continue;
                    }
                    let Some(row) = marked.remove(&entry.id) else { continue };
                    let old = |own: &Own| {
                        own.group == entry.group && own.arrival.0 + OWN_RECENT_ARRIVALS_MAX < entry.no.0
                    };
                    self.recent.retain(|own| !old(own));
                    if entry.author == own && entry.kind.is_none() {
                        let (no, group) = (group, entry.group.clone());
                        self.recent.push(Own { no, group, arrival: entry.no, id: entry.id, stored_on: 1 });
                        let over = self.recent.len().saturating_sub(OWN_RECENT_MAX);
                        self.recent.drain(..over);
                    }
                    events.push(self.event(What::Entry { row: Box::new(row) }));
                }
                FeedWhat::Directory(kind) => {
                    groups |= kind.as_deref() == Some(kind::GROUP);
                    users |= kind.as_deref() == Some(kind::NAME);
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

    /// What came ahead of its place in the history, or is shown so no more.
    async fn previews(&mut self, with_ends: bool) -> Result<Vec<Event>, NodeError> {
        let (mut groups, changes) = self.node.previews_changed(self.previews, with_ends);
        self.previews = Some(changes);
        groups.retain(|group| self.only.is_none_or(|only| only == *group));
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.node.read(|reader| reader.held_groups()).await?;
        let changed = held.into_iter().filter(|row| groups.contains(&row.no));
        Ok(changed.map(|row| self.event(What::Preview { group: row.name })).collect())
    }

    /// The links, and what is known through them.
    async fn look(&mut self) -> Result<Vec<Event>, NodeError> {
        let first = self.looked.is_none();
        self.unsettled = false;
        let mut events = self.deliveries().await?;
        if self.only.is_some() {
            return Ok(events);
        }
        let status = self.node.status().await?;
        let mut seen = Seen::default();
        for link in &status.links {
            seen.connected.insert(link.peer);
            for behind in &link.behind {
                if behind.unknown_heads > 0 {
                    seen.behind.insert(behind.group.clone());
                }
                if behind.entries != Some(0) {
                    seen.ahead.insert(behind.group.clone());
                }
            }
        }
        if first {
            events.insert(0, self.event(What::Groups));
        }
        if first || seen.connected != self.seen.connected {
            events.push(self.event(What::Users));
        }
        if first || seen != self.seen {
            events.push(self.event(What::Status {
                links: seen.connected.len() as u32,
                behind: seen.behind.iter().cloned().collect(),
                ahead: seen.ahead.iter().cloned().collect(),
            }));
        }
        self.seen = seen;
        Ok(events)
    }

    async fn deliveries(&mut self) -> Result<Vec<Event>, NodeError> {
        let mut by_group: BTreeMap<GroupNo, Vec<ChangeHash>> = BTreeMap::new();
        for own in &self.recent {
            by_group.entry(own.no).or_default().push(own.id);
        }
        let mut events = Vec::new();
        for (group, ids) in by_group {
            let found = self.node.stored_on(group, &ids, Duration::ZERO).await?;
            let found: HashMap<_, _> = ids.into_iter().zip(found).collect();
            for own in self.recent.iter_mut().filter(|own| own.no == group) {
                if let Some(&stored_on) = found.get(&own.id).filter(|found| **found != own.stored_on) {
                    own.stored_on = stored_on;
                    let what = What::Delivery { group: own.group.clone(), id: own.id, stored_on };
                    events.push(Event { cursor: cursor(self.place.unwrap_or_default()), what });
                }
            }
        }
        Ok(events)
    }

    /// One event per line.
    pub fn lines(self) -> Body {
        Body::from_stream(stream::try_unfold(self, async |mut events| {
            let Some(batch) = events.next().await? else { return Ok::<_, NodeError>(None) };
            let mut lines = Vec::new();
            for event in &batch {
                // An event has no value that JSON cannot hold.
                if serde_json::to_writer(&mut lines, event).is_ok() {
                    lines.push(b'\n');
                }
            }
            Ok(Some((Bytes::from(lines), events)))
        }))
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
