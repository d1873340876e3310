//! The inputs of the writer's thread, and the sender that queues them.

use std::sync::mpsc;
use std::time::Duration;

use peer_engine::change::Verified;
use peer_engine::engine::{self, CommandError, Engine, Event};
use peer_engine::group::GroupNo;
use peer_engine::limits::BATCH_BYTES;
use peer_engine::time::Now;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::NodeError;
use super::outbox::Outbox;
use crate::limits::{CATCH_UP_COALESCE_MS, COALESCE_MS};
use crate::store::{Snapshot, SqliteStore, StoreError};

/// A request to the engine from somebody on this machine.
pub(super) trait Command: Send {
    /// Has the engine carry it out. An error means that the store has failed.
    fn run(self: Box<Self>, engine: &mut Engine<SqliteStore>, now: Now) -> (Answer, Result<(), StoreError>);

    /// Replies that it cannot be carried out.
    fn fail(self: Box<Self>, why: &str);
}

/// Replies to a command: once everything it wrote is durable, or with the reason why the store failed.
pub(super) type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;

struct Asked<F, T> {
    command: F,
    reply: oneshot::Sender<Result<T, NodeError>>,
}

impl<F, T> Command for Asked<F, T>
where
    F: FnOnce(&mut Engine<SqliteStore>, Now) -> engine::Answer<T, StoreError> + Send,
    T: Send + 'static,
{
    fn run(self: Box<Self>, engine: &mut Engine<SqliteStore>, now: Now) -> (Answer, Result<(), StoreError>) {
        let Self { command, reply } = *self;
        let (answer, stored) = match command(engine, now) {
            Ok(value) => (Ok(value), Ok(())),
            Err(CommandError::Refused(refusal)) => (Err(NodeError::Command(refusal)), Ok(())),
            Err(CommandError::Store(error)) => (Err(NodeError::NotSaved(error.to_string())), Err(error)),
        };
        let tell = move |stored: Result<(), &str>| {
            // The caller may have gone.
            let _ = reply.send(stored.map_err(|why| NodeError::NotSaved(why.to_owned())).and(answer));
        };
        (Box::new(tell), stored)
    }

    fn fail(self: Box<Self>, why: &str) {
        // The caller may have gone.
        let _ = self.reply.send(Err(NodeError::NotSaved(why.to_owned())));
    }
}

pub(super) enum Input {
    LinkUp {
        event: Event,
        outbox: Outbox,
    },
    /// The permit holds queue space, which is released once the event has been handled.
    Event {
        event: Event,
        room: Option<OwnedSemaphorePermit>,
    },
    Command(Box<dyn Command>),
    Snapshot {
        group: GroupNo,
        snapshot: Snapshot,
    },
    /// A reader has found the database damaged; `done` is sent once the database is sound again.
    Damage {
        error: StoreError,
        generation: u64,
        done: oneshot::Sender<()>,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

impl Input {
    /// How long it may wait for others to share a transaction with, counted from the last commit.
    pub fn patience(&self) -> Duration {
        let Self::Event { event: Event::Sync { message, .. }, .. } = self else { return Duration::ZERO };
        if message.pulls() {
            // The other peer waits for the answer.
            return Duration::ZERO;
        }
        let full = bytes_of(&message.changes) >= BATCH_BYTES;
        Duration::from_millis(if full { CATCH_UP_COALESCE_MS } else { COALESCE_MS })
    }

    /// The size of its changes, which the transaction then holds.
    pub fn change_bytes(&self) -> usize {
        match self {
            Self::Event { event: Event::Sync { message, .. }, .. } => bytes_of(&message.changes),
            Self::Event { event: Event::Preview { changes, .. }, .. } => bytes_of(changes),
            _ => 0,
        }
    }
}

fn bytes_of(changes: &[Verified]) -> usize {
    changes.iter().map(|change| change.bytes().len()).sum()
}

/// Sends inputs to the writer's thread. Clones are cheap.
#[derive(Clone)]
pub(super) struct InputSender(mpsc::Sender<Input>);

impl InputSender {
    pub fn new() -> (Self, mpsc::Receiver<Input>) {
        let (input, inputs) = mpsc::channel();
        (Self(input), inputs)
    }

    pub fn send(&self, input: Input) -> Result<(), NodeError> {
        self.0.send(input).map_err(|_| NodeError::Stopped)
    }

    /// Has the engine carry out a command, and waits until everything that it wrote is durable.
    pub async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Engine<SqliteStore>, Now) -> engine::Answer<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Command(Box::new(Asked { command, reply })))?;
        answer.await.map_err(|_| NodeError::Stopped)?
    }
}
