//! Starting a peer: the steps from a data directory to a node that runs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use peer_engine::engine::Settings;
use peer_engine::limits::{ADDRESSES_MAX, NAME_BYTES_MAX};
use peer_engine::store::Store;
use peer_engine::wire::ticket::Ticket;

use super::data_dir::{self, DataDir, Secrets};
use super::database::{Database, Opened};
use super::error::{DataDirError, NodeError};
use super::links::Links;
use super::observer::observe;
use super::readers::Readers;
use super::snapshots;
use super::writer::Writer;
use super::{Inner, Node};
use crate::store::{SqliteStore, StoreError};
use crate::transport::{Listener, Transport, TransportError};

/// How a node takes part in its mesh.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub listen: Vec<SocketAddr>,
    /// The addresses (`host:port`) at which others can dial this peer; if empty, those that it listens on.
    pub advertise: Vec<String>,
    pub join: Vec<Ticket>,
    /// The display name to set.
    pub name: Option<String>,
    /// If false, no socket is opened.
    pub network: bool,
}

impl Options {
    fn check(&self) -> Result<(), NodeError> {
        for address in &self.advertise {
            peer_engine::wire::address::check(address).map_err(TransportError::from)?;
        }
        match self.name.as_ref().map(String::len) {
            Some(bytes) if !(1..=NAME_BYTES_MAX).contains(&bytes) => Err(NodeError::Name { bytes }),
            _ => Ok(()),
        }
    }

    /// The addresses that others are told; `None` without a network, when they are told the last known ones.
    fn reachable(&self, listen: &[SocketAddr]) -> Option<Vec<String>> {
        match self.network {
            false => None,
            true if self.advertise.is_empty() => Some(dialable(listen)),
            true => Some(self.advertise.clone()),
        }
    }
}

/// The sockets of a peer; empty without a network.
struct Sockets {
    transport: Transport,
    listeners: Vec<Listener>,
    /// With their actual ports.
    addresses: Vec<SocketAddr>,
}

impl Sockets {
    async fn bind(secrets: &Secrets, options: &Options) -> Result<Self, NodeError> {
        let transport = Transport::new(&secrets.identity, secrets.secret.clone())?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for address in options.listen.iter().filter(|_| options.network) {
            let listener = transport.bind(*address).await?;
            addresses.push(listener.local_addr().map_err(NodeError::Socket)?);
            listeners.push(listener);
        }
        Ok(Self { transport, listeners, addresses })
    }
}

impl Node {
    /// Opens the database, listens, and dials the known peers.
    pub async fn start(dir: DataDir, options: Options) -> Result<Self, NodeError> {
        let secrets = dir.secrets()?;
        options.check()?;
        let sockets = Sockets::bind(&secrets, &options).await?;
        let (peer, mesh) = (secrets.identity.peer(), secrets.mesh);
        let database = Database::new(dir.database(), peer, mesh);
        let reachable = options.reachable(&sockets.addresses);
        let (opened, addresses) = open(&database, &dir, &secrets, reachable.as_deref())?;
        let ticket = Ticket { mesh, secret: secrets.secret.clone(), peer, addresses };
        let settings = Settings {
            identity: secrets.identity,
            mesh,
            writer_stamp: if opened.is_clean { dir.writer_stamp()? } else { data_dir::random()? },
            seed: data_dir::random()?,
        };
        let readers = Readers::new(dir.database(), mesh);
        let links = Links::new(sockets.transport, ticket.addresses.clone(), options.network);
        let (growth, refresher) = snapshots::channel(readers.clone());
        let (writer, news, reporter) =
            Writer::spawn(opened, database, settings, links.clone(), growth, readers.clone())?;
        readers.attach(writer.input());
        let accept = |listener| tokio::spawn(links.clone().accept_all(listener));
        let mut tasks: Vec<_> = sockets.listeners.into_iter().map(accept).collect();
        // A single command ends before it could make a snapshot.
        if options.network {
            tasks.push(tokio::spawn(refresher.run(writer.input())));
        }
        let node = Self(Arc::new(Inner {
            peer,
            mesh,
            listen: sockets.addresses,
            ticket,
            writer,
            readers,
            news,
            reporter,
            links,
            tasks: Mutex::new(tasks),
            _dir: dir,
        }));
        let observing = observe(Arc::downgrade(&node.0), node.watch(), node.0.reporter.clone());
        node.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(observing));
        for ticket in options.join {
            let (peer, addresses) = (ticket.peer, ticket.addresses);
            node.insist(move |engine, now| engine.introduce(peer, addresses, now)).await?;
        }
        node.take_name(options.name).await?;
        Ok(node)
    }

    /// Sets the wanted name. Without one, a peer that has no name yet gets that of the system's user.
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
}

/// Opens the database; if it is damaged, salvages it first.
fn open(
    database: &Database,
    dir: &DataDir,
    secrets: &Secrets,
    reachable: Option<&[String]>,
) -> Result<(Opened, Vec<String>), NodeError> {
    match take(database, dir, secrets, reachable) {
        Err(NodeError::Store(error)) if error.is_damage() => {
            drop(database.salvage(&error)?);
            let (opened, addresses) = take(database, dir, secrets, reachable)?;
            Ok((Opened { is_clean: false, ..opened }, addresses))
        }
        taken => taken,
    }
}

/// Opens the database and checks that it belongs to this peer. Stores the addresses at which the peer can be
/// reached now, or, without a network, reads the last ones.
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

/// The last addresses of this peer: an invitation that is written while it is off names them.
const ADDRESSES_KEY: &str = "addresses";

fn remembered_addresses(store: &SqliteStore) -> Result<Vec<String>, StoreError> {
    let value = store.value(ADDRESSES_KEY)?;
    Ok(value.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

/// Addresses that others can dial: an unspecified address is replaced by all addresses of this machine.
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

/// Link-local addresses can only be dialled with a zone, which other machines do not know.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
