//! A serverless group chat on the sync engine of `peer_engine`.
//!
//! The modules are floors; imports point down only (`tests/floors.rs` holds them to it):
//!
//! ```text
//! 0  limits  text       bounds of this peer on its machine; other people's text made fit to be shown
//! 1  store  transport   SQLite; TLS and WebSocket
//! 2  node               the driver that owns engine, store and transport
//! 3  api                one local service and its client
//! 4  cli  tui  web      the faces; they know the api only
//! ```
#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod limits;
pub mod node;
pub mod store;
pub mod text;
pub mod transport;
pub mod tui;
pub mod web;
