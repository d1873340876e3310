//! A serverless group chat, and the local-first sync engine under it.
//!
//! The modules are floors; imports point down only (`tests/floors.rs` holds them to it):
//!
//! ```text
//! 0  id  time  limits  text     newtypes, every bound in one place, and other people's text made fit to be shown
//! 1  identity  change  wire     keys and signatures; the one change shape; frames and tickets
//! 2  group  sync                change graph, admission, order; the sync session
//! 3  store  engine  transport   SQLite and memory; events in, effects out; TLS and WebSocket
//! 4  node                       the driver that owns engine, store and transport
//! 5  api                        one local service and its client
//! 6  cli  tui  web              the faces; they know the api only
//! ```
#![forbid(unsafe_code)]

pub mod api;
pub mod change;
pub mod cli;
pub mod engine;
pub mod group;
pub mod id;
pub mod identity;
pub mod limits;
pub mod node;
pub mod store;
pub mod sync;
pub mod text;
pub mod time;
pub mod transport;
pub mod tui;
pub mod web;
pub mod wire;
