//! The local service: the running peer's, or one that is started in this process.

use std::path::Path;
use std::sync::Arc;

use peer_engine::id::PeerId;

use crate::api::{Client, ClientError, Events, EventsQuery, ServeError, ServeOptions, Server};

/// Why no service could be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A connection to a service, and the server if it runs in this process.
pub struct Service {
    pub client: Arc<Client>,
    pub peer: PeerId,
    server: Option<Server>,
}

impl Service {
    /// Starts a peer on `data`, or connects to the one that runs there. With a running peer, tickets and a name in
    /// `options` are an error, since only a start can use them.
    pub async fn open(data: &Path, options: &ServeOptions) -> Result<Self, ServiceError> {
        let server = match Server::start(data, options.clone()).await {
            Ok(server) => Some(server),
            Err(ServeError::Running(_)) if options.join.is_empty() && options.name.is_none() => None,
            Err(error) => return Err(error.into()),
        };
        let client = match Client::open(data).await {
            Ok(client) => Arc::new(client),
            Err(error) => return Err(stopped(server, error).await),
        };
        match client.hello().await {
            Ok(hello) => Ok(Self { client, peer: hello.peer, server }),
            Err(error) => Err(stopped(server, error).await),
        }
    }

    pub fn is_own(&self) -> bool {
        self.server.is_some()
    }

    /// The events from now on.
    pub async fn events(&self) -> Result<Events, ClientError> {
        self.client.events(&EventsQuery::default()).await
    }

    /// Closes the connection, and stops the server if it runs in this process.
    pub async fn close(self) {
        drop(self.client);
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

async fn stopped(server: Option<Server>, error: ClientError) -> ServiceError {
    if let Some(server) = server {
        server.stop().await;
    }
    error.into()
}
