//! What the writer's thread is told, and the way to tell it.

use std::sync::mpsc;
use std::time::Duration;

use peer_engine::engine::{Command, CommandError, Event, Outcome};
use peer_engine::group::GroupNo;
use peer_engine::limits::BATCH_BYTES;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::NodeError;
use super::outbox::Outbox;
use crate::limits::{CATCH_UP_COALESCE_MS, COALESCE_MS};
use crate::store::{Snapshot, StoreError};

pub(super) type Answer = Result<Outcome, CommandError>;

pub(super) enum Input {
    LinkUp {
        event: Event,
        outbox: Outbox,
    },
    /// The permit is room in the queue, given back once the event has been handled.
    Event {
        event: Event,
        room: Option<OwnedSemaphorePermit>,
    },
    Command {
        command: Command,
        reply: oneshot::Sender<Answer>,
    },
    Snapshot {
        group: GroupNo,
        snapshot: Snapshot,
    },
    /// A reader has found the database damaged; answered once it is sound again.
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
    /// How long it may wait to be committed together with others, counted from the commit before.
    pub fn patience(&self) -> Duration {
        let Self::Event { event: Event::Sync { incoming, .. }, .. } = self else { return Duration::ZERO };
        if !incoming.need.is_empty() || !incoming.have.is_empty() {
            // Somebody waits for the answer.
            return Duration::ZERO;
        }
        let full = incoming.bytes() >= BATCH_BYTES;
        Duration::from_millis(if full { CATCH_UP_COALESCE_MS } else { COALESCE_MS })
    }

    /// Of changes, which the transaction that takes it in will hold.
    pub fn change_bytes(&self) -> usize {
        match self {
            Self::Event { event: Event::Sync { incoming, .. }, .. } => incoming.bytes(),
            Self::Event { event: Event::Ahead { changes, .. }, .. } => {
                changes.iter().map(|change| change.bytes().len()).sum()
            }
            _ => 0,
        }
    }
}

/// The way in. Clones are cheap.
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
}
