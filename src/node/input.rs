//! What the writer's thread is told, and the way to tell it.

use std::sync::mpsc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::NodeError;
use super::outbox::Outbox;
use crate::engine::{Command, CommandError, Event, Outcome};
use crate::group::GroupNo;
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
    /// Nobody waits for it to be committed: entries of others that come by themselves, and what others have.
    pub fn is_patient(&self) -> bool {
        let Self::Event { event: Event::Sync { incoming, .. }, .. } = self else { return false };
        incoming.need.is_empty() && incoming.have.is_empty()
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
