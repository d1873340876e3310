//! Stub of the node's signatures, to be replaced.
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change::ContentError;
use crate::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use crate::store::{Reader, StoreError};
use crate::time::Timestamp;
use crate::wire::Ticket;

pub struct DataDir;

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{path} is in use")]
    Locked { path: String },
    #[error("other")]
    Other,
}

impl DataDir {
    pub fn path(&self) -> &Path {
        todo!()
    }
    pub fn open(_path: &Path, _ticket: Option<&Ticket>) -> Result<DataDir, DataDirError> {
        todo!()
    }
    pub fn exists(path: &Path) -> bool {
        path.join("identity").exists()
    }
}

#[derive(Debug, Default, Clone)]
pub struct Options {
    pub listen: Vec<SocketAddr>,
    pub advertise: Vec<String>,
    pub join: Vec<Ticket>,
    pub name: Option<String>,
    pub network: bool,
}

#[derive(Clone)]
pub struct Node;

pub struct Draft {
    pub at: Option<Timestamp>,
    pub body: String,
    pub from: Option<String>,
    pub re: Option<ChangeHash>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub peer: PeerId,
    pub name: Option<String>,
    pub mesh: MeshId,
    pub groups: Vec<GroupStatus>,
    pub links: Vec<LinkStatus>,
    pub unreachable: Vec<Unreachable>,
    pub flagged: Vec<Flagged>,
    pub disk_bytes: u64,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupStatus {
    pub name: GroupName,
    pub entries: u64,
    pub heads: Vec<ChangeHash>,
    pub waiting: u64,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    pub peer: PeerId,
    pub name: Option<String>,
    pub address: String,
    pub rtt_ms: Option<f64>,
    pub skew_ms: Option<i64>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub behind: Vec<Behind>,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Behind {
    pub group: GroupName,
    pub entries: Option<u64>,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Unreachable {
    pub peer: Option<PeerId>,
    pub address: String,
    pub reason: String,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Flagged {
    pub peer: PeerId,
    pub name: Option<String>,
    pub group: GroupName,
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("unknown group {name}")]
    UnknownGroup { name: GroupName, nearest: Vec<GroupName> },
    #[error("not joined {name}")]
    NotJoined { name: GroupName },
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("name too long: {bytes}")]
    Name { bytes: usize },
    #[error("topic too long: {bytes}")]
    Topic { bytes: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stopped")]
    Stopped,
    #[error("refused")]
    Refused,
    #[error("unreachable {0}")]
    Unreachable(String),
    #[error("listen {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

pub async fn probe(_ticket: &Ticket) -> Result<(), NodeError> {
    todo!()
}

impl Node {
    pub async fn start(_dir: DataDir, _options: Options) -> Result<Node, NodeError> {
        todo!()
    }
    pub async fn stop(self) {}
    pub fn peer(&self) -> PeerId {
        todo!()
    }
    pub fn mesh(&self) -> MeshId {
        todo!()
    }
    pub fn listen(&self) -> Vec<SocketAddr> {
        todo!()
    }
    pub fn ticket(&self) -> Ticket {
        todo!()
    }
    pub async fn send(&self, _group: &GroupName, _drafts: Vec<Draft>) -> Result<Vec<ChangeHash>, NodeError> {
        todo!()
    }
    pub async fn create(&self, _name: &GroupName) -> Result<GroupId, NodeError> {
        todo!()
    }
    pub async fn join(&self, _name: &GroupName) -> Result<GroupId, NodeError> {
        todo!()
    }
    pub async fn leave(&self, _name: &GroupName) -> Result<(), NodeError> {
        todo!()
    }
    pub async fn set_topic(&self, _group: &GroupName, _topic: &str) -> Result<ChangeHash, NodeError> {
        todo!()
    }
    pub async fn set_name(&self, _name: &str) -> Result<(), NodeError> {
        todo!()
    }
    pub async fn stored_on(
        &self,
        _group: &GroupName,
        _ids: &[ChangeHash],
        _patience: Duration,
    ) -> Result<Vec<u32>, NodeError> {
        todo!()
    }
    pub async fn status(&self) -> Result<Status, NodeError> {
        todo!()
    }
    pub async fn read<T: Send + 'static>(
        &self,
        _f: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        todo!()
    }
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        todo!()
    }
}
