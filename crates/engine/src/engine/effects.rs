//! Effects that the engine has decided on, held back until they are published or durable.

use std::collections::VecDeque;

use super::event::Effect;
use crate::sync::LinkId;
use crate::wire::close::CloseCode;
use crate::wire::frame::Frame;

#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Held until the flush; news for local readers until the transaction is published.
    waiting: VecDeque<Effect>,
    ready: VecDeque<Effect>,
    /// A command was handled, whose answer waits for the flush.
    answers: bool,
}

impl Effects {
    pub fn push(&mut self, effect: Effect) {
        self.waiting.push_back(effect);
    }

    pub fn send(&mut self, link: LinkId, frame: impl Into<Frame>) {
        self.push(Effect::Send { link, frame: frame.into() });
    }

    pub fn close(&mut self, link: LinkId, code: CloseCode) {
        self.push(Effect::Close { link, code });
    }

    /// Call for each command: the driver answers it once everything that it did is durable.
    pub fn answer(&mut self) {
        self.answers = true;
    }

    /// Whether an effect or an answer waits for the transaction to be durable.
    pub fn wait_for_flush(&self) -> bool {
        self.answers || !self.waiting.is_empty()
    }

    /// The transaction is visible to readers: releases the news for them, unless a command is part of it.
    pub fn publish(&mut self) {
        if !self.answers {
            let waiting = std::mem::take(&mut self.waiting);
            let (mut news, promises) = waiting.into_iter().partition(Effect::is_news);
            self.ready.append(&mut news);
            self.waiting = promises;
        }
    }

    /// Everything is durable: releases all effects.
    pub fn flush(&mut self) {
        self.answers = false;
        self.ready.append(&mut self.waiting);
    }

    pub fn poll(&mut self) -> Option<Effect> {
        self.ready.pop_front()
    }
}
