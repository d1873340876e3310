//! `peer serve`: run this peer until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr};

use super::failure::{Failure, Result};
use super::{Context, input, ticket};
use crate::api::{Ready, ServeOptions, Server};
use crate::text;

const PORT: u16 = 7117;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    start: Start,
    /// Offer no local API; other commands then wait until this one ends
    #[arg(long, conflicts_with = "api")]
    no_api: bool,
}

/// How a peer is started, by itself or under a face.
#[derive(clap::Args, Debug)]
pub(super) struct Start {
    /// Where to listen for other peers; port 0 takes a free one [default: 0.0.0.0:7117]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// Where others can reach this peer, if that is not where it listens
    #[arg(long, value_name = "ADDR:PORT")]
    advertise: Vec<String>,
    /// A ticket of the mesh to enter: the ticket, @FILE, or - for standard input
    #[arg(long, value_name = "TICKET")]
    join: Vec<String>,
    /// What others call you
    #[arg(long)]
    name: Option<String>,
    /// Where to offer the local API and the page, on this machine only; port 0 takes the one of last time, or a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    api: SocketAddr,
}

impl Start {
    pub(super) fn options(self) -> Result<ServeOptions> {
        if let Some(name) = &self.name {
            input::check_line("name", name)?;
        }
        let join = self.join.into_iter().map(ticket::read).collect::<Result<_>>()?;
        let mut listen = self.listen;
        if listen.is_empty() {
            listen.push((Ipv4Addr::UNSPECIFIED, PORT).into());
        }
        let advertise = self.advertise;
        let (name, api) = (self.name, Some(self.api));
        Ok(ServeOptions { listen, advertise, join, name, api, page: crate::web::ASSETS })
    }
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let mut options = args.start.options()?;
    if args.no_api {
        options.api = None;
    }
    // Before the start, so that no signal is missed and whoever reads the ready line may send one.
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

fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "an address is written as 127.0.0.1:PORT".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the local API stays on this machine: 127.0.0.1:PORT or [::1]:PORT".to_owned())
    }
}

/// The requests to stop: SIGINT, and on Unix SIGTERM and SIGHUP.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let wait =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}")));
        Ok(Self {
            interrupt: wait(SignalKind::interrupt())?,
            terminate: wait(SignalKind::terminate())?,
            hang_up: wait(SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
