//! One peer, driven by a benchmark over the library's public interface: requests as JSON lines on standard
//! input, answers on standard output. It speaks the driver protocol of a harness that starts one process for
//! each peer and runs other chat systems in the same way; docs/performance.md has the results.
//!
//! The peers are real: each has a data directory and a TLS link to every other, and every message is signed,
//! verified and flushed.

use std::alloc::System;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, future, stream};
use peer::node::{DataDir, Draft, Node, Options};
use peer::store::{Entry, Page, Reader, StoreError};
use peer_engine::change::Body;
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupName};
use peer_engine::wire::Ticket;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<System> = zeroizing_alloc::ZeroAlloc(System);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const GROUP: &str = "bench";
/// The number of messages that `load` commits together, and of entries that `dump` reads at a time.
const BATCH: usize = 1000;
/// How many messages of a `burst` are in progress at a time, each with a command and a change of its own. The
/// answer is sent when all are on disk.
const UNDER_WAY: usize = 64;

#[derive(Deserialize)]
struct Request {
    id: u64,
    #[serde(flatten)]
    command: Command,
}

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    Start(Start),
    Ready { peers: usize },
    Send { i: usize },
    Burst { from: usize, n: usize },
    Load { from: usize, n: usize },
    Wait { count: u64, timeout_s: f64 },
    Arrivals { after: u64 },
    Last { n: usize },
    Dump { path: PathBuf },
    Flush,
    Stop,
}

#[derive(Deserialize)]
struct Start {
    name: String,
    dir: PathBuf,
    port: u16,
    group: Option<String>,
    corpus: PathBuf,
    offline: bool,
    dial: Vec<Dial>,
}

#[derive(Deserialize)]
struct Dial {
    name: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // The channel closes when the input ends, which ends the receiving side.
        std::io::stdin().lines().map_while(std::io::Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut peer = None;
    while let Some(line) = lines.recv().await {
        let Request { id, command } = serde_json::from_str(&line)?;
        let stop = matches!(command, Command::Stop);
        let mut answer = match run(&mut peer, command).await {
            Ok(answer) => answer,
            Err(error) => json!({ "ok": false, "error": error.to_string() }),
        };
        answer["id"] = id.into();
        println!("{answer}");
        if stop {
            break;
        }
    }
    Ok(())
}

async fn run(running: &mut Option<Peer>, command: Command) -> Result<Value> {
    if let Command::Start(start) = command {
        let peer = Peer::start(start).await?;
        let count = peer.arrivals.all().first().map_or(0, |&(count, _)| count);
        *running = Some(peer);
        return Ok(json!({ "ok": true, "group": GROUP, "count": count }));
    }
    if let (Command::Stop, Some(peer)) = (&command, running.take_if(|_| matches!(command, Command::Stop))) {
        peer.node.stop().await;
        return Ok(json!({ "ok": true }));
    }
    let peer = running.as_ref().ok_or("not started")?;
    match command {
        Command::Start(_) | Command::Stop => {}
        Command::Ready { peers } => peer.ready(peers).await?,
        Command::Send { i } => {
            let t_ns = now_ns();
            peer.send(i, 1).await?;
            return Ok(json!({ "ok": true, "t_ns": t_ns }));
        }
        Command::Burst { from, n } => {
            let t_ns = now_ns();
            let sends = (from..from + n).map(|i| peer.send(i, 1));
            stream::iter(sends).buffered(UNDER_WAY).try_for_each(|()| future::ok(())).await?;
            return Ok(json!({ "ok": true, "t_ns": t_ns }));
        }
        Command::Load { from, n } => {
            for start in (from..from + n).step_by(BATCH) {
                peer.send(start, BATCH.min(from + n - start)).await?;
            }
        }
        Command::Wait { count, timeout_s } => {
            return Ok(peer.arrivals.wait(count, Duration::from_secs_f64(timeout_s)).await);
        }
        Command::Arrivals { after } => {
            let mut list = peer.arrivals.all();
            list.retain(|&(count, _)| count > after);
            return Ok(json!({ "ok": true, "list": list }));
        }
        Command::Last { n } => {
            let messages = peer.last(n).await?;
            return Ok(json!({ "ok": true, "messages": messages, "t_ns": now_ns() }));
        }
        Command::Dump { path } => {
            let count = peer.dump(&path).await?;
            return Ok(json!({ "ok": true, "count": count }));
        }
        // The engine answers once everything before the command is flushed.
        Command::Flush => drop(peer.node.status().await?),
    }
    Ok(json!({ "ok": true }))
}

struct Peer {
    node: Node,
    group: GroupName,
    no: GroupNo,
    bodies: Vec<String>,
    arrivals: Arrivals,
}

impl Peer {
    async fn start(start: Start) -> Result<Self> {
        let corpus = std::fs::read_to_string(&start.corpus)?;
        let bodies = corpus.lines().map(str::to_owned).collect();
        // Peers find each other's tickets in the neighbouring data directories, by the peer's name.
        let beside = |name: &str| start.dir.with_file_name(name).join("ticket");
        let mut join = Vec::new();
        for Dial { name } in &start.dial {
            join.push(std::fs::read_to_string(beside(name))?.parse::<Ticket>()?);
        }
        let dir = DataDir::open(&start.dir.join("peer"), join.first())?;
        let options = Options {
            listen: vec![([127, 0, 0, 1], start.port).into()],
            join,
            name: Some(start.name.clone()),
            network: !start.offline,
            ..Options::default()
        };
        let node = Node::start(dir, options).await?;
        std::fs::write(start.dir.join("ticket"), node.ticket().to_string())?;

        let group: GroupName = GROUP.parse()?;
        match start.group {
            None => drop(node.create(&group).await?),
            Some(_) => enter(&node, &group).await?,
        }
        let name = group.clone();
        let held = node.read(move |reader| reader.group(&name)).await?;
        let no = held.and_then(|group| group.no).ok_or("the group is not held")?;
        let arrivals = Arrivals::watch(node.clone(), no, group.clone()).await?;
        Ok(Self { node, group, no, bodies, arrivals })
    }

    async fn ready(&self, peers: usize) -> Result<()> {
        let mut changed = self.node.watch();
        while self.node.status().await?.links.len() < peers {
            changed.changed().await?;
        }
        Ok(())
    }

    async fn send(&self, from: usize, count: usize) -> Result<()> {
        let body = |i: usize| self.bodies[i % self.bodies.len()].clone();
        let drafts = (from..from + count).map(|i| Draft { body: body(i), ..Draft::default() }).collect();
        self.node.send(&self.node.group(&self.group.clone().into()).await?, drafts).await?;
        Ok(())
    }

    /// The last `n` messages, as a window would show them.
    async fn last(&self, n: usize) -> Result<Vec<[String; 2]>> {
        let no = self.no;
        let entries = self.node.read(move |reader| newest_messages(reader, no, n)).await?;
        entries.into_iter().map(shown).collect()
    }

    async fn dump(&self, path: &Path) -> Result<usize> {
        use std::io::Write;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        let (mut count, mut after) = (0, None);
        loop {
            let no = self.no;
            let page = self.node.read(move |reader| page_after(reader, no, after)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for message in page.into_iter().filter(is_message) {
                serde_json::to_writer(&mut file, &shown(message)?)?;
                file.write_all(b"\n")?;
                count += 1;
            }
        }
        file.flush()?;
        Ok(count)
    }
}

/// Joins the group as soon as the directory names it.
async fn enter(node: &Node, group: &GroupName) -> Result<()> {
    let mut changed = node.watch();
    loop {
        let name = group.clone();
        let found = node.read(move |reader| reader.group(&name)).await?;
        match found {
            Some(found) if found.joined => return Ok(()),
            Some(found) => {
                node.join(&found).await?;
                return Ok(());
            }
            None => changed.changed().await?,
        }
    }
}

/// The number of messages that could be read, and the time from which on: nanoseconds of the monotonic clock.
#[derive(Clone)]
struct Arrivals {
    list: Arc<Mutex<Vec<(u64, u64)>>>,
    count: watch::Receiver<u64>,
}

impl Arrivals {
    /// Reads the group now, and again whenever something may have changed.
    async fn watch(node: Node, group: GroupNo, name: GroupName) -> Result<Self> {
        let mut changed = node.watch();
        let (sender, count) = watch::channel(0);
        let arrivals = Self { list: Arc::default(), count };
        let list = arrivals.list.clone();
        let read = async move || {
            let name = name.clone();
            node.read(move |reader| readable(reader, group, &name)).await
        };
        let first = read().await?;
        list.lock().unwrap_or_else(PoisonError::into_inner).push((first, now_ns()));
        sender.send_replace(first);
        tokio::spawn(async move {
            let mut most = first;
            while changed.changed().await.is_ok() {
                let Ok(count) = read().await else { return };
                if count > most {
                    most = count;
                    list.lock().unwrap_or_else(PoisonError::into_inner).push((count, now_ns()));
                    sender.send_replace(count);
                }
            }
        });
        Ok(arrivals)
    }

    fn all(&self) -> Vec<(u64, u64)> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn wait(&self, wanted: u64, patience: Duration) -> Value {
        let mut count = self.count.clone();
        let arrived = tokio::time::timeout(patience, count.wait_for(|&count| count >= wanted)).await;
        if !matches!(arrived, Ok(Ok(_))) {
            return json!({ "ok": true, "count": *self.count.borrow(), "timed_out": true });
        }
        let first = self.all().into_iter().find(|&(count, _)| count >= wanted);
        let (count, t_ns) = first.unwrap_or_default();
        json!({ "ok": true, "count": count, "t_ns": t_ns })
    }
}

/// The number of messages in the group, once the newest of them can be read. Entries that are not messages
/// are the peers' joins, one for each.
fn readable(reader: &Reader, group: GroupNo, name: &GroupName) -> std::result::Result<u64, StoreError> {
    let entries = reader.group(name)?.map_or(0, |group| group.entries);
    let joined = reader.users(Some(group), None)?.into_iter().filter(|user| user.joined).count();
    let count = entries.saturating_sub(joined as u64);
    if newest_messages(reader, group, 1)?.is_empty() { Ok(0) } else { Ok(count) }
}

fn newest_messages(
    reader: &Reader,
    group: GroupNo,
    count: usize,
) -> std::result::Result<Vec<Entry>, StoreError> {
    let (mut messages, mut page) = (Vec::new(), Page::Newest);
    while messages.len() < count {
        let entries = reader.history(group, page, count)?;
        let Some(first) = entries.first() else { break };
        page = Page::Before(first.id);
        messages.extend(entries.into_iter().rev().filter(is_message));
    }
    messages.truncate(count);
    messages.reverse();
    Ok(messages)
}

fn page_after(
    reader: &Reader,
    group: GroupNo,
    after: Option<ChangeHash>,
) -> std::result::Result<Vec<Entry>, StoreError> {
    let after = match after {
        Some(after) => after,
        None => match reader.held_groups()?.iter().find(|row| row.no == group) {
            Some(row) => row.id.genesis(),
            None => return Ok(Vec::new()),
        },
    };
    reader.history(group, Page::After(after), BATCH)
}

fn is_message(entry: &Entry) -> bool {
    entry.kind.is_none()
}

fn shown(entry: Entry) -> Result<[String; 2]> {
    let Body::Text(body) = entry.body else { return Err("a sealed body".into()) };
    Ok([entry.name.ok_or("an author without a name")?, body])
}

#[cfg(target_os = "linux")]
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The harness needs Linux; elsewhere the driver only has to compile.
#[cfg(not(target_os = "linux"))]
fn now_ns() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}
