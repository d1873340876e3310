//! `peer export`: writes a whole group, as JSON lines or as an Automerge document.

use std::io::Write;
use std::path::{Path, PathBuf};

use peer_engine::id::GroupName;

use super::context::Context;
use super::failure::{Failure, Result};
use super::output::count;
use crate::api::{Client, Draft, Pages, json_line};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    group: GroupName,
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to write it [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// The rows of `peer history --all --json`
    Jsonl,
    /// A document that every Automerge reader opens
    Automerge,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if args.format == Format::Automerge && args.output.is_none() && context.out.is_terminal() {
        return Err(Failure::usage("an Automerge document is binary; write it to a file with --output FILE"));
    }
    let client = context.client().await?;
    let done = export(&client, &args, context).await;
    client.close().await;
    done
}

async fn export(client: &Client, args: &Args, context: &mut Context) -> Result<()> {
    let Some(path) = &args.output else {
        write(client, args, &mut |bytes| context.out.bytes(bytes)).await?;
        return context.out.flush();
    };
    let failed = |error| cannot_write(path, &error);
    let mut file = Draft::create(path).map_err(failed)?;
    let entries = write(client, args, &mut |bytes| file.write(bytes).map_err(failed)).await?;
    file.keep().map_err(failed)?;
    report(entries, path, context)
}

/// Passes the export to `sink` in pieces. Returns the number of rows if the format has rows.
async fn write(
    client: &Client,
    args: &Args,
    sink: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<Option<u64>> {
    if args.format == Format::Automerge {
        let mut document = client.export(&args.group).await?;
        if document.reauthored {
            let _ = writeln!(
                std::io::stderr(),
                "peer: an author wrote two entries under one sequence number, which Automerge cannot hold; the document has all entries in order, written again without their signatures"
            );
        }
        while let Some(bytes) = document.chunk().await? {
            sink(&bytes)?;
        }
        return Ok(None);
    }
    let mut pages = Pages::whole(client, &args.group).await?;
    let mut rows = 0;
    while let Some(page) = pages.next().await? {
        for row in &page.entries {
            sink(json_line(row)?.as_bytes())?;
        }
        rows += page.entries.len() as u64;
    }
    Ok(Some(rows))
}

fn report(entries: Option<u64>, path: &Path, context: &mut Context) -> Result<()> {
    let file = path.display().to_string();
    if context.out.is_json() {
        return context.out.json(&serde_json::json!({ "file": file, "entries": entries }));
    }
    let what = entries.map_or("the group".to_owned(), |entries| count(entries, "row", "rows"));
    context.out.line(&format!("wrote {what} to {}", crate::text::line(&file)))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}
