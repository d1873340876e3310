//! The thread that copies the write-ahead log into the database while the writer continues.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::store::SqliteStore;

/// The running checkpoint, if there is one.
#[derive(Default)]
pub(super) struct Checkpoints(Option<JoinHandle<()>>);

impl Checkpoints {
    /// Starts a checkpoint, unless one is running.
    pub fn start(&mut self, path: PathBuf) {
        if self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let checkpoint = move || {
            if let Err(error) = SqliteStore::checkpoint(&path) {
                tracing::debug!("the write-ahead log could not be moved into the database yet: {error}");
            }
        };
        // If no thread can be started, the writer makes the checkpoint later.
        self.0 = thread::Builder::new().name("checkpoint".to_owned()).spawn(checkpoint).ok();
    }

    /// Waits for the running checkpoint, so that the writer's connection is the last to close the database.
    pub fn wait(&mut self) {
        if let Some(running) = self.0.take() {
            // A panic in the thread has been reported already, and has changed nothing.
            let _ = running.join();
        }
    }
}
