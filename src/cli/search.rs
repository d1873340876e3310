//! `peer search`: finds messages by their words.

use peer_engine::id::GroupName;

use super::context::Context;
use super::failure::Result;
use super::rows;
use crate::api::{Hit, TextQuery};
use crate::limits::{SEARCH_CONTEXT_MAX, SEARCH_HITS_MAX};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Words that the message has; the last may be the beginning of one
    text: String,
    /// Only in this group
    #[arg(long)]
    group: Option<GroupName>,
    /// Most messages to find
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=SEARCH_HITS_MAX as i64))]
    limit: u16,
    /// Entries to show before and after each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=SEARCH_CONTEXT_MAX as i64))]
    context: u16,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let query = TextQuery {
        text: args.text,
        group: args.group.map(Into::into),
        limit: Some(args.limit.into()),
        context: Some(args.context.into()),
    };
    let client = context.client().await?;
    let answer = client.search(&query).await;
    client.close().await;
    let hits = answer?.hits;
    if context.out.is_json() {
        return hits.iter().try_for_each(|hit| context.out.json(hit));
    }
    if hits.is_empty() {
        return context.out.line("nothing found");
    }
    for (number, hit) in hits.iter().enumerate() {
        if number > 0 {
            context.out.line("")?;
        }
        show(hit, context)?;
    }
    Ok(())
}

fn show(hit: &Hit, context: &mut Context) -> Result<()> {
    let zone = context.out.zone().clone();
    context.out.line(hit.row.group.as_str())?;
    let marked = hit.before.iter().map(|row| (' ', row));
    let marked = marked.chain([('>', &hit.row)]).chain(hit.after.iter().map(|row| (' ', row)));
    for (mark, row) in marked {
        let shown = rows::row(row, &zone).replace('\n', "\n  ");
        context.out.line(&format!("{mark} {shown}"))?;
    }
    Ok(())
}
