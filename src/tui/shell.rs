//! The loop around the state: input, the service's events and the end come in; effects and frames go out.
//!
//! Input is looked at before anything else, what the service tells is taken in batches, and a frame is drawn only
//! when something changed. So a key is on the screen at once whatever arrives meanwhile, and nothing happens when
//! nothing happens.

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

/// Between two frames, at least: 60 in a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// What the service tells that is taken in before input is looked at again.
const BATCH: usize = 256;
/// What the service told that waits to be taken in.
const QUEUE: usize = 1024;
/// Between two attempts to find or start a service.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the terminal UI did not start, or ended. The terminal is as it was.
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
    #[error("a part of the program failed, see above; everything acknowledged is kept")]
    Panicked,
}

/// Runs the terminal UI on `data` until it is left or `stop` comes.
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
    // Before the terminal is taken: what goes wrong with a start is told like that of any command.
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

    /// Takes an event in and does what follows. Says whether that is the end.
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

    /// Listens first and asks afterwards, so that nothing falls in between.
    async fn connected(&mut self, service: Service) {
        let (peer, own) = (service.peer, service.is_own());
        let events = service.events().await;
        self.service = Some(service);
        match events {
            Ok(stream) => {
                let events = self.events.clone();
                self.feed = Some(tokio::spawn(feed(stream, events)));
                // Taking this in asks for nothing of the terminal.
                let _ = self.take(Event::Connected { peer, own });
            }
            Err(error) => {
                let _ = self.take(Event::Lost(error.to_string()));
                self.reopen();
            }
        }
    }

    /// Looks for a service until there is one, beside the loop.
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
                    // Nobody waits for it when the program ends; then it must be closed all the same.
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

/// Hands in what the service tells, until it ends.
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
