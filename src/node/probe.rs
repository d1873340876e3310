//! Asks the peers of a ticket whether they accept it, without joining the mesh.

use peer_engine::identity::Identity;
use peer_engine::wire::CloseCode;
use peer_engine::wire::ticket::Ticket;

use super::{NodeError, data_dir};
use crate::transport::{HelloInfo, Transport, TransportError};

/// Does a handshake with the first peer of the ticket that answers, with a key made for this purpose.
pub async fn probe(ticket: &Ticket) -> Result<(), NodeError> {
    let identity = Identity::from_seed(data_dir::random_secret()?.bytes());
    let transport = Transport::new(&identity, ticket.secret.clone())?;
    let mut failures = Vec::new();
    for address in &ticket.addresses {
        match transport.dial(address, Some(ticket.peer), HelloInfo::default()).await {
            Ok(link) => {
                link.writer.close(CloseCode::Leaving).await;
                return Ok(());
            }
            Err(TransportError::Refused | TransportError::Stranger) => return Err(NodeError::Refused),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if failures.is_empty() {
        failures.push("the ticket names no address".to_owned());
    }
    Err(NodeError::Unreachable(failures.join("; ")))
}
