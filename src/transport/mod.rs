//! Connections between peers: TCP, TLS 1.3 with raw Ed25519 keys, WebSocket, and a hello that proves
//! membership. The result is a [`Link`] to a known key of this mesh.
//!
//! The transport knows nothing of groups or changes. It does not choose whom to dial, retry, or count
//! connections. It passes on no message of a peer that has not proven its membership.

mod error;
mod handshake;
mod link;
mod tls;
mod traffic;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

pub use error::TransportError;
pub use handshake::{HelloInfo, Told, check_hello};
pub use link::{Link, LinkReader, LinkWriter};
pub use traffic::Traffic;

use crate::limits::ACCEPT_QUEUE_MAX;
use handshake::{Member, Proven};
use peer_engine::id::PeerId;
use peer_engine::identity::{Identity, MeshSecret};
use peer_engine::limits::HANDSHAKE_MS_MAX;
use peer_engine::wire::address;
use tls::Tls;
use traffic::Counted;

/// What a connection needs: this peer's key and the secret of its mesh. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    tls: Arc<Tls>,
    secret: Arc<MeshSecret>,
    myself: PeerId,
    patience: Duration,
}

pub struct Listener {
    transport: Transport,
    listener: TcpListener,
}

/// A new connection; nothing is known of the other side yet.
pub struct Pending {
    transport: Transport,
    stream: TcpStream,
    remote: SocketAddr,
    deadline: Instant,
}

impl Transport {
    pub fn new(identity: &Identity, secret: MeshSecret) -> Result<Self, TransportError> {
        Ok(Self {
            tls: Arc::new(Tls::new(identity)?),
            secret: Arc::new(secret),
            myself: identity.peer(),
            patience: Duration::from_millis(HANDSHAKE_MS_MAX),
        })
    }

    /// Drops a connection that is not proven after `patience`, instead of `HANDSHAKE_MS_MAX`.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub async fn bind(&self, address: SocketAddr) -> Result<Listener, TransportError> {
        let listener = listen(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => TransportError::AddressInUse { address },
            _ => TransportError::Bind { address, source },
        })?;
        Ok(Listener { transport: self.clone(), listener })
    }

    /// Connects to `address` (`host:port`), to the holder of the key `expected` where that is known.
    pub async fn dial(
        &self,
        address: &str,
        expected: Option<PeerId>,
        hello: HelloInfo,
    ) -> Result<Link, TransportError> {
        address::check(address)?;
        let unreachable = |source| TransportError::Unreachable { address: address.to_owned(), source };
        let stream = timeout(self.patience, TcpStream::connect(address))
            .await
            .map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))?
            .map_err(unreachable)?;
        let remote = stream.peer_addr().map_err(unreachable)?;
        timeout(self.patience, self.handshake(stream, remote, hello, Some(expected)))
            .await
            .map_err(|_| TransportError::TimedOut)?
    }

    /// `dialled` is `None` on the listener's side; on the dialler's side it is the key that it expects, if
    /// any.
    async fn handshake(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        hello: HelloInfo,
        dialled: Option<Option<PeerId>>,
    ) -> Result<Link, TransportError> {
        // Messages are written whole, so waiting for more bytes gains nothing.
        stream.set_nodelay(true).map_err(TransportError::Broken)?;
        let (stream, traffic) = Counted::new(stream);
        let member = Member { myself: self.myself, secret: &self.secret, hello };
        let (peer, proven) = match dialled {
            Some(expected) => {
                let channel = self.tls.dial(stream, expected).await?;
                (channel.peer, handshake::dial(channel, member).await?)
            }
            None => {
                let channel = self.tls.accept(stream).await?;
                (channel.peer, handshake::accept(channel, member).await?)
            }
        };
        let Proven { socket, told: Told { listen, deflate } } = proven;
        let (reader, writer) = link::halves(socket);
        Ok(Link { peer, dialled: dialled.is_some(), remote, listen, deflate, traffic, reader, writer })
    }
}

/// `TcpListener::bind` with a longer queue.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restarted peer can bind its port at once. Windows allows that anyway, and gives the option
    // another meaning.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE_MAX)
}

impl Listener {
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection, without its handshake: do that in a task of its own, so that one slow stranger
    /// does not delay the others. After an error (no file handles left, for example) wait a little.
    pub async fn accept(&self) -> io::Result<Pending> {
        let (stream, remote) = self.listener.accept().await?;
        let deadline = Instant::now() + self.transport.patience;
        Ok(Pending { transport: self.transport.clone(), stream, remote, deadline })
    }
}

impl Pending {
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// A link if the other side is a member of this mesh; else the connection is closed.
    pub async fn handshake(self, hello: HelloInfo) -> Result<Link, TransportError> {
        let Self { transport, stream, remote, deadline } = self;
        timeout_at(deadline, transport.handshake(stream, remote, hello, None))
            .await
            .map_err(|_| TransportError::TimedOut)?
    }
}
