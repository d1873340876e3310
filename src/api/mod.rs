//! The one local service: everything that a face can do, as JSON over HTTP on loopback, and its client.
//!
//! A [`Server`] runs a node and offers its API to this machine's user; a [`Client`] finds it through a file
//! in the data directory, or else runs the same service in its own process, without network. Faces use the
//! client only, so they need not know which of the two it is.
//!
//! A request is refused if it has neither the data directory's token nor a browser's cookie, if it is
//! addressed to another host, or if a web page of another origin sent it.

mod assets;
mod browser;
mod client;
mod discovery;
mod download;
mod error;
mod events;
mod export;
mod extract;
mod guard;
mod listener;
mod login;
mod membership;
mod openapi;
mod qr;
mod routes;
mod rows;
mod server;
mod service;
mod socket;
mod token;
pub mod types;

pub use assets::Asset;
pub use browser::open_in_browser;
pub use client::{Client, ClientError, Events, Export};
pub use download::{Draft, Pages, json_line};
pub use error::ErrorBody;
pub use membership::{JoinError, Joined, join};
pub use server::{ServeError, ServeOptions, Server};
pub use types::*;

pub use peer_engine::wire::{Ticket, TicketError};
