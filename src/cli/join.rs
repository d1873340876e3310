//! `peer join`: makes a new data directory that belongs to the mesh of a ticket.

use super::context::Context;
use super::failure::Result;
use super::ticket;
use crate::api;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The ticket, @FILE, or - for standard input
    ticket: String,
    /// Do not ask a member of the mesh whether the ticket is valid
    #[arg(long)]
    offline: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let ticket = ticket::read(args.ticket)?;
    let joined = api::join(&context.data, &ticket, args.offline).await?;
    if context.out.is_json() {
        return context.out.json(&joined);
    }
    let done = if joined.already { "was already in" } else { "belongs to" };
    let data = context.data.display().to_string();
    let line =
        format!("{} {done} the mesh {}; `peer serve` connects it", crate::text::line(&data), joined.mesh);
    context.out.line(&line)
}
