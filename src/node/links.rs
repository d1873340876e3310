//! The tasks of each connection: they check incoming frames, which needs no state, and write queued frames.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use peer_engine::engine::{Event, Misconduct};
use peer_engine::id::PeerId;
use peer_engine::limits::ADDRESSES_MAX;
use peer_engine::sync::LinkId;
use peer_engine::wire::CloseCode;
use peer_engine::wire::frame::{Control, Frame};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::gate::Gate;
use super::handshakes::Handshakes;
use super::input::{Input, InputSender};
use super::outbox::{Outbox, write_all};
use crate::limits::{ACCEPT_RETRY_MS, CLOSE_MS_MAX, LINK_INBOX_BYTES_MAX, LINK_INBOX_FRAMES_MAX};
use crate::transport::{HelloInfo, Link, LinkReader, Listener, Traffic, Transport, TransportError};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bytes {
    pub read: u64,
    pub written: u64,
}

/// Makes links and runs them. Clones share the same state.
#[derive(Clone)]
pub(super) struct Links(Arc<Shared>);

struct Shared {
    transport: Transport,
    hello: HelloInfo,
    network: bool,
    input: OnceLock<InputSender>,
    runtime: Handle,
    last_link: AtomicU64,
    traffic: Mutex<BTreeMap<LinkId, Arc<Traffic>>>,
    handshakes: Handshakes,
    gate: Gate,
    /// One permit for each running link.
    running: Arc<Semaphore>,
}

const RUNNING_MAX: u32 = 1 << 20;

impl Links {
    /// Must be called within a tokio runtime.
    pub fn new(transport: Transport, listen: Vec<String>, network: bool) -> Self {
        Self(Arc::new(Shared {
            transport,
            hello: HelloInfo { listen },
            network,
            input: OnceLock::new(),
            runtime: Handle::current(),
            last_link: AtomicU64::new(0),
            traffic: Mutex::default(),
            handshakes: Handshakes::default(),
            gate: Gate::new(),
            running: Arc::new(Semaphore::new(RUNNING_MAX as usize)),
        }))
    }

    /// Sets where events go from now on.
    pub fn attach(&self, input: InputSender) {
        self.0.input.get_or_init(|| input);
    }

    fn input(&self, event: Event) {
        if let Some(input) = self.0.input.get() {
            // An error means that the node is stopping, and so are the links.
            let _ = input.send(Input::Event { event, room: None });
        }
    }

    /// Waits until all links have ended, which takes a bounded time.
    pub async fn drain(&self) {
        let _ = self.0.running.acquire_many(RUNNING_MAX).await;
    }

    /// The bytes sent and received on each link that is up.
    pub fn traffic(&self) -> BTreeMap<LinkId, Bytes> {
        let traffic = self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes =
            |counted: &Traffic| Bytes { read: counted.read_bytes(), written: counted.written_bytes() };
        traffic.iter().map(|(link, counted)| (*link, bytes(counted))).collect()
    }

    pub async fn accept_all(self, listener: Listener) {
        loop {
            let pending = match listener.accept().await {
                Ok(pending) => pending,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                    continue;
                }
            };
            let links = self.clone();
            tokio::spawn(async move {
                let remote = pending.remote();
                let mut place = links.0.handshakes.enter(remote.ip());
                let made = tokio::select! {
                    made = pending.handshake(links.0.hello.clone()) => made,
                    () = place.lost() => Err(TransportError::TimedOut),
                };
                drop(place);
                match made {
                    Ok(link) => links.run(link, remote.to_string()).await,
                    Err(error) => tracing::debug!(%remote, "no link: {error}"),
                }
            });
        }
    }

    /// Called on the engine's thread.
    pub fn dial(&self, peer: PeerId, address: String) {
        let links = self.clone();
        self.0.runtime.spawn(async move {
            if !links.0.network {
                return;
            }
            match links.0.transport.dial(&address, Some(peer), links.0.hello.clone()).await {
                Ok(link) => links.run(link, address).await,
                Err(error) => {
                    let refused = matches!(error, TransportError::Refused | TransportError::Stranger);
                    if refused {
                        tracing::warn!(%peer, address, "{error}");
                    } else {
                        tracing::debug!(%peer, address, "{error}");
                    }
                    links.input(Event::DialFailed { peer, address, refused });
                }
            }
        });
    }

    async fn run(self, link: Link, address: String) {
        let Ok(_running) = self.0.running.clone().acquire_owned().await else { return };
        let Some(input) = self.0.input.get().cloned() else { return };
        let Link { peer, dialled, remote, listen, deflate, traffic, mut reader, writer } = link;
        let id = LinkId(self.0.last_link.fetch_add(1, Ordering::Relaxed) + 1);
        self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner).insert(id, traffic);
        let (outbox, outgoing) = Outbox::new(id);
        let listen = reachable(listen, remote, dialled);
        let event = Event::LinkUp { link: id, peer, dialled, address, listen };
        if input.send(Input::LinkUp { event, outbox: outbox.clone() }).is_ok() {
            let mut writing = std::pin::pin!(write_all(writer, outgoing, &outbox, deflate));
            let fault = tokio::select! {
                fault = receive(id, &mut reader, &input, &self.0.gate) => fault,
                () = &mut writing => None,
                () = outbox.wedged() => Some(CloseCode::Slow),
                () = outbox.overdue() => None,
            };
            if let Some(code) = fault {
                // The engine closes the link, too, and records the reason.
                match Misconduct::from_code(code) {
                    Some(what) => self.input(Event::Misconduct { link: id, what }),
                    // The engine ended while a frame was being received.
                    None if code == CloseCode::Leaving => {}
                    None => tracing::warn!(%peer, "closing a link: {}", code.reason()),
                }
                outbox.close(code);
                tokio::select! {
                    () = &mut writing => {}
                    () = outbox.overdue() => {}
                }
            }
            // Lets the other side read the reason before the connection is closed.
            let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), drain(&mut reader)).await;
        }
        self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.input(Event::LinkDown { link: id });
    }
}

/// Passes incoming frames on in order. Returns when the link ends: `Some` if this side has to close it.
async fn receive(
    link: LinkId,
    reader: &mut LinkReader,
    input: &InputSender,
    gate: &Gate,
) -> Option<CloseCode> {
    let room = Arc::new(Semaphore::new(LINK_INBOX_BYTES_MAX));
    let mut checks = FuturesOrdered::new();
    let mut end = None;
    loop {
        // At most one frame waits for queue space.
        let next = checks.is_empty() || checks.len() < gate.at_once() && room.available_permits() > 0;
        tokio::select! {
            Some(checked) = checks.next() => match checked {
                Ok(checked) => {
                    if input.send(checked).is_err() {
                        return Some(CloseCode::Leaving);
                    }
                }
                Err(code) => return code,
            },
            read = reader.next(), if end.is_none() && next => match read {
                Ok(Some(bytes)) => checks.push_back(check(link, bytes, &room, gate)),
                Ok(None) | Err(TransportError::Closed { .. } | TransportError::Broken(_)) => end = Some(None),
                Err(error) => end = Some(Some(error.close_code())),
            },
            else => return end.flatten(),
        }
    }
}

/// Checks one frame, as soon as there is queue space for it.
async fn check(
    link: LinkId,
    bytes: Vec<u8>,
    room: &Arc<Semaphore>,
    gate: &Gate,
) -> Result<Input, Option<CloseCode>> {
    let length = Frame::decoded_bytes(&bytes).max(LINK_INBOX_BYTES_MAX / LINK_INBOX_FRAMES_MAX);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let room = room.clone().acquire_many_owned(length).await.map_err(|_| None)?;
    let frame = Frame::decode(&bytes).map_err(|error| Some(error.close_code()))?;
    drop(bytes);
    let event = match frame {
        Frame::Control(Control::Close { .. }) => return Err(None),
        Frame::Control(Control::Hello { .. }) => return Err(Some(CloseCode::Protocol)),
        Frame::Control(control) => Event::Control { link, control },
        Frame::Sync { group, mut message } => {
            let changes = std::mem::take(&mut message.changes);
            let changes = gate.verify(group, changes).await.ok_or(Some(CloseCode::Change))?;
            Event::Sync { link, group, message: message.with_changes(changes) }
        }
        Frame::Preview { group, changes } => {
            let changes = gate.verify(group, changes).await.ok_or(Some(CloseCode::Change))?;
            Event::Preview { link, group, changes }
        }
    };
    Ok(Input::Event { event, room: Some(room) })
}

async fn drain(reader: &mut LinkReader) {
    while let Ok(Some(_)) = reader.next().await {}
}

/// The addresses at which the peer of an accepted link can be dialled: those that it advertises. If these are
/// all private addresses, the address that it connected from is added, with its listening port, since its
/// router may forward that port. If it advertises a host name or a public address, nothing is added.
fn reachable(mut listen: Vec<String>, remote: SocketAddr, dialled: bool) -> Vec<String> {
    let remote = remote.ip().to_canonical();
    let port = listen.first().and_then(|address| address.rsplit_once(':')).map(|(_, port)| port.to_owned());
    if let Some(port) = port.and_then(|port| port.parse().ok()).filter(|_| !dialled) {
        let seen = SocketAddr::new(remote, port).to_string();
        let told = listen.iter().any(|address| match address.parse::<SocketAddr>() {
            Ok(address) => address.is_ipv4() == remote.is_ipv4() && !is_local(address.ip()),
            Err(_) => true,
        });
        if !told && !listen.contains(&seen) && listen.len() < ADDRESSES_MAX {
            listen.push(seen);
        }
    }
    listen
}

/// Whether the address has no meaning, or another one, in another network.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listen: &[&str], remote: &str, expected: &[&str]) {
        let listen = listen.iter().map(|&address| address.to_owned()).collect();
        let remote = SocketAddr::new(remote.parse().unwrap(), 50_000);
        assert_eq!(reachable(listen, remote, false), expected);
    }

    #[test]
    fn only_a_peer_behind_a_router_is_looked_for_where_it_came_from() {
        check(&["192.168.1.5:7117"], "203.0.113.9", &["192.168.1.5:7117", "203.0.113.9:7117"]);
        check(&["100.64.0.9:7117"], "203.0.113.9", &["100.64.0.9:7117", "203.0.113.9:7117"]);
        let both = ["192.168.1.5:7117", "[2001:db8::5]:7117"];
        check(&both, "::ffff:203.0.113.9", &[both[0], both[1], "203.0.113.9:7117"]);
        check(&both, "2001:db8::77", &both);
        check(&["chat.example.org:443"], "203.0.113.9", &["chat.example.org:443"]);
        check(&["198.51.100.1:7117"], "203.0.113.9", &["198.51.100.1:7117"]);
        check(&["127.0.0.1:7117"], "127.0.0.1", &["127.0.0.1:7117"]);
        check(&[], "203.0.113.9", &[]);
    }

    #[test]
    fn a_peer_that_was_dialled_is_where_it_says() {
        let remote = "203.0.113.9:7117".parse().unwrap();
        let listen = vec!["192.168.1.5:7117".to_owned()];
        assert_eq!(reachable(listen.clone(), remote, true), listen);
    }
}
