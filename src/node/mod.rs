//! The driver: owns the engine, its store and the transport, and moves events and effects between them.
//!
//! The engine runs on a thread of its own, which is the one writer of the database: all that has queued up by
//! the time it looks is one transaction. Sockets live in tasks; faces read on connections of their own.

mod checkpoints;
mod clock;
mod data_dir;
mod database;
mod error;
mod gate;
mod group_key;
mod handshakes;
mod input;
mod links;
mod news;
mod observer;
mod outbox;
mod previews;
mod private;
mod probe;
mod readers;
mod snapshots;
mod start;
mod status;
mod writer;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use clock::wall_clock;
pub use data_dir::DataDir;
pub use error::{DataDirError, NodeError};
pub use group_key::GroupKey;
pub use news::{Following, News, OwnMessage, Spread};
pub use peer_engine::engine::{Draft, Refusal};
pub use previews::Previews;
pub use private::write_private;
pub use probe::probe;
pub use start::Options;
pub use status::{Behind, Flagged, GroupStatus, LinkStatus, Status, Unreachable};

use crate::store::{Entry, GroupSummary, Reader, SqliteStore, StoreError};
use links::Links;
use news::{Notice, Reporter};
use peer_engine::engine::{Answer, Engine};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::kinds;
use peer_engine::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};
use peer_engine::time::Now;
use peer_engine::wire::ticket::Ticket;
use previews::Preview;
use readers::Readers;
use writer::Writer;

/// How many similar names are suggested for an unknown one.
const SUGGESTIONS: usize = 3;

/// A running peer. Clones share the same peer.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    peer: PeerId,
    mesh: MeshId,
    listen: Vec<SocketAddr>,
    ticket: Ticket,
    writer: Writer,
    readers: Readers,
    news: watch::Receiver<News>,
    reporter: Reporter,
    links: Links,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the node exists, since it locks the data directory.
    _dir: DataDir,
}

impl Node {
    /// Ends all links, and waits until everything in the queue is committed and the database is closed.
    pub async fn stop(self) {
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            task.abort();
            // Waits until the task has released what it holds. It returns an error, since it was aborted.
            let _ = task.await;
        }
        self.0.readers.close().await;
        self.0.writer.stop().await;
        self.0.links.drain().await;
    }

    pub fn peer(&self) -> PeerId {
        self.0.peer
    }

    pub fn mesh(&self) -> MeshId {
        self.0.mesh
    }

    /// The addresses that this peer listens on, with their actual ports.
    pub fn listen(&self) -> Vec<SocketAddr> {
        self.0.listen.clone()
    }

    pub fn ticket(&self) -> Ticket {
        self.0.ticket.clone()
    }

    /// This peer's display name.
    pub async fn name(&self) -> Result<Option<String>, NodeError> {
        let peer = self.0.peer;
        self.read(move |reader| reader.display_name(&peer)).await
    }

    /// The group with this name or id. Other methods take the result, so that the group is looked up once.
    pub async fn group(&self, key: &GroupKey) -> Result<GroupSummary, NodeError> {
        let wanted = key.clone();
        let read = self.read(move |reader| match &wanted {
            GroupKey::Name(name) => reader.group(name),
            GroupKey::Id(id) => reader.group_with_id(id),
        });
        if let Some(group) = read.await? {
            return Ok(group);
        }
        let nearest = match key.clone() {
            GroupKey::Name(name) => {
                self.read(move |reader| reader.nearest(name.as_str(), SUGGESTIONS)).await?
            }
            GroupKey::Id(_) => Vec::new(),
        };
        Err(NodeError::UnknownGroup { group: key.clone(), nearest })
    }

    /// Writes entries, each on top of the one before: all or none. They are durable when it returns.
    pub async fn send(&self, group: &GroupSummary, drafts: Vec<Draft>) -> Result<Vec<ChangeHash>, NodeError> {
        let id = group.id;
        match self.ask(move |engine, now| engine.write(id, drafts, now)).await {
            Err(NodeError::Command(Refusal::NotJoined)) => {
                Err(NodeError::NotJoined { name: group.name.clone() })
            }
            answer => answer,
        }
    }

    /// Creates a public group and joins it. If the group exists already, this only joins it.
    pub async fn create(&self, name: &GroupName) -> Result<GroupId, NodeError> {
        let wanted = name.clone();
        let announced = self.read(move |reader| reader.is_announced(&wanted)).await?;
        self.enter(name, !announced).await
    }

    pub async fn join(&self, group: &GroupSummary) -> Result<GroupId, NodeError> {
        self.enter(&group.name, false).await
    }

    async fn enter(&self, name: &GroupName, announce: bool) -> Result<GroupId, NodeError> {
        let name = name.clone();
        self.ask(move |engine, now| engine.join(name, announce, now)).await
    }

    pub async fn leave(&self, group: &GroupSummary) -> Result<(), NodeError> {
        let not_joined = || NodeError::NotJoined { name: group.name.clone() };
        let group = group.no.filter(|_| group.joined).ok_or_else(not_joined)?;
        self.ask(move |engine, now| engine.leave(group, now)).await
    }

    pub async fn set_topic(&self, group: &GroupSummary, topic: &str) -> Result<ChangeHash, NodeError> {
        if topic.len() > TOPIC_BYTES_MAX {
            return Err(NodeError::Topic { bytes: topic.len() });
        }
        let kind = Some(kinds::topic::TOPIC.to_owned());
        let draft = Draft { kind, body: topic.to_owned(), ..Draft::default() };
        let ids = self.send(group, vec![draft]).await?;
        // One draft makes one entry.
        Ok(ids[0])
    }

    /// Sets the display name that others see.
    pub async fn set_name(&self, name: &str) -> Result<(), NodeError> {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            return Err(NodeError::Name { bytes: name.len() });
        }
        let name = name.to_owned();
        self.ask(move |engine, now| engine.set_name(&name, now)).await
    }

    /// Records that the person at this peer has read everything that arrived in the group up to `arrival`.
    /// Durable when it returns.
    pub async fn mark_read(&self, group: GroupNo, arrival: EntryNo) -> Result<(), NodeError> {
        self.ask(move |engine, _| engine.mark_read(group, arrival)).await?;
        self.0.reporter.publish(Notice::ReadMarks);
        Ok(())
    }

    /// On how many peers each entry is known to be stored, this one included. Waits until every linked peer
    /// of the group has reported it, or until `patience` has passed.
    pub async fn stored_on(
        &self,
        group: GroupNo,
        ids: &[ChangeHash],
        patience: Duration,
    ) -> Result<Vec<u32>, NodeError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut news = self.watch();
        loop {
            let seen = news.borrow().peers;
            let entries = ids.to_vec();
            let answers = self.ask(move |engine, _| engine.stored_on(group, &entries)).await?;
            let complete = answers.iter().all(|answer| answer.awaited == 0);
            let waited = tokio::time::timeout_at(deadline, news.wait_for(|news| news.peers != seen));
            if complete || waited.await.is_err() {
                return Ok(answers.into_iter().map(|answer| answer.peers).collect());
            }
        }
    }

    pub async fn status(&self) -> Result<Status, NodeError> {
        let engine = self.ask(|engine, now| engine.status(now)).await?;
        let traffic = self.0.links.traffic();
        let (peer, mesh) = (self.0.peer, self.0.mesh);
        let now = wall_clock();
        self.read(move |reader| status::describe(peer, mesh, &engine, &traffic, reader, now)).await
    }

    /// The preview of a group that is still catching up: the newest entries, without those that its history
    /// holds by now, and the peer that sent them. Their place in the history is not known yet.
    pub async fn preview(&self, group: GroupNo) -> Result<Option<(PeerId, Vec<Entry>)>, NodeError> {
        let Some(Preview { from, changes }) = self.0.news.borrow().previews.of(group) else {
            return Ok(None);
        };
        let entries = self.read(move |reader| reader.preview(group, &changes)).await?;
        Ok((!entries.is_empty()).then_some((from, entries)))
    }

    /// Reads from the database on a separate connection, without waiting for the writer.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        self.0.readers.read(read).await
    }

    /// Changes whenever something is new; closes when the node stops.
    pub fn watch(&self) -> watch::Receiver<News> {
        self.0.news.clone()
    }

    /// Keeps [`News::spread`] up to date until it is dropped.
    pub fn follow_spread(&self) -> Following {
        Following::new(self.0.reporter.clone())
    }

    /// Tries twice: the first write may fail on a damaged database, which is then salvaged.
    async fn insist(
        &self,
        command: impl FnOnce(&mut Engine<SqliteStore>, Now) -> Answer<(), StoreError> + Clone + Send + 'static,
    ) -> Result<(), NodeError> {
        match self.ask(command.clone()).await {
            Err(NodeError::NotSaved(_)) => self.ask(command).await,
            answer => answer,
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Engine<SqliteStore>, Now) -> Answer<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        self.0.writer.input().ask(command).await
    }
}
