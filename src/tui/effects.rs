//! Runs effects and turns their results into events. Effects run at the same time, but messages are sent one after
//! another, in order.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use peer_engine::id::GroupName;
use tokio::sync::mpsc;

use super::event::{Answer, Effect, Event, Part};
use super::room::{PAGE, WINDOW_MAX};
use crate::api::{
    Client, ClientError, Draft, HistoryQuery, NewMessage, Pages, TextQuery, User, UsersQuery, json_line,
};
use crate::text;

/// Maximum number of late entries to request when a group is opened.
const LATE_MAX: usize = 100;
const HITS_MAX: usize = 100;

/// Why an effect failed.
#[derive(Debug, thiserror::Error)]
enum EffectError {
    #[error("no server answers")]
    NoService,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} exists; choose another name", .0.display())]
    Exists(PathBuf),
    #[error("a row cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl EffectError {
    fn is_gone(&self) -> bool {
        matches!(self, Self::NoService | Self::Client(ClientError::Gone(_)))
    }
}

type Job = (Option<Arc<Client>>, Effect);

/// Runs effects and sends the resulting events to the shell.
pub struct Runner {
    events: mpsc::Sender<Event>,
    outbox: mpsc::UnboundedSender<Job>,
}

impl Runner {
    /// Must be called in a Tokio runtime.
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        let (outbox, mut waiting) = mpsc::unbounded_channel::<Job>();
        let answers = events.clone();
        tokio::spawn(async move {
            while let Some((client, effect)) = waiting.recv().await {
                let event = event(client, effect).await;
                if answers.send(event).await.is_err() {
                    return;
                }
            }
        });
        Self { events, outbox }
    }

    pub fn run(&self, client: Option<Arc<Client>>, effect: Effect) {
        if matches!(effect, Effect::Send { .. }) {
            // The receiver lives as long as the program.
            let _ = self.outbox.send((client, effect));
            return;
        }
        let events = self.events.clone();
        tokio::spawn(async move {
            // The receiver is dropped only when the program ends.
            let _ = events.send(event(client, effect).await).await;
        });
    }
}

async fn event(client: Option<Arc<Client>>, effect: Effect) -> Event {
    let done = match client {
        Some(client) => answer(&client, effect.clone()).await,
        None => Err(EffectError::NoService),
    };
    match done {
        Ok(answer) => Event::Answer(answer),
        Err(error) => Event::Failed { effect, gone: error.is_gone(), why: error.to_string() },
    }
}

async fn answer(client: &Client, effect: Effect) -> Result<Answer, EffectError> {
    Ok(match effect {
        // The shell does these itself.
        Effect::Quit | Effect::Redraw | Effect::Suspend => Answer::Done(String::new()),
        Effect::LoadGroups => Answer::Groups(client.groups(None).await?),
        Effect::LoadStatus => Answer::Status(Box::new(client.status().await?)),
        Effect::LoadPeople => Answer::People(client.users(&UsersQuery::default()).await?),
        Effect::LoadMembers(group) => Answer::Members(group.clone(), members(client, group).await?),
        Effect::LoadPage { group, part } => {
            Answer::Page { page: client.history(&group, &query(part)).await?, group, part }
        }
        Effect::LoadLate { group, after } => {
            Answer::Late { rows: client.late(&group, after, LATE_MAX).await?, group }
        }
        Effect::LoadPreview { group, number } => {
            Answer::Preview { number, preview: client.preview(&group).await? }
        }
        Effect::LoadQuoted { group, id } => {
            Answer::Quoted { row: Box::new(client.entry(&group, id).await?), group }
        }
        Effect::Send { group, message } => send(client, group, message).await?,
        Effect::MarkRead { group, arrival } => {
            Answer::Marked(Box::new(client.set_read(&group, arrival).await?))
        }
        Effect::Join(name) => {
            client.join(&name).await?;
            Answer::Entered(name)
        }
        Effect::Create(name) => {
            client.create(&name).await?;
            Answer::Entered(name)
        }
        Effect::Leave(name) => {
            client.leave(&name).await?;
            Answer::Left(name)
        }
        Effect::SetTopic { group, topic } => {
            client.set_topic(&group, &topic).await?;
            Answer::Done(format!("{group} has a new topic"))
        }
        Effect::SetName(name) => {
            client.set_name(&name).await?;
            Answer::Done(format!("others now call you {name}"))
        }
        Effect::Search(words) => search(client, words).await?,
        Effect::Whois(user) => Answer::Whois { groups: groups_of(client, &user).await?, user },
        Effect::ShowTicket => Answer::Ticket(client.invite().await?.ticket),
        Effect::WriteTicket(path) => write_ticket(client, &path).await?,
        Effect::Export { group, file } => export(client, &group, &file).await?,
    })
}

async fn send(client: &Client, group: GroupName, message: NewMessage) -> Result<Answer, EffectError> {
    let key = message.key.clone().unwrap_or_default();
    // Does not wait for other peers to store it: the event stream tells that later.
    let sent = client.send(&group, vec![message], Duration::ZERO).await?;
    let sent = sent.into_iter().next().ok_or_else(|| ClientError::Protocol("no id".to_owned()))?;
    Ok(Answer::Sent { group, key, id: sent.id, stored_on: sent.stored_on })
}

async fn search(client: &Client, words: String) -> Result<Answer, EffectError> {
    let query = TextQuery { text: words.clone(), group: None, limit: Some(HITS_MAX), context: Some(0) };
    Ok(Answer::Found { words, hits: client.search(&query).await?.hits })
}

/// The groups that both this peer's person and `user` are in.
async fn groups_of(client: &Client, user: &User) -> Result<Vec<GroupName>, EffectError> {
    let mut groups = Vec::new();
    for group in client.groups(None).await?.into_iter().filter(|group| group.joined) {
        let members = members(client, group.name.clone()).await?;
        if members.iter().any(|member| member.key == user.key && member.joined) {
            groups.push(group.name);
        }
    }
    Ok(groups)
}

async fn write_ticket(client: &Client, path: &Path) -> Result<Answer, EffectError> {
    let ticket = client.invite().await?.ticket;
    write_secret(path, &ticket)?;
    let path = path.display().to_string();
    Ok(Answer::Done(format!("the ticket is in {}, which only you can read", text::line(&path))))
}

async fn members(client: &Client, group: GroupName) -> Result<Vec<User>, ClientError> {
    client.users(&UsersQuery { group: Some(group.into()), search: None }).await
}

fn query(part: Part) -> HistoryQuery {
    let page = HistoryQuery { limit: Some(PAGE), ..HistoryQuery::default() };
    match part {
        Part::Newest => page,
        Part::Before(id) => HistoryQuery { before: Some(id), ..page },
        Part::After(id) | Part::Oldest(id) => HistoryQuery { after: Some(id), ..page },
        Part::Around(id) => HistoryQuery { around: Some(id), ..page },
        Part::Again(id) => HistoryQuery { around: Some(id), limit: Some(WINDOW_MAX), ..page },
    }
}

/// Writes a new file that only its owner can read.
fn write_secret(path: &Path, secret: &str) -> Result<(), EffectError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{secret}")?;
        file.sync_all()
    });
    written.map_err(|source| failed(path, source))
}

async fn export(client: &Client, group: &GroupName, path: &Path) -> Result<Answer, EffectError> {
    if path.exists() {
        return Err(EffectError::Exists(path.to_owned()));
    }
    let failed = |source| failed(path, source);
    let mut file = Draft::create(path).map_err(failed)?;
    let mut pages = Pages::whole(client, group).await?;
    let mut rows = 0;
    while let Some(page) = pages.next().await? {
        for row in &page.entries {
            file.write(json_line(row)?.as_bytes()).map_err(failed)?;
        }
        rows += page.entries.len() as u64;
    }
    file.keep().map_err(failed)?;
    Ok(Answer::Done(format!("wrote {rows} rows to {}", text::line(&path.display().to_string()))))
}

fn failed(path: &Path, source: io::Error) -> EffectError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => EffectError::Exists(path.to_owned()),
        _ => EffectError::File { path: path.to_owned(), source },
    }
}
