//! The local-first sync engine of `peer`: signed entries in groups, the change graph of each group, and the sync sessions
//! that bring all peers to the same set of entries.
//!
//! # Where to start
//!
//! - [`engine::Engine`] is the peer as a state machine. A driver feeds it [`engine::Event`]s (a link came up, a message came
//!   in, time has passed) and calls commands such as [`engine::Engine::write`]; then it calls [`engine::Engine::commit`] and
//!   carries out the [`engine::Effect`]s that [`engine::Engine::poll_effect`] returns (send a frame, dial, close).
//! - [`store::Store`] is what the engine needs of a database. [`store::MemoryStore`] implements it in memory, for tests and
//!   simulations.
//! - [`kinds`] says what entries mean: which state (topic, names, members) the entries of a group add up to.
//! - [`wire`] encodes and decodes what goes between peers: [`wire::Frame`]s, sync messages and [`wire::Ticket`]s.
//!
//! The crate opens no socket or file, starts no thread, and reads no clock and no randomness: links, time and seeds come in
//! as arguments. So a whole mesh of engines can run in one thread, in simulated time, with reproducible results.
//!
//! # Words
//!
//! - *Entry*: a message or another record in a group. A *change* is its signed form, in the format of Automerge.
//! - *Group*: entries that are synced together. A *room* is the state of one group in the memory of an [`engine::Engine`].
//! - *Link*: one authenticated connection to another peer. A *session* ([`sync::Session`]) is one group on one link.
//! - *Heads*: the entries of a group that no other entry depends on. Two peers with the same heads have the same entries;
//!   a session between them is *level*.
//! - *Live*: a session whose other side has, or was sent, all entries here, so that new ones are pushed without being asked
//!   for.
//! - *Pull*: asking one link for entries that it announced and that are missing here. A *preview* is the newest entries
//!   of a large group, sent ahead of a pull and shown until the pull has brought them.
//! - *Orphan*: a change that waits in memory for an entry it depends on.
//! - *Fork*: two changes of one author with the same actor and sequence number: proof of equivocation.
//! - *Acquaintance*: a peer that came from a ticket or was linked for a while. What others tell of peers is *hearsay*.
//! - *Farewell*: the `leave` entry of this peer, after which a group is synced until another peer has that entry.
//!
//! # Modules
//!
//! Each module imports from lower layers only:
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
#![warn(missing_docs)]

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
