//! The local-first sync engine: signed entries in groups, their change graphs, and the sessions that bring peers level.
//!
//! The modules are floors; imports point down only:
//!
//! ```text
//! 0  id  time  limits           newtypes, and every bound of the protocol and the engine
//! 1  identity  change  wire     keys and signatures; the one change shape; frames and tickets
//! 1  schema                     identifiers, names and times in descriptions of an API
//! 2  group  sync  kinds         change graph, admission, order; the sync session; what entries mean
//! 3  store                      what the engine keeps: the trait, and a store in memory
//! 4  engine                     events in, effects out
//! ```
#![forbid(unsafe_code)]

pub mod change;
pub mod engine;
pub mod group;
pub mod id;
pub mod identity;
pub mod kinds;
pub mod limits;
#[cfg(feature = "schemars")]
mod schema;
pub mod store;
pub mod sync;
pub mod time;
pub mod wire;
