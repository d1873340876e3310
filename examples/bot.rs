//! A bot on the local API: it answers `!ping` with `pong`, in all groups that the peer has joined.
//!
//! ```sh
//! peer --data data/ann serve
//! cargo run --example bot -- data/ann
//! ```
//!
//! It speaks for the peer that runs on this data directory. The client finds the peer's address and its token there; docs/api.md
//! describes the HTTP requests that it makes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use peer::api::{Client, EventsQuery, MESSAGE, NewMessage, Row, What};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let data = args.next().map(PathBuf::from).ok_or("usage: bot DATA [CURSOR]")?;
    let cursor = args.next().map(|cursor| cursor.to_string_lossy().into_owned());
    let last = run(&data, cursor).await?;
    // Started again with this, it answers what was asked while it was off.
    println!("{}", last.unwrap_or_default());
    Ok(())
}

/// Answers what comes after the cursor, or from now on, until the peer stops. Returns the cursor of the last event.
pub async fn run(data: &Path, mut cursor: Option<String>) -> Result<Option<String>> {
    let client = Client::open(data).await?;
    // Where no peer runs, the client opens the data directory itself, without a network: good for a command, not for a bot.
    if !client.is_serving() {
        return Err("no peer runs there; start it with `peer serve`".into());
    }
    let mut events = client.events(&EventsQuery { after: cursor.clone(), group: None }).await?;
    while let Some(event) = events.next().await? {
        match event.what {
            What::Entry { row } if is_ping(&row) => answer(&client, &row).await?,
            // `Resync` among others: the cursor is too old. This bot leaves unanswered what was asked before.
            _ => {}
        }
        cursor = Some(event.cursor);
    }
    Ok(cursor)
}

fn is_ping(row: &Row) -> bool {
    // Not only messages have a body, and not all have one that can be read.
    row.kind == MESSAGE && row.body.as_deref() == Some("!ping")
}

async fn answer(client: &Client, ping: &Row) -> Result<()> {
    let pong = NewMessage {
        // A reply to this message.
        re: Some(ping.id),
        // Sent again under the same key it is the same message: a bot that sees an event twice answers it once.
        key: Some(format!("pong-{}", ping.id)),
        ..NewMessage::text("pong")
    };
    // On disk when it returns. With a longer patience it would also wait for the linked peers to have it.
    client.send(&ping.group, vec![pong], Duration::ZERO).await?;
    Ok(())
}
