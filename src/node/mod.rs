//! The driver: owns the engine, its store and the transport, and moves events and effects between them.
//!
//! The engine runs on a thread of its own, which is the one writer of the database: all that has queued up by
//! the time it looks is one transaction. Sockets live in tasks; faces read on connections of their own.

mod checkpoints;
mod data_dir;
mod database;
mod error;
mod gate;
mod handshakes;
mod input;
mod links;
mod outbox;
mod previews;
mod probe;
mod readers;
mod snapshots;
mod status;
mod writer;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use data_dir::Secrets;
pub use data_dir::{DataDir, DataDirError, write_private};
pub use error::NodeError;
pub use peer_engine::engine::{Draft, Refusal};
pub use probe::probe;
pub use status::{Behind, Flagged, GroupStatus, LinkStatus, Status, Unreachable};

use crate::store::{Entry, Reader, SqliteStore, StoreError};
use crate::transport::{Transport, TransportError};
use database::{Database, Opened};
use links::Links;
use peer_engine::change::Genesis;
use peer_engine::engine::{Answer, Engine, Settings};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::limits::{ADDRESSES_MAX, NAME_BYTES_MAX, TOPIC_BYTES_MAX};
use peer_engine::store::Store;
use peer_engine::time::{Now, Timestamp};
use peer_engine::wire::ticket::Ticket;
use previews::{Preview, Previews};
use readers::Readers;
use writer::Writer;

/// How a node takes part.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub listen: Vec<SocketAddr>,
    /// Where others can dial this peer, `host:port`; empty: the addresses that it listens on.
    pub advertise: Vec<String>,
    pub join: Vec<Ticket>,
    /// The display name to take on.
    pub name: Option<String>,
    /// Without it no socket is opened at all.
    pub network: bool,
}

/// A running peer. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    peer: PeerId,
    mesh: MeshId,
    listen: Vec<SocketAddr>,
    ticket: Ticket,
    writer: Writer,
    readers: Readers,
    previews: Previews,
    changed: watch::Receiver<u64>,
    /// Counts how often a read mark was moved.
    marks: watch::Sender<u64>,
    links: Links,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    /// Held until the node is gone: it locks the data directory.
    _dir: DataDir,
}

impl Node {
    /// Opens the database, listens, and dials whom it knows.
    pub async fn start(dir: DataDir, options: Options) -> Result<Self, NodeError> {
        let secrets = dir.secrets()?;
        let peer = secrets.identity.peer();
        for address in &options.advertise {
            peer_engine::wire::address::check(address).map_err(TransportError::from)?;
        }
        if let Some(bytes) = options.name.as_ref().map(String::len)
            && !(1..=NAME_BYTES_MAX).contains(&bytes)
        {
            return Err(NodeError::Name { bytes });
        }
        let database = Database::new(dir.database(), peer, secrets.mesh);
        let transport = Transport::new(&secrets.identity, secrets.secret.clone())?;
        let mut listeners = Vec::new();
        for address in options.listen.iter().filter(|_| options.network) {
            listeners.push(transport.bind(*address).await?);
        }
        let mut listen = Vec::new();
        for listener in &listeners {
            listen.push(listener.local_addr().map_err(NodeError::Socket)?);
        }
        let reachable = match options.network {
            false => None,
            true if options.advertise.is_empty() => Some(dialable(&listen)),
            true => Some(options.advertise.clone()),
        };
        let (opened, addresses) = match take(&database, &dir, &secrets, reachable.as_deref()) {
            Err(NodeError::Store(error)) if error.is_damage() => {
                drop(database.salvage(&error)?);
                let (opened, addresses) = take(&database, &dir, &secrets, reachable.as_deref())?;
                (Opened { is_clean: false, ..opened }, addresses)
            }
            taken => taken?,
        };
        let readers = Readers::new(dir.database(), secrets.mesh);
        let ticket = Ticket { mesh: secrets.mesh, secret: secrets.secret.clone(), peer, addresses };

        let settings = Settings {
            identity: secrets.identity,
            mesh: secrets.mesh,
            writer_stamp: if opened.is_clean { dir.writer_stamp()? } else { data_dir::random()? },
            seed: data_dir::random()?,
        };
        let links = Links::new(transport, ticket.addresses.clone(), options.network);
        let (growth, refresher) = snapshots::channel(readers.clone());
        let previews = Previews::default();
        let (writer, changed) = Writer::spawn(
            opened,
            database,
            settings,
            links.clone(),
            growth,
            readers.clone(),
            previews.clone(),
        )?;
        readers.attach(writer.input());
        let mut tasks = Vec::new();
        // A single command does not live long enough to make any.
        if options.network {
            tasks.push(tokio::spawn(refresher.run(writer.input())));
        }
        for listener in listeners {
            tasks.push(tokio::spawn(links.clone().accept_all(listener)));
        }
        let inner = Inner {
            peer,
            mesh: secrets.mesh,
            listen,
            ticket,
            writer,
            readers,
            previews,
            changed,
            marks: watch::Sender::new(0),
            links,
            tasks: std::sync::Mutex::new(tasks),
            _dir: dir,
        };
        let node = Self(Arc::new(inner));
        for ticket in options.join {
            let (peer, addresses) = (ticket.peer, ticket.addresses);
            node.insist(move |engine, now| engine.introduce(peer, addresses, now)).await?;
        }
        node.take_name(options.name).await?;
        Ok(node)
    }

    /// Everybody has a name from the first start on.
    async fn take_name(&self, wanted: Option<String>) -> Result<(), NodeError> {
        let current = self.name().await?;
        match (wanted, current) {
            (Some(name), current) if current.as_ref() != Some(&name) => {
                self.insist(move |engine, now| engine.set_name(&name, now)).await
            }
            (None, None) => {
                let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
                let usable = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len());
                let name =
                    user.ok().filter(usable).unwrap_or_else(|| format!("peer-{}", self.0.peer.short()));
                self.insist(move |engine, now| engine.set_name(&name, now)).await
            }
            _ => Ok(()),
        }
    }

    /// Ends all links, and waits until all that was queued is committed and the database is closed.
    pub async fn stop(self) {
        for task in self.0.tasks.lock().unwrap_or_else(|broken| broken.into_inner()).drain(..) {
            task.abort();
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

    /// The addresses really listened on: no port is 0.
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

    /// Writes entries, each on top of the one before; they are durable when it returns. All or none.
    pub async fn send(&self, group: &GroupName, drafts: Vec<Draft>) -> Result<Vec<ChangeHash>, NodeError> {
        let id = Genesis::public(self.0.mesh, group.clone()).id();
        match self.ask(move |engine, now| engine.write(id, drafts, now)).await {
            Err(NodeError::Command(Refusal::NotJoined)) => {
                self.joined(group).await?;
                // It has been joined since.
                Err(NodeError::NotJoined { name: group.clone() })
            }
            answer => answer,
        }
    }

    /// Creates a public group and joins it. Where it exists already, that is the same as joining.
    pub async fn create(&self, name: &GroupName) -> Result<GroupId, NodeError> {
        let wanted = name.clone();
        let announced = self.read(move |reader| reader.is_announced(&wanted)).await?;
        self.enter(name, !announced).await
    }

    pub async fn join(&self, name: &GroupName) -> Result<GroupId, NodeError> {
        let wanted = name.clone();
        match self.read(move |reader| reader.group(&wanted)).await? {
            Some(_) => self.enter(name, false).await,
            None => Err(self.unknown(name).await?),
        }
    }

    async fn enter(&self, name: &GroupName, announce: bool) -> Result<GroupId, NodeError> {
        let name = name.clone();
        self.ask(move |engine, now| engine.join(name, announce, now)).await
    }

    pub async fn leave(&self, name: &GroupName) -> Result<(), NodeError> {
        let group = self.joined(name).await?;
        self.ask(move |engine, now| engine.leave(group, now)).await
    }

    pub async fn set_topic(&self, group: &GroupName, topic: &str) -> Result<ChangeHash, NodeError> {
        if topic.len() > TOPIC_BYTES_MAX {
            return Err(NodeError::Topic { bytes: topic.len() });
        }
        let kind = Some(peer_engine::group::kind::TOPIC.to_owned());
        let draft = Draft { kind, body: topic.to_owned(), ..Draft::default() };
        let ids = self.send(group, vec![draft]).await?;
        // One draft, one entry.
        Ok(ids[0])
    }

    /// The display name that others see.
    pub async fn set_name(&self, name: &str) -> Result<(), NodeError> {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            return Err(NodeError::Name { bytes: name.len() });
        }
        let name = name.to_owned();
        self.ask(move |engine, now| engine.set_name(&name, now)).await
    }

    /// The person at this peer has read what arrived in the group up to here. Durable when it returns.
    pub async fn mark_read(&self, group: GroupNo, arrival: EntryNo) -> Result<(), NodeError> {
        self.ask(move |engine, _| engine.mark_read(group, arrival)).await?;
        self.0.marks.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Changes whenever a read mark was moved.
    pub fn watch_marks(&self) -> watch::Receiver<u64> {
        self.0.marks.subscribe()
    }

    /// On how many peers each entry is stored as far as is known here, this one included. Waits until every
    /// linked peer of the group has shown it, or `patience` is over.
    pub async fn stored_on(
        &self,
        group: &GroupName,
        ids: &[ChangeHash],
        patience: Duration,
    ) -> Result<Vec<u32>, NodeError> {
        let group = self.joined(group).await?;
        let deadline = tokio::time::Instant::now() + patience;
        let mut changed = self.0.changed.clone();
        loop {
            changed.mark_unchanged();
            let entries = ids.to_vec();
            let answers = self.ask(move |engine, _| engine.stored_on(group, &entries)).await?;
            let complete = answers.iter().all(|answer| answer.awaited == 0);
            let waited = tokio::time::timeout_at(deadline, changed.changed());
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

    /// The newest entries of a group that is still caught up with, without those that are in its history by now, and who
    /// sent them ahead. Their place in the history is not known yet.
    pub async fn preview(&self, group: GroupNo) -> Result<Option<(PeerId, Vec<Entry>)>, NodeError> {
        let Some(Preview { from, changes }) = self.0.previews.of(group) else { return Ok(None) };
        let entries = self.read(move |reader| reader.ahead(group, &changes)).await?;
        Ok((!entries.is_empty()).then_some((from, entries)))
    }

    /// The groups whose preview has changed after so many changes, and how many there were until the last of these. After none,
    /// those that have one. Without `with_ends` up to the first that has ended. [`Self::watch`] tells when to look.
    pub fn previews_changed(&self, after: Option<u64>, with_ends: bool) -> (Vec<GroupNo>, u64) {
        self.0.previews.changed_after(after, with_ends)
    }

    /// Reads from the database on a connection of its own, without waiting for the writer.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        self.0.readers.read(read).await
    }

    /// Changes whenever something was stored or was learnt about other peers; closes when the node stops.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.clone()
    }

    async fn joined(&self, name: &GroupName) -> Result<GroupNo, NodeError> {
        let wanted = name.clone();
        match self.read(move |reader| reader.group(&wanted)).await? {
            Some(group) if group.joined => group.no.ok_or(NodeError::NotJoined { name: name.clone() }),
            Some(_) => Err(NodeError::NotJoined { name: name.clone() }),
            None => Err(self.unknown(name).await?),
        }
    }

    async fn unknown(&self, name: &GroupName) -> Result<NodeError, NodeError> {
        let text = name.as_str().to_owned();
        let nearest = self.read(move |reader| reader.nearest(&text, 3)).await?;
        Ok(NodeError::UnknownGroup { name: name.clone(), nearest })
    }

    /// The first write may come upon damage; then there is another database to write to.
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

/// Opens the database, which must be this peer's, and keeps in it where this peer is reachable now, or else reads
/// where it last was.
fn take(
    database: &Database,
    dir: &DataDir,
    secrets: &Secrets,
    reachable: Option<&[String]>,
) -> Result<(Opened, Vec<String>), NodeError> {
    let mut opened = database.open()?;
    own(&mut opened.store, dir, secrets)?;
    let addresses = match reachable {
        None => remembered_addresses(&opened.store)?,
        Some(addresses) => {
            opened.store.set_value(ADDRESSES_KEY, &serde_json::to_vec(addresses).unwrap_or_default())?;
            opened.store.commit()?;
            addresses.to_vec()
        }
    };
    Ok((opened, addresses))
}

/// A database belongs to one peer of one mesh from its first use on.
fn own(store: &mut SqliteStore, dir: &DataDir, secrets: &Secrets) -> Result<(), NodeError> {
    let owner = [secrets.identity.peer().as_bytes(), secrets.mesh.as_bytes()].concat();
    match store.value(OWNER_KEY)? {
        Some(found) if found == owner => {}
        Some(_) => return Err(DataDirError::OtherDatabase { path: dir.database() }.into()),
        None => {
            store.set_value(OWNER_KEY, &owner)?;
            store.commit()?;
        }
    }
    Ok(dir.has_database(secrets)?)
}

const OWNER_KEY: &str = "owner";

/// This machine's clock, within what can be written.
pub fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::clamped(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Where this peer was last reachable: an invitation written while it is off names these.
const ADDRESSES_KEY: &str = "addresses";

fn remembered_addresses(store: &SqliteStore) -> Result<Vec<String>, StoreError> {
    let value = store.value(ADDRESSES_KEY)?;
    Ok(value.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

/// Addresses that others can dial: an unspecified one stands for every address of this machine.
fn dialable(listen: &[SocketAddr]) -> Vec<String> {
    let interfaces: Vec<IpAddr> = if_addrs::get_if_addrs()
        .map(|found| found.into_iter().filter(|interface| !interface.is_loopback()).map(|i| i.ip()).collect())
        .unwrap_or_default();
    let mut addresses: BTreeMap<String, ()> = BTreeMap::new();
    for address in listen {
        if !address.ip().is_unspecified() {
            addresses.insert(address.to_string(), ());
            continue;
        }
        let matching = interfaces.iter().filter(|ip| ip.is_ipv4() || address.is_ipv6());
        let global = matching.filter(|ip| !is_link_local(ip));
        let before = addresses.len();
        addresses.extend(global.map(|ip| (SocketAddr::new(*ip, address.port()).to_string(), ())));
        if addresses.len() == before {
            let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port());
            addresses.insert(local.to_string(), ());
        }
    }
    addresses.into_keys().take(ADDRESSES_MAX).collect()
}

/// Link-local addresses need a zone to be dialled, which no other machine knows.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
