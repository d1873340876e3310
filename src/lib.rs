//! A serverless group chat on the sync engine of `peer_engine`.
//!
//! The modules are floors: a module imports only from lower floors (`tests/structure/floors.rs` checks this):
//!
//! ```text
//! 0  limits  text       this peer's limits on its machine; escaping of text that others wrote
//! 1  store  transport   SQLite; TLS and WebSocket
//! 2  node               the driver that owns engine, store and transport
//! 3  api                one local service and its client
//! 4  cli  tui  web      the faces, which use only the api
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
