//! `peer send`: sends one message, or each line of standard input as one.

use std::io;
use std::time::Duration;

use peer_engine::id::GroupName;
use peer_engine::limits::{BATCH_BYTES, BODY_BYTES_MAX};
use tokio::sync::mpsc;

use super::context::Context;
use super::failure::{Failure, Result};
use super::input;
use super::input::{LineError, LineReason, Lines};
use super::output::count;
use super::progress::Progress;
use crate::api::{Client, NewMessage, Sent};
use crate::limits::SEND_BATCH_MAX;
use crate::text;

/// How long to wait for linked peers to store the messages, before it is said on how many they are.
const PATIENCE: Duration = Duration::from_millis(300);
/// Maximum number of lines that are read and not sent yet.
const LINES_AHEAD: usize = 512;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    group: GroupName,
    /// The message; without it, each line of standard input is one
    text: Option<String>,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if let Some(text) = &args.text {
        input::check_message(text)?;
        NewMessage::text(text).check()?;
    }
    let client = context.client().await?;
    let done = match args.text {
        Some(text) => one(&client, &args.group, text, context).await,
        None => lines(&client, &args.group, context).await,
    };
    client.close().await;
    done
}

async fn one(client: &Client, group: &GroupName, text: String, context: &mut Context) -> Result<()> {
    let sent = client.send(group, vec![NewMessage::text(text)], PATIENCE).await.map_err(Failure::sending)?;
    report(&sent, context)?;
    match sent.last() {
        Some(last) if !context.out.is_json() => context.out.line(&stored_on(last.stored_on)),
        _ => Ok(()),
    }
}

async fn lines(client: &Client, group: &GroupName, context: &mut Context) -> Result<()> {
    // Reports an unknown group even if there are no lines.
    client.group(group).await?;
    let mut lines = read_ahead();
    let mut progress = Progress::new("sent");
    let mut total = 0;
    let mut stored = 1;
    let mut refused = None;
    while let Some(first) = lines.recv().await {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(line) = next.take() {
            match line {
                Ok(line) => {
                    bytes += line.len();
                    batch.push(NewMessage::text(line));
                }
                Err(error) => refused = Some(error),
            }
            if refused.is_none() && batch.len() < SEND_BATCH_MAX && bytes < BATCH_BYTES {
                next = lines.try_recv().ok();
            }
        }
        if batch.is_empty() {
            break;
        }
        // While there are more lines to send, do not wait for other peers to store these.
        let patience = if lines.is_empty() { PATIENCE } else { Duration::ZERO };
        let sent = client
            .send(group, batch, patience)
            .await
            .map_err(|error| Failure::sending(error).after(&so_far(total)))?;
        total += sent.len() as u64;
        stored = sent.iter().map(|sent| sent.stored_on).min().unwrap_or(stored);
        report(&sent, context)?;
        progress.at(total);
    }
    drop(progress);
    if let Some(error) = refused {
        return Err(Failure::from(error).after(&so_far(total)));
    }
    if context.out.is_json() {
        return Ok(());
    }
    context.out.line(&match total {
        0 => "nothing to send".to_owned(),
        _ => format!("{} {}", count(total, "message", "messages"), stored_on(stored)),
    })
}

/// Reads standard input on a thread of its own, since a read waits for as long as somebody types.
fn read_ahead() -> mpsc::Receiver<std::result::Result<String, LineError>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut lines = Lines::new(io::stdin().lock(), BODY_BYTES_MAX);
        loop {
            let line = match lines.next() {
                Ok(None) => return,
                Ok(Some(line)) if line.is_empty() => continue,
                Ok(Some(line)) => match text::control_in(&line) {
                    Some(c) => Err(LineError { number: lines.number(), reason: LineReason::Control(c) }),
                    None => Ok(line),
                },
                Err(error) => Err(error),
            };
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// With --json, prints each message as soon as it is stored.
fn report(sent: &[Sent], context: &mut Context) -> Result<()> {
    if context.out.is_json() {
        sent.iter().try_for_each(|sent| context.out.json(sent))?;
        context.out.flush()?;
    }
    Ok(())
}

fn stored_on(peers: u32) -> String {
    match peers {
        0 | 1 => "stored on 1 peer: this one".to_owned(),
        peers => format!("stored on {peers} peers"),
    }
}

fn so_far(total: u64) -> String {
    match total {
        0 => "no message was acknowledged".to_owned(),
        1 => "1 message before it was acknowledged".to_owned(),
        total => format!("{total} messages before it were acknowledged"),
    }
}
