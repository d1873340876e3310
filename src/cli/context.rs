//! What every command works with: the data directory, the client for the peer on it, and standard output.

use std::path::PathBuf;

use super::failure::{Failure, Result};
use super::output::Output;
use crate::api::Client;

pub(super) struct Context {
    pub data: PathBuf,
    pub out: Output,
}

impl Context {
    /// `data` is the directory asked for; without it, the platform's data directory is used.
    pub fn new(data: Option<PathBuf>, json: bool) -> Result<Self> {
        let default =
            || directories::ProjectDirs::from("", "", "peer").map(|dirs| dirs.data_dir().to_owned());
        let data = data.or_else(default).ok_or_else(|| {
            Failure::usage("there is no home directory; name a data directory with --data DIR")
        })?;
        Ok(Self { data, out: Output::new(json) })
    }

    /// Connects to the running peer, or opens the data directory in this process where none runs.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::open(&self.data).await?)
    }
}
