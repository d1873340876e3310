//! The event loop: takes in input, the service's events and the request to stop; runs effects and draws frames.
//!
//! Input is read before the service's events, and these are taken in batches, so a key is on the screen at once under
//! any load. A frame is drawn only after a change, so waiting uses no processor time.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::{self, Config, ConfigError};
use super::effects::Runner;
use super::event::{Effect, Event};
use super::service::{Service, ServiceError};
use super::state::{Settings, State};
use super::terminal::{self, Terminal};
use super::theme::Theme;
use super::update::update;
use crate::api::{Events, ServeOptions};

/// Minimum time between two frames: at most 60 a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// Maximum number of events taken in before input is read again.
const BATCH: usize = 256;
/// Maximum number of events that wait to be taken in.
const QUEUE: usize = 1024;
/// Time between two attempts to find or start a service.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the terminal UI did not start, or failed. The terminal has been restored.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("the terminal does not work: {0}")]
    Terminal(#[from] io::Error),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("a part of the program panicked, see above; everything acknowledged is kept")]
    Panicked,
}

/// Runs the terminal UI on `data` until the person quits or `stop` completes.
pub async fn run(
    data: &Path,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) -> Result<(), ChatError> {
    let path = config::path();
    let config = path.as_deref().map_or(Ok(Config::default()), Config::read)?;
    let keys = config.key_map(path.as_deref().unwrap_or(Path::new("chat.json")))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    let settings = Settings {
        theme: Theme { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) },
        keys,
        zone: TimeZone::system(),
        run: u64::from_ne_bytes(random),
    };
    tokio::pin!(stop);
    // Before the terminal is taken over, so that a failed start is reported as by any other command.
    let service = tokio::select! {
        service = Service::open(data, &options) => service?,
        () = &mut stop => return Ok(()),
    };
    let panicked = Arc::new(Notify::new());
    let told = Arc::clone(&panicked);
    terminal::on_panic(move || told.notify_one());
    let terminal = Terminal::take(config.mouse)?;
    let size = terminal.size()?;
    // Tickets and a name are for the first start only.
    let options = ServeOptions { join: Vec::new(), name: None, ..options };
    let (events, incoming) = mpsc::channel(QUEUE);
    let (services, opened) = mpsc::channel(1);
    let mut shell = Shell {
        state: State::new(settings, size),
        terminal,
        runner: Runner::new(events.clone()),
        events,
        services,
        service: None,
        feed: None,
        data: data.to_owned(),
        options,
        dirty: true,
    };
    shell.connected(service).await;
    let ended = shell.run(incoming, opened, stop, &panicked).await;
    drop(shell.terminal);
    if let Some(feed) = shell.feed {
        feed.abort();
    }
    if let Some(service) = shell.service {
        service.close().await;
    }
    ended
}

struct Shell {
    state: State,
    terminal: Terminal,
    runner: Runner,
    events: mpsc::Sender<Event>,
    services: mpsc::Sender<Service>,
    service: Option<Service>,
    feed: Option<JoinHandle<()>>,
    data: PathBuf,
    options: ServeOptions,
    dirty: bool,
}

impl Shell {
    async fn run(
        &mut self,
        mut incoming: mpsc::Receiver<Event>,
        mut opened: mpsc::Receiver<Service>,
        stop: impl Future<Output = ()>,
        panicked: &Notify,
    ) -> Result<(), ChatError> {
        tokio::pin!(stop);
        let mut input = EventStream::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut next_frame = Instant::now();
        loop {
            if self.dirty && Instant::now() >= next_frame {
                self.terminal.draw(&self.state)?;
                self.dirty = false;
                next_frame = Instant::now() + FRAME;
            }
            tokio::select! {
                biased;
                () = panicked.notified() => return Err(ChatError::Panicked),
                () = &mut stop => return Ok(()),
                came = input.next() => {
                    let Some(event) = came else { return Ok(()) };
                    if let Some(event) = translated(event?)
                        && self.take(event)?
                    {
                        return Ok(());
                    }
                }
                _ = incoming.recv_many(&mut batch, BATCH) => {
                    for event in batch.drain(..) {
                        if let Event::Lost(_) = &event {
                            self.reopen();
                        }
                        if self.take(event)? {
                            return Ok(());
                        }
                    }
                }
                Some(service) = opened.recv() => self.connected(service).await,
                () = sleep_until(next_frame), if self.dirty => {}
            }
        }
    }

    /// Applies an event and runs the effects. Returns whether to quit.
    fn take(&mut self, event: Event) -> io::Result<bool> {
        self.dirty = true;
        let effects = update(&mut self.state, event);
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(true),
                Effect::Redraw => self.terminal.redraw()?,
                Effect::Suspend => self.terminal.suspend()?,
                effect => {
                    let client = self.service.as_ref().map(|service| Arc::clone(&service.client));
                    self.runner.run(client, effect);
                }
            }
        }
        Ok(false)
    }

    /// Opens the event stream before anything is requested, so that no event falls in between.
    async fn connected(&mut self, service: Service) {
        let (peer, own) = (service.peer, service.is_own());
        let events = service.events().await;
        self.service = Some(service);
        match events {
            Ok(stream) => {
                let events = self.events.clone();
                self.feed = Some(tokio::spawn(feed(stream, events)));
                // This event has no effect on the terminal, so there is no error and no end.
                let _ = self.take(Event::Connected { peer, own });
            }
            Err(error) => {
                let _ = self.take(Event::Lost(error.to_string()));
                self.reopen();
            }
        }
    }

    /// Looks for a service, in a task of its own, until there is one.
    fn reopen(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.abort();
        }
        let gone = self.service.take();
        let (data, options, services) = (self.data.clone(), self.options.clone(), self.services.clone());
        tokio::spawn(async move {
            if let Some(gone) = gone {
                gone.close().await;
            }
            loop {
                if let Ok(service) = Service::open(&data, &options).await {
                    // The program has ended meanwhile, and the service must still be closed.
                    if let Err(unsent) = services.send(service).await {
                        unsent.0.close().await;
                    }
                    return;
                }
                sleep(AGAIN).await;
            }
        });
    }
}

/// Forwards the service's event stream until it ends.
async fn feed(mut stream: Events, events: mpsc::Sender<Event>) {
    let why = loop {
        match stream.next().await {
            Ok(Some(event)) => {
                if events.send(Event::Feed(event.what)).await.is_err() {
                    return;
                }
            }
            Ok(None) => break "it has stopped".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    let _ = events.send(Event::Lost(why)).await;
}

fn translated(input: Input) -> Option<Event> {
    match input {
        Input::Key(key) => Some(Event::Key(key)),
        Input::Paste(text) => Some(Event::Paste(text)),
        Input::Mouse(mouse) => Some(Event::Mouse(mouse)),
        Input::Resize(columns, lines) => Some(Event::Resize(columns, lines)),
        Input::FocusGained | Input::FocusLost => None,
    }
}
