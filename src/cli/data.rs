//! Which data directory a command is about, and the client for it.

use std::path::PathBuf;

use super::Context;
use super::failure::{Failure, Result};
use crate::api::Client;

/// The directory asked for, or the platform's own place.
pub(super) fn directory(asked: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = asked {
        return Ok(path);
    }
    directories::ProjectDirs::from("", "", "peer")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or_else(|| Failure::usage("there is no home directory; say where to keep things with --data DIR"))
}

impl Context {
    pub(super) async fn client(&self) -> Result<Client> {
        Ok(Client::open(&self.data).await?)
    }
}
