//! The arguments of a command that starts a peer: `serve` and `chat`.

use std::net::{Ipv4Addr, SocketAddr};

use super::failure::Result;
use super::{input, ticket};
use crate::api::ServeOptions;

const PORT: u16 = 7117;

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

fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "an address is written as 127.0.0.1:PORT".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the local API stays on this machine: 127.0.0.1:PORT or [::1]:PORT".to_owned())
    }
}
