//! Read-only database connections, lent to blocking threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use super::NodeError;
use super::input::{Input, InputSender};
use crate::engine::Event;
use crate::id::MeshId;
use crate::store::{Reader, StoreError};

/// Idle connections that are kept.
const IDLE_MAX: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    database: PathBuf,
    mesh: MeshId,
    idle: Arc<Mutex<Vec<Reader>>>,
    /// Where damage is reported to.
    input: Arc<OnceLock<InputSender>>,
}

impl Readers {
    pub fn new(database: PathBuf, mesh: MeshId) -> Self {
        Self { database, mesh, idle: Arc::default(), input: Arc::default() }
    }

    /// Damaged entries that readers come upon are made known to the engine from now on.
    pub fn attach(&self, input: InputSender) {
        self.input.get_or_init(|| input);
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let reader = match readers.idle().pop() {
                Some(reader) => reader,
                None => Reader::open(&readers.database, readers.mesh)?,
            };
            let answer = read(&reader);
            if let Some(input) = readers.input.get() {
                for (group, no) in reader.take_damage() {
                    // An error means that the node is stopping.
                    let _ = input.send(Input::Event { event: Event::Damaged { group, no }, room: None });
                }
            }
            let mut idle = readers.idle();
            if idle.len() < IDLE_MAX {
                idle.push(reader);
            }
            answer
        });
        Ok(done.await.map_err(|_| NodeError::Stopped)??)
    }

    /// Closes what is idle, so that the writer is the last to close the database and tidies up behind itself.
    pub fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        // A panic while the lock was held cannot leave the list half changed.
        self.idle.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
