//! The running peer: a node with a network, and the API on loopback for this machine's user.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::assets::{self, Asset};
use super::client::Client;
use super::discovery::Announcement;
use super::guard::{self, Gate};
use super::login::Login;
use super::routes;
use super::service::Service;
use super::token::Token;
use super::types::Ready;
use super::{JoinError, Ticket, listener, membership};
use crate::limits::{API_STOP_MS_MAX, HOLDER_WAIT_MS};
use crate::node::{DataDir, DataDirError, Node, NodeError, Options};

/// How often a lock that another process holds is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    pub listen: Vec<SocketAddr>,
    pub advertise: Vec<String>,
    pub join: Vec<Ticket>,
    pub name: Option<String>,
    /// The address of the API; `None`: the API is not served. With port 0 it takes its last port if that is
    /// free, since bookmarks and drafts of a page belong to its origin.
    pub api: Option<SocketAddr>,
    /// The files that are served to browsers.
    pub page: &'static [Asset],
}

/// Why a peer did not start. Nothing keeps running.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the tickets are of different meshes; a data directory belongs to one")]
    TicketsDisagree,
    #[error("a peer is already running on {}; stop it first, or give this one another --data", .0.display())]
    Running(PathBuf),
    #[error("another `peer` command is using {} and does not finish; stop it, or give this one another --data", .0.display())]
    Busy(PathBuf),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("the local API cannot listen on {address}: {source}; choose another with --api, or use --no-api")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the local API must stay on this machine, and {0} does not; use 127.0.0.1:PORT")]
    NotLoopback(SocketAddr),
    #[error("cannot write {}: {source}", path.display())]
    Announce { path: PathBuf, source: io::Error },
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A running peer. Dropping it does not stop it cleanly; [`Server::stop`] does.
pub struct Server {
    node: Node,
    data: PathBuf,
    api: Option<Api>,
}

struct Api {
    address: SocketAddr,
    login: Arc<Login>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// The first start in a directory creates identity, mesh and database; with tickets, only after a member
    /// of the mesh has accepted one of them.
    pub async fn start(data: &Path, options: ServeOptions) -> Result<Self, ServeError> {
        if options.join.windows(2).any(|pair| pair[0].mesh != pair[1].mesh) {
            return Err(ServeError::TicketsDisagree);
        }
        if !options.join.is_empty() && !DataDir::exists(data)? {
            membership::ask(&options.join).await?;
        }
        let dir = take(data, options.join.first()).await?;
        let data = dir.path().to_owned();
        let announce = |source| ServeError::Announce { path: super::discovery::path(&data), source };
        Announcement::remove(&data).map_err(announce)?;
        // Opened before the node starts, so that a port that is in use is detected while nothing runs.
        let listener = match options.api {
            Some(address) => Some(listen(address, &data).await?),
            None => None,
        };
        let node_options = Options {
            listen: options.listen,
            advertise: options.advertise,
            join: options.join,
            name: options.name,
            network: true,
        };
        let node = Node::start(dir, node_options).await?;
        let api = match listener {
            Some((listener, address)) => {
                let token = Token::random()?;
                let login = Login::open(&data, address);
                let login = Arc::new(login.map_err(announce)?);
                let gate = Gate { token: token.clone(), login: Some(login.clone()), page: options.page };
                let api = Api::start(listener, address, &node, login, gate);
                if let Err(source) = (Announcement { address, token }).write(&data) {
                    api.stop().await;
                    node.stop().await;
                    return Err(announce(source));
                }
                Some(api)
            }
            None => None,
        };
        Ok(Self { node, data, api })
    }

    /// What `peer serve` prints. Holds a ticket and a login link, which are secrets and are not stored.
    pub async fn ready(&self) -> Result<Ready, ServeError> {
        let Self { node, api, .. } = self;
        let name = node.name().await.unwrap_or_else(|error| {
            warn!(%error, "cannot read this peer's name");
            None
        });
        Ok(Ready {
            event: "ready".to_owned(),
            peer: node.peer(),
            name,
            mesh: node.mesh(),
            listen: node.listen(),
            api: api.as_ref().map(|api| api.address),
            page: api.as_ref().map(|api| api.login.link()).transpose()?,
            ticket: node.ticket().to_string(),
        })
    }

    /// Returns when the node has stopped by itself, with the reason.
    pub async fn failed(&self) -> NodeError {
        let mut commits = self.node.watch();
        while commits.changed().await.is_ok() {}
        self.node.status().await.err().unwrap_or(NodeError::Stopped)
    }

    /// Ends open requests, then the node: everything acknowledged is on disk, and the links are closed.
    pub async fn stop(self) {
        if let Err(error) = Announcement::remove(&self.data) {
            warn!(%error, "api.json could not be removed; the next start removes it");
        }
        if let Some(api) = self.api {
            api.stop().await;
        }
        self.node.stop().await;
    }
}

impl Api {
    fn start(listener: TcpListener, address: SocketAddr, node: &Node, login: Arc<Login>, gate: Gate) -> Self {
        let (stop, stopping) = watch::channel(false);
        let service = Service::new(node.clone(), Some(login.clone()), stopping.clone());
        let routes = routes::router(service).merge(assets::router(gate.page));
        let task = tokio::spawn(listener::serve(listener, guard::protect(routes, gate), stopping));
        Self { address, login, stop, task }
    }

    async fn stop(mut self) {
        self.stop.send_replace(true);
        // A client that neither reads nor disconnects must not keep the peer from stopping.
        if timeout(Duration::from_millis(API_STOP_MS_MAX), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Locks the data directory. Waits for a command that is about to finish, but not for a running peer.
async fn take(data: &Path, ticket: Option<&Ticket>) -> Result<DataDir, ServeError> {
    let give_up = Instant::now() + Duration::from_millis(HOLDER_WAIT_MS);
    loop {
        match DataDir::open(data, ticket) {
            Err(DataDirError::Locked { .. }) => {}
            taken => return Ok(taken?),
        }
        if Client::connect(data).await.is_ok_and(|found| found.is_some()) {
            return Err(ServeError::Running(data.to_owned()));
        }
        if Instant::now() >= give_up {
            return Err(ServeError::Busy(data.to_owned()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn listen(address: SocketAddr, data: &Path) -> Result<(TcpListener, SocketAddr), ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let failed = |source| ServeError::Listen { address, source };
    let last = Login::last_port(data).filter(|_| address.port() == 0);
    let again = match last {
        Some(port) => TcpListener::bind((address.ip(), port)).await.ok(),
        None => None,
    };
    let listener = match again {
        Some(listener) => listener,
        None => TcpListener::bind(address).await.map_err(failed)?,
    };
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
