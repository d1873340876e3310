//! A peer in a program of its own: it starts, joins a group, says something, and prints what arrives until Ctrl-C.
//!
//! ```sh
//! cargo run --example node -- data/ann > ann.ticket
//! cargo run --example node -- data/bob ann.ticket
//! ```
//!
//! The first makes a mesh and prints a ticket, which is a secret; the second enters the mesh with it. Without arguments the
//! peer lives in a temporary directory.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use peer::node::{DataDir, Draft, Node, Options};
use peer::store::{Entry, FeedPlace, FeedWhat};
use peer::text;
use peer_engine::change::Body;
use peer_engine::id::GroupName;
use peer_engine::kinds;
use peer_engine::wire::Ticket;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Entries read at once.
const BATCH: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let data = args.next().unwrap_or_else(|| temporary.path().to_owned());
    let ticket = args.next().map(std::fs::read_to_string).transpose()?;
    let ticket: Option<Ticket> = ticket.map(|text| text.trim().parse()).transpose()?;

    let node = start(&data, ticket).await?;
    println!("{}", node.ticket());
    // A place among all that arrives. To be kept, so that a program that was off can go on from there.
    let place = node.read(|reader| reader.feed_end()).await?;
    say(&node, &"rust".parse()?, "hello").await?;
    let show = |entry: Entry| {
        eprintln!("{}", line(&entry));
        ControlFlow::Continue(())
    };
    tokio::select! {
        ended = follow(&node, place, show) => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    // What was acknowledged is on disk in any case. This also ends the links, so that others need not wait.
    node.stop().await;
    Ok(())
}

/// At first use the directory gets an identity and a mesh: the ticket's, or a new one. It is locked while the node runs.
pub async fn start(data: &Path, ticket: Option<Ticket>) -> Result<Node> {
    let dir = DataDir::open(data, ticket.as_ref())?;
    // Any free port, on this machine only.
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let options = Options { listen, join: ticket.into_iter().collect(), network: true, ..Options::default() };
    Ok(Node::start(dir, options).await?)
}

/// Sends a message to a group, which is joined first. When it returns, the message is on disk; linked peers get it at
/// once, all others when they link up.
pub async fn say(node: &Node, name: &GroupName, body: &str) -> Result<()> {
    // The same as joining, where the group exists: a name is one group in the whole mesh.
    node.create(name).await?;
    let group = node.group(&name.clone().into()).await?;
    node.send(&group, vec![Draft { body: body.to_owned(), ..Draft::default() }]).await?;
    Ok(())
}

/// Shows the entries of all joined groups that arrive after `place`, this peer's own among them, until `show` breaks or the
/// node stops.
pub async fn follow(
    node: &Node,
    mut place: FeedPlace,
    mut show: impl FnMut(Entry) -> ControlFlow<()>,
) -> Result<()> {
    let mut news = node.watch();
    loop {
        // Before the read: what arrives while it runs is a change.
        news.mark_unchanged();
        let read = node.read(move |reader| reader.feed_after(place, BATCH)).await?;
        let items = read.ok_or("too much arrived since that place; read the history instead")?;
        if items.is_empty() && news.changed().await.is_err() {
            return Ok(());
        }
        for item in items {
            place = item.place;
            if let FeedWhat::Entry(entry) = item.what
                && show(*entry).is_break()
            {
                return Ok(());
            }
        }
    }
}

/// One line for the terminal. Other people's text goes through `text::line`, so that it cannot move the cursor.
pub fn line(entry: &Entry) -> String {
    let key = entry.author.short();
    let name = entry.name.as_deref().unwrap_or(&key);
    let said = match &entry.body {
        // A message has no kind. Other entries say what their author did: "joined".
        Body::Text(body) => kinds::sentence(entry.kind.as_deref(), body).unwrap_or_else(|| body.clone()),
        Body::Sealed(_) => "(sealed)".to_owned(),
    };
    text::line(&format!("{name}: {said}")).into_owned()
}
