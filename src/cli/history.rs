//! `peer history`: prints a group's entries, oldest first, and with --follow those that arrive.

use std::collections::HashSet;
use std::io::Write;

use peer_engine::id::{ChangeHash, GroupName};

use super::context::Context;
use super::failure::{Failure, Result};
use super::rows;
use crate::api::{Client, EventsQuery, History, HistoryQuery, Pages, Row, What};
use crate::limits::PAGE_MAX;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    group: GroupName,
    /// Most entries to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=PAGE_MAX as i64))]
    limit: u16,
    /// The entries above this one
    #[arg(long, value_name = "ID", conflicts_with_all = ["after", "follow"])]
    before: Option<ChangeHash>,
    /// The entries below this one
    #[arg(long, value_name = "ID")]
    after: Option<ChangeHash>,
    /// All entries
    #[arg(long, conflicts_with_all = ["before", "after", "limit"])]
    all: bool,
    /// Then print what arrives, until interrupted; needs a running peer
    #[arg(long)]
    follow: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let client = context.client().await?;
    let done = show(&client, &args, context).await;
    client.close().await;
    done
}

async fn show(client: &Client, args: &Args, context: &mut Context) -> Result<()> {
    // Without a running peer nothing arrives, and the lock of this command would keep a peer from starting.
    if args.follow && !client.is_serving() {
        return Err(Failure::new("--follow needs a running peer; start one with `peer serve`"));
    }
    let mut shown = HashSet::new();
    let mut show = |page: &History| {
        page.entries.iter().try_for_each(|row| {
            if args.follow {
                shown.insert(row.arrival);
            }
            print(row, context)
        })
    };
    let pages = match (args.all, args.after) {
        (true, _) => Some(Pages::whole(client, &args.group).await?),
        // One page may end before the newest entry, and leave a gap before those that arrive.
        (false, Some(start)) if args.follow => Some(Pages::after(client, &args.group, start)),
        _ => None,
    };
    // Follow from the state in which the first page was read.
    let (arrival, cursor) = if let Some(mut pages) = pages {
        let mut begun = None;
        while let Some(page) = pages.next().await? {
            show(&page)?;
            begun.get_or_insert((page.arrival, page.cursor));
        }
        begun.unwrap_or_default()
    } else {
        let limit = Some(args.limit.into());
        let query = HistoryQuery { before: args.before, after: args.after, limit, ..HistoryQuery::default() };
        let page = client.history(&args.group, &query).await?;
        show(&page)?;
        (page.arrival, page.cursor)
    };
    if args.before.is_none() && !context.out.is_json() {
        report_preview(client, &args.group, context).await?;
    }
    if !args.follow {
        return Ok(());
    }
    // An entry stored after the first page was read is in the stream, and may be on a later page.
    shown.retain(|shown| *shown > arrival);
    tokio::select! {
        done = follow(client, &args.group, cursor, &shown, context) => done,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// Says on standard error that a preview has newer messages than the history shows.
async fn report_preview(client: &Client, group: &GroupName, context: &mut Context) -> Result<()> {
    // The history is right without it, so a failure is not reported.
    let preview = client.preview(group).await.unwrap_or_default();
    if !preview.entries.is_empty() {
        context.out.flush()?;
        let _ = writeln!(std::io::stderr(), "newer messages of {group} exist, and are on their way");
    }
    Ok(())
}

async fn follow(
    client: &Client,
    group: &GroupName,
    cursor: String,
    shown: &HashSet<u64>,
    context: &mut Context,
) -> Result<()> {
    context.out.flush()?;
    let query = EventsQuery { after: Some(cursor), group: Some(group.clone().into()) };
    let mut events = client.events(&query).await?;
    while let Some(event) = events.next().await? {
        match event.what {
            What::Entry { row } if !shown.contains(&row.arrival) => {
                print(&row, context)?;
                context.out.flush()?;
            }
            What::Resync => {
                let why = "more arrived than could be shown in time; start again with --after and the last ID above";
                return Err(Failure::new(why));
            }
            _ => {}
        }
    }
    Err(Failure::new("the running peer has stopped; nothing more arrives"))
}

fn print(row: &Row, context: &mut Context) -> Result<()> {
    if context.out.is_json() {
        return context.out.json(row);
    }
    let line = rows::row(row, context.out.zone());
    context.out.line(&line)
}
