//! Joining a mesh with a ticket, before the data directory has a peer.

use std::path::Path;

use peer_engine::id::MeshId;
use serde::Serialize;

use super::Ticket;
use crate::node::{self, DataDir, DataDirError, Node, NodeError, Options};

/// Why joining failed. Nothing was created or changed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("{0}; `peer join --offline TICKET` takes the ticket without asking")]
    Unreachable(NodeError),
    #[error(transparent)]
    Node(NodeError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

/// A data directory that belongs to a mesh, and knows peers to dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined {
    pub mesh: MeshId,
    /// The directory belonged to this mesh before.
    pub already: bool,
}

/// Joins `data` to the ticket's mesh. Unless `offline`, a new directory is only created after a member of the
/// mesh has accepted the ticket's secret.
pub async fn join(data: &Path, ticket: &Ticket, offline: bool) -> Result<Joined, JoinError> {
    let already = DataDir::exists(data)?;
    if !already && !offline {
        ask(std::slice::from_ref(ticket)).await?;
    }
    let dir = DataDir::open(data, Some(ticket))?;
    // A start without a network is enough to store the ticket's peer and its addresses.
    let options = Options { join: vec![ticket.clone()], ..Options::default() };
    Node::start(dir, options).await.map_err(JoinError::Node)?.stop().await;
    Ok(Joined { mesh: ticket.mesh, already })
}

/// Whether a member of the mesh accepts one of these tickets. There must be at least one.
pub(super) async fn ask(tickets: &[Ticket]) -> Result<(), JoinError> {
    let mut verdict = Ok(());
    for ticket in tickets {
        verdict = match node::probe(ticket).await {
            Ok(()) => return Ok(()),
            // If one ticket was refused and another one's peers cannot be reached, the refusal is reported.
            Err(_) if matches!(verdict, Err(JoinError::Node(_))) => verdict,
            Err(error @ NodeError::Unreachable(_)) => Err(JoinError::Unreachable(error)),
            Err(error) => Err(JoinError::Node(error)),
        };
    }
    verdict
}
