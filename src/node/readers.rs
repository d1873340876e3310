//! Read-only database connections, lent to blocking threads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use peer_engine::engine::Event;
use peer_engine::id::MeshId;
use tokio::sync::{Semaphore, oneshot};

use super::NodeError;
use super::input::{Input, InputSender};
use crate::limits::READS_END_MS_MAX;
use crate::store::{Reader, StoreError};

/// Maximum number of idle connections that are kept.
const IDLE_MAX: usize = 4;
/// Maximum number of concurrent reads: no more than there are threads for them.
const READS_MAX: u32 = 256;

#[derive(Clone)]
pub(super) struct Readers {
    database: PathBuf,
    mesh: MeshId,
    idle: Arc<Mutex<Vec<Reader>>>,
    /// One permit for each running read.
    places: Arc<Semaphore>,
    /// Incremented before and after the database is replaced: odd while there is none. Connections of an
    /// earlier generation are closed.
    generation: Arc<AtomicU64>,
    /// Where damage is reported.
    input: Arc<OnceLock<InputSender>>,
}

impl Readers {
    pub fn new(database: PathBuf, mesh: MeshId) -> Self {
        Self {
            database,
            mesh,
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(READS_MAX as usize)),
            generation: Arc::default(),
            input: Arc::default(),
        }
    }

    /// Sets where damaged entries that readers find are reported from now on.
    pub fn attach(&self, input: InputSender) {
        self.input.get_or_init(|| input);
    }

    /// If the database turns out to be damaged, waits until it has been salvaged, and reads again.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let (answer, read) = self.read_once(read).await?;
        match answer {
            Err(error)
                if self.generation() != generation
                    || self.is_between(generation)
                    || is_to_be_salvaged(&error) =>
            {
                self.report(error, generation).await?;
                self.read_once(read).await?.0.map_err(NodeError::Store)
            }
            answer => Ok(answer?),
        }
    }

    async fn read_once<T: Send + 'static, F>(&self, read: F) -> Result<(Result<T, StoreError>, F), NodeError>
    where
        F: Fn(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let place = self.places.clone().acquire_owned().await.map_err(|_| NodeError::Stopped)?;
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Released last, once the connection is closed or idle again.
            let _place = place;
            let generation = readers.generation.load(Ordering::SeqCst);
            let idle = readers.idle().pop();
            let reader = match idle.map_or_else(|| Reader::open(&readers.database, readers.mesh), Ok) {
                Ok(reader) => reader,
                Err(error) => return (Err(error), read),
            };
            let answer = read(&reader);
            if let Some(input) = readers.input.get() {
                for (group, no) in reader.take_damage() {
                    // An error means that the node is stopping.
                    let _ = input.send(Input::Event { event: Event::Unreadable { group, no }, room: None });
                }
            }
            let mut idle = readers.idle();
            if idle.len() < IDLE_MAX && readers.generation.load(Ordering::SeqCst) == generation {
                idle.push(reader);
            }
            (answer, read)
        });
        done.await.map_err(|_| NodeError::Stopped)
    }

    /// Has the writer salvage the database, unless it has been salvaged since that generation.
    async fn report(&self, error: StoreError, generation: u64) -> Result<(), NodeError> {
        let Some(input) = self.input.get() else { return Err(error.into()) };
        let (done, salvaged) = oneshot::channel();
        input.send(Input::Damage { error, generation, done })?;
        // An error means that the writer has stopped; the next read returns the reason.
        let _ = salvaged.await;
        Ok(())
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether the database was being replaced in that generation.
    fn is_between(&self, generation: u64) -> bool {
        generation % 2 == 1
    }

    /// Called before the database is replaced, and again afterwards.
    pub fn renew(&self) {
        let mut idle = self.idle();
        self.generation.fetch_add(1, Ordering::SeqCst);
        idle.clear();
    }

    /// Ends all reads, so that the writer is the last to close the database and removes the log.
    pub async fn close(&self) {
        let all = self.places.acquire_many(READS_MAX);
        // A long read is not waited for: then the log stays, and the next start reads it.
        let _ended = tokio::time::timeout(Duration::from_millis(READS_END_MS_MAX), all).await;
        self.places.close();
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        // A panic while the lock was held cannot leave the list half changed.
        self.idle.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn is_to_be_salvaged(error: &StoreError) -> bool {
    error.is_damage() && !matches!(error, StoreError::Row { .. })
}
