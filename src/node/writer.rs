//! The engine's thread: the one writer of the database.
//!
//! Everything in the queue goes into one transaction, and entries from other peers wait a little to share
//! one; readers see it as soon as it has ended, and other peers are told once it is flushed. When nothing
//! arrives for a while, the store tidies up. When the store fails, the transaction is lost and nobody is told
//! of it: its commands are answered with the error, all links are closed, and the engine restarts from what
//! is on disk, which is salvaged first if it is damaged.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use peer_engine::engine::{Effect, Engine, Event, Settings};
use peer_engine::limits::{COMMIT_BYTES, PUSH_EVERY_MS};
use peer_engine::sync::LinkId;
use peer_engine::time::Now;
use peer_engine::wire::CloseCode;
use tokio::sync::{oneshot, watch};

use super::checkpoints::Checkpoints;
use super::clock::wall_clock;
use super::database::{Database, Opened};
use super::input::{Answer, Input, InputSender};
use super::links::Links;
use super::news::{News, Notice, Publisher, Reporter};
use super::outbox::Outbox;
use super::readers::Readers;
use super::snapshots::Growth;
use super::{NodeError, data_dir};
use crate::limits::{COMMIT_EVENTS_MAX, RESTART_MS, SALVAGE_AGAIN_MS, TIDY_AFTER_MS, TIDY_EVERY_MS};
use crate::store::{SqliteStore, StoreError};

pub(super) struct Writer {
    input: InputSender,
}

impl Writer {
    pub fn spawn(
        opened: Opened,
        database: Database,
        settings: Settings,
        links: Links,
        growth: Growth,
        readers: Readers,
    ) -> Result<(Self, watch::Receiver<News>, Reporter), NodeError> {
        let (input, inputs) = InputSender::new();
        let (publisher, news) = Publisher::new();
        let reporter = publisher.reporter();
        // Before the first dial: it may fail at once, and the failure has to be reported.
        links.attach(input.clone());
        let engine = match Engine::new(opened.store, settings.clone()) {
            Err(error) if error.is_damage() => {
                let opened = database.salvage(&error)?;
                let writer_stamp = data_dir::random()?;
                Engine::new(opened.store, Settings { writer_stamp, ..settings.clone() })?
            }
            engine => engine?,
        };
        let mut thread = Thread {
            database,
            readers,
            salvaged: None,
            waiting: Vec::new(),
            settings,
            inputs,
            links,
            outboxes: BTreeMap::new(),
            answers: Vec::new(),
            publisher,
            brought: false,
            growth,
            checkpoints: Checkpoints::default(),
            started: Instant::now(),
            committed: Instant::now(),
            stopping: None,
        };
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || thread.run(engine))
            .map_err(NodeError::Thread)?;
        Ok((Self { input }, news, reporter))
    }

    pub fn input(&self) -> InputSender {
        self.input.clone()
    }

    /// Returns once everything that was queued before is committed and the thread is about to end.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        if self.input.send(Input::Stop { done }).is_ok() {
            // An error here means that the thread has ended already.
            let _ = ended.await;
        }
    }
}

struct Thread {
    database: Database,
    readers: Readers,
    /// When the database was last salvaged.
    salvaged: Option<Instant>,
    /// Readers that wait for a sound database.
    waiting: Vec<oneshot::Sender<()>>,
    settings: Settings,
    inputs: mpsc::Receiver<Input>,
    links: Links,
    outboxes: BTreeMap<LinkId, Outbox>,
    /// The answers to commands that wait for the flush.
    answers: Vec<Answer>,
    publisher: Publisher,
    /// The transaction has changes of others: they may have repaired damaged entries, which no effect tells.
    brought: bool,
    growth: Growth,
    checkpoints: Checkpoints,
    started: Instant,
    /// When the last transaction ended.
    committed: Instant,
    stopping: Option<oneshot::Sender<()>>,
}

impl Thread {
    fn run(&mut self, engine: Engine<SqliteStore>) {
        let mut engine = Some(engine);
        while let Some(mut running) = engine.take() {
            let served = self.serve(&mut running);
            self.checkpoints.wait();
            match served {
                Ok(()) => running.into_store().close(),
                Err(error) => {
                    drop(running);
                    engine = self.restart(&error);
                }
            }
        }
        self.close_all(CloseCode::Leaving);
        if let Some(done) = self.stopping.take() {
            // The caller may have gone.
            let _ = done.send(());
        }
    }

    /// Runs until it is told to stop. After an error, everything since the last commit is lost.
    fn serve(&mut self, engine: &mut Engine<SqliteStore>) -> Result<(), StoreError> {
        self.let_read();
        let (mut tidy_due_us, mut tidy_from_us) = (None, 0);
        while self.stopping.is_none() {
            let due = engine.next_timeout_us().into_iter().chain(tidy_due_us).min();
            let input = match due {
                Some(due) => {
                    let wait = Duration::from_micros(due.saturating_sub(self.now().ticks_us));
                    self.inputs.recv_timeout(wait)
                }
                None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match input {
                Ok(input) => {
                    self.take_all(engine, input)?;
                    tidy_due_us = Some(self.now().in_ms(TIDY_AFTER_MS).max(tidy_from_us));
                }
                Err(RecvTimeoutError::Timeout) if engine.next_timeout_us() != due => {
                    let more = engine.tidy()?;
                    self.move_log(engine, true);
                    tidy_from_us = self.now().in_ms(TIDY_EVERY_MS);
                    tidy_due_us = more.then_some(tidy_from_us);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => engine.handle(Event::Tick, self.now())?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            engine.publish(self.now())?;
            self.act_on_all(engine);
            engine.flush(self.now())?;
            self.committed = Instant::now();
            self.act_on_all(engine);
            self.answers.drain(..).for_each(|answer| answer(Ok(())));
            self.brought = false;
            self.move_log(engine, false);
        }
        // Pushes that are due soon are sent before the links end.
        let mut now = self.now();
        now.ticks_us = now.in_ms(PUSH_EVERY_MS);
        engine.commit(now)?;
        self.act_on_all(engine);
        // What a link achieved is recorded when it ends.
        for &link in self.outboxes.keys() {
            engine.handle(Event::LinkDown { link }, now)?;
        }
        engine.commit(now)?;
        // If this fails, the next run starts new actors.
        let _ = engine.keep_writers().and_then(|()| engine.commit(now));
        Ok(())
    }

    fn move_log(&mut self, engine: &Engine<SqliteStore>, quiet: bool) {
        if engine.store().take_checkpoint_due(quiet) {
            self.checkpoints.start(engine.store().path().to_owned());
        }
    }

    /// Puts everything in the queue into the same transaction, up to a limit. If nobody waits for this
    /// transaction and another has just been committed, keeps it open a little for more inputs.
    fn take_all(&mut self, engine: &mut Engine<SqliteStore>, first: Input) -> Result<(), StoreError> {
        let mut open_until = self.committed + first.patience();
        let mut bytes = first.change_bytes();
        self.take(engine, first, self.now())?;
        for _ in 1..COMMIT_EVENTS_MAX {
            if bytes >= COMMIT_BYTES {
                break;
            }
            let wait = open_until.saturating_duration_since(Instant::now());
            let Ok(next) = self.inputs.recv_timeout(wait) else { break };
            open_until = open_until.min(self.committed + next.patience());
            bytes += next.change_bytes();
            self.take(engine, next, self.now())?;
        }
        self.brought = bytes > 0;
        Ok(())
    }

    fn take(&mut self, engine: &mut Engine<SqliteStore>, input: Input, now: Now) -> Result<(), StoreError> {
        match input {
            Input::LinkUp { event, outbox } => {
                self.outboxes.insert(outbox.link(), outbox);
                engine.handle(event, now)
            }
            Input::Event { event, room } => {
                if let Event::LinkDown { link } = event {
                    self.outboxes.remove(&link);
                }
                let handled = engine.handle(event, now);
                drop(room);
                handled
            }
            Input::Command(command) => {
                let (answer, stored) = command.run(engine, now);
                self.answers.push(answer);
                stored
            }
            Input::Snapshot { group, snapshot } => {
                engine.write_beside_log(|store| store.put_snapshot(group, &snapshot))
            }
            Input::Damage { error, generation, done } => {
                self.waiting.push(done);
                if generation == self.readers.generation() {
                    return Err(error);
                }
                // The database has been salvaged since.
                self.let_read();
                Ok(())
            }
            Input::Stop { done } => {
                self.stopping = Some(done);
                Ok(())
            }
        }
    }

    fn act_on_all(&mut self, engine: &mut Engine<SqliteStore>) {
        let mut notices = Vec::new();
        while let Some(effect) = engine.poll_effect() {
            self.act(effect, &mut notices);
        }
        self.publisher.publish(notices);
    }

    fn act(&mut self, effect: Effect, notices: &mut Vec<Notice>) {
        match effect {
            Effect::Send { link, frame } => {
                if let Some(outbox) = self.outboxes.get(&link)
                    && outbox.push(&frame).is_err()
                {
                    // The queue of this link is full; the link task reports the end of the link.
                    self.outboxes.remove(&link);
                }
            }
            Effect::Close { link, code } => {
                if let Some(outbox) = self.outboxes.remove(&link) {
                    outbox.close(code);
                }
                notices.push(Notice::Peers);
            }
            Effect::Dial { peer, address } => self.links.dial(peer, address),
            Effect::Stored { group, last } => {
                self.growth.stored(group, last);
                notices.push(Notice::Entries);
            }
            Effect::Preview { group, peer, changes } => {
                notices.push(Notice::Preview { group, from: peer, changes });
            }
            Effect::PreviewOver { group } => notices.push(Notice::PreviewOver { group }),
            Effect::Changed => {
                if self.brought {
                    notices.push(Notice::Entries);
                }
                notices.push(Notice::Peers);
            }
        }
    }

    /// Restarts from what is on disk, if that is possible.
    fn restart(&mut self, error: &StoreError) -> Option<Engine<SqliteStore>> {
        let damage = error.is_damage();
        if self.answers.is_empty() && !damage {
            tracing::error!("{error}");
        }
        // The commands that wait for an answer get the error; if there are none, it is logged.
        let why = error.to_string();
        self.answers.drain(..).for_each(|answer| answer(Err(&why)));
        self.close_all(CloseCode::Fault);
        self.publisher.publish(vec![Notice::Restarted]);
        let again = if damage { self.salvage(error) } else { self.reopen() };
        match again {
            Ok(engine) => Some(engine),
            Err(again) => {
                tracing::error!("the peer cannot go on: {again}");
                // Inputs that arrived meanwhile get the reason, and not only that the peer has stopped.
                while let Ok(input) = self.inputs.try_recv() {
                    if let Input::Command(command) = input {
                        command.fail(&again.to_string());
                    }
                }
                None
            }
        }
    }

    fn reopen(&mut self) -> Result<Engine<SqliteStore>, NodeError> {
        // A full disk stays full for a while.
        thread::sleep(Duration::from_millis(RESTART_MS));
        let settings = self.anew()?;
        let opened = self.database.open();
        match opened.and_then(|opened| Ok(Engine::new(opened.store, settings)?)) {
            Err(NodeError::Store(error)) if error.is_damage() => self.salvage(&error),
            engine => engine,
        }
    }

    /// Does not salvage twice in a row: a disk that damages new data would be filled with copies.
    fn salvage(&mut self, error: &StoreError) -> Result<Engine<SqliteStore>, NodeError> {
        let now = Instant::now();
        if self.salvaged.is_some_and(|last| now < last + Duration::from_millis(SALVAGE_AGAIN_MS)) {
            return Err(NodeError::DamagedAgain(error.to_string()));
        }
        self.salvaged = Some(now);
        self.readers.renew();
        let opened = self.database.salvage(error);
        self.readers.renew();
        let opened = opened?;
        Ok(Engine::new(opened.store, self.anew()?)?)
    }

    /// With another stamp, and so with new actors: what the last one wrote may be lost.
    fn anew(&self) -> Result<Settings, NodeError> {
        let (seed, writer_stamp) = (data_dir::random()?, data_dir::random()?);
        Ok(Settings { seed, writer_stamp, ..self.settings.clone() })
    }

    fn let_read(&mut self) {
        for reader in self.waiting.drain(..) {
            // The reader may have gone.
            let _ = reader.send(());
        }
    }

    fn close_all(&mut self, code: CloseCode) {
        for (_, outbox) in std::mem::take(&mut self.outboxes) {
            outbox.close(code);
        }
    }

    fn now(&self) -> Now {
        let ticks_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { wall: wall_clock(), ticks_us }
    }
}
