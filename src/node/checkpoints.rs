//! The thread that moves the write-ahead log into the database while the writer goes on.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::store::SqliteStore;

/// The one that is under way, if there is one.
#[derive(Default)]
pub(super) struct Checkpoints(Option<JoinHandle<()>>);

impl Checkpoints {
    /// Begins with one, unless one is under way.
    pub fn start(&mut self, path: PathBuf) {
        if self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let checkpoint = move || {
            if let Err(error) = SqliteStore::checkpoint(&path) {
                tracing::debug!("the write-ahead log stays where it is for now: {error}");
            }
        };
        // Without a thread the writer does it later.
        self.0 = thread::Builder::new().name("checkpoint".to_owned()).spawn(checkpoint).ok();
    }

    /// Returns when none is under way: whoever closes the database is the last.
    pub fn wait(&mut self) {
        if let Some(running) = self.0.take() {
            // A panic in there has been reported, and has changed nothing.
            let _ = running.join();
        }
    }
}
