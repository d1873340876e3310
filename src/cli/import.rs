//! `peer import`: sends messages from a file, with their original times and names.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use peer_engine::id::GroupName;
use peer_engine::limits::{BATCH_BYTES, BODY_BYTES_MAX};
use peer_engine::time::Timestamp;
use serde::Deserialize;

use super::context::Context;
use super::failure::{Failure, Result};
use super::input::Lines;
use super::output::count;
use super::progress::Progress;
use crate::api::{Client, MESSAGE, NewMessage};
use crate::limits::SEND_BATCH_MAX;

/// The longest body with every byte escaped, and space for the other fields.
const LINE_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    group: GroupName,
    /// One JSON object per line with `at`, `author` and `body`; - for standard input
    file: PathBuf,
}

/// One line of the file. The rows of `peer export` and `peer history --json` have this form too.
#[derive(Deserialize)]
struct Line {
    at: Timestamp,
    author: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    sealed: bool,
    body: Option<String>,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let reader: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let opened = File::open(&args.file);
        Box::new(
            opened.map_err(|error| Failure::new(format!("cannot read {}: {error}", args.file.display())))?,
        )
    };
    let client = context.client().await?;
    let mut imported = 0;
    let done = import(&client, &args.group, reader, &mut imported).await;
    client.close().await;
    done.map_err(|failure| failure.after(&so_far(imported)))?;
    if context.out.is_json() {
        return context.out.json(&serde_json::json!({ "imported": imported }));
    }
    context.out.line(&format!("imported {}", count(imported, "message", "messages")))
}

/// Sends the messages in batches. `imported` counts those that were acknowledged, also if this fails.
async fn import(client: &Client, group: &GroupName, reader: impl Read, imported: &mut u64) -> Result<()> {
    // Reports an unknown group even if the file has no messages.
    client.group(group).await?;
    let mut lines = Lines::new(reader, LINE_BYTES_MAX);
    let mut progress = Progress::new("imported");
    let mut batch = Vec::new();
    let mut bytes = 0;
    loop {
        let message = match lines.next() {
            Ok(None) => Ok(None),
            Ok(Some(line)) if line.trim().is_empty() => continue,
            Ok(Some(line)) => match parse(&line) {
                Ok(None) => continue,
                Ok(Some(message)) => Ok(Some(message)),
                Err(reason) => Err(Failure::new(format!("line {}: {reason}", lines.number()))),
            },
            Err(error) => Err(error.into()),
        };
        let full = match &message {
            Ok(Some(message)) => {
                bytes += message.body.len();
                batch.push(message.clone());
                batch.len() == SEND_BATCH_MAX || bytes >= BATCH_BYTES
            }
            // The messages before a bad line are sent.
            _ => true,
        };
        if full && !batch.is_empty() {
            bytes = 0;
            let sent = client.send(group, std::mem::take(&mut batch), Duration::ZERO).await;
            *imported += sent.map_err(Failure::sending)?.len() as u64;
            progress.at(*imported);
        }
        if message?.is_none() {
            return Ok(());
        }
    }
}

/// The message of a line; `None` for a row of another kind, which cannot be imported.
fn parse(line: &str) -> std::result::Result<Option<NewMessage>, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| {
        format!("{error}; a line is a JSON object with `at` (RFC 3339), `author` and `body`")
    })?;
    if line.sealed || line.kind.is_some_and(|kind| kind != MESSAGE) {
        return Ok(None);
    }
    let Some(body) = line.body else { return Err("it has no `body`".to_owned()) };
    let message = NewMessage {
        body,
        at: Some(line.at),
        from: Some(line.from.or(line.name).unwrap_or(line.author)),
        ..NewMessage::default()
    };
    message.check().map_err(|error| error.to_string())?;
    Ok(Some(message))
}

fn so_far(imported: u64) -> String {
    match imported {
        0 => "nothing was imported".to_owned(),
        _ => format!("{} before that stay imported", count(imported, "message", "messages")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_time_and_its_author() {
        let line = r#"{"at": "2004-12-25T09:14:00Z", "author": "crimsun", "body": "hi", "more": [1]}"#;
        let message = parse(line).unwrap().unwrap();
        assert_eq!(message.at.unwrap().to_string(), "2004-12-25T09:14:00.000Z");
        assert_eq!((message.from.as_deref(), message.body.as_str()), (Some("crimsun"), "hi"));
    }

    #[test]
    fn an_exported_row_is_relayed_under_the_name_that_was_shown() {
        let row = |fields: &str| {
            let line = format!(
                r#"{{"id":"00","group":"g","at":"2026-01-31T14:03:00.123Z","author":"abcd",{fields},"late":false}}"#
            );
            parse(&line)
        };
        let from = |fields: &str| row(fields).unwrap().unwrap().from.unwrap();
        assert_eq!(from(r#""name":"anna","from":null,"kind":"message","body":"x""#), "anna");
        assert_eq!(from(r#""name":"anna","from":"irc-bob","kind":"message","body":"x""#), "irc-bob");
        assert_eq!(from(r#""name":null,"from":null,"kind":"message","body":"x""#), "abcd");
        assert_eq!(row(r#""name":null,"from":null,"kind":"join","body":"""#).unwrap(), None);
        assert_eq!(row(r#""kind":"message","body":null,"sealed":true"#).unwrap(), None);
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        for (line, reason) in [
            ("not json", "a JSON object"),
            (r#"{"author":"a","body":"b"}"#, "`at`"),
            (r#"{"at":"yesterday","author":"a","body":"b"}"#, "RFC 3339"),
            (r#"{"at":"2026-01-31T14:03:00Z","body":"b"}"#, "`author`"),
            (r#"{"at":"2026-01-31T14:03:00Z","author":"a"}"#, "`body`"),
            (r#"{"at":"2026-01-31T14:03:00Z","author":"a","body":""}"#, "empty"),
            (r#"{"at":"2026-01-31T14:03:00Z","author":"","body":"b"}"#, "128"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
        let long = format!(
            r#"{{"at":"2026-01-31T14:03:00Z","author":"a","body":"{}"}}"#,
            "x".repeat(BODY_BYTES_MAX + 1)
        );
        assert!(parse(&long).unwrap_err().contains(&BODY_BYTES_MAX.to_string()));
    }
}
