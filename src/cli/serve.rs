//! `peer serve`: runs this peer until a signal stops it.

use std::net::SocketAddr;

use super::context::Context;
use super::failure::{Failure, Result};
use super::signals::Signals;
use super::start::Start;
use crate::api::{Ready, Server};
use crate::text;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    start: Start,
    /// Offer no local API; other commands then wait until this one ends
    #[arg(long, conflicts_with = "api")]
    no_api: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let mut options = args.start.options()?;
    if args.no_api {
        options.api = None;
    }
    // Before the start, so that a signal is not missed even if it comes as soon as the ready line is printed.
    let mut signals = Signals::new()?;
    let server = tokio::select! {
        server = Server::start(&context.data, options) => server?,
        () = signals.next() => return Ok(()),
    };
    announce(&server.ready().await?, context)?;
    let failed = tokio::select! {
        () = signals.next() => None,
        error = server.failed() => Some(error),
    };
    tokio::select! {
        () = server.stop() => {}
        () = signals.next() => return Err(Failure::new("interrupted while stopping; everything acknowledged is kept")),
    }
    match failed {
        None => Ok(()),
        Some(error) => Err(Failure::from(error).after("the peer stopped by itself")),
    }
}

fn announce(ready: &Ready, context: &mut Context) -> Result<()> {
    let out = &mut context.out;
    if out.is_json() {
        out.json(ready)?;
    } else {
        let row = |label: &str, value: String| [label.to_owned(), value];
        let list = |addresses: &[SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let name = ready.name.as_deref().unwrap_or("none yet; `peer name NEW` sets one");
        let api = ready.api.map_or("off".to_owned(), |api| api.to_string());
        out.table(&[
            row("name", text::line(name).into_owned()),
            row("key", ready.peer.to_string()),
            row("mesh", ready.mesh.to_string()),
            row("listens on", list(&ready.listen)),
            row("local API", api),
            row("page", ready.page.clone().unwrap_or_else(|| "off".to_owned())),
            row("ticket", ready.ticket.clone()),
        ])?;
    }
    out.flush_secret()
}
