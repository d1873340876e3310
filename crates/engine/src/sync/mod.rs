//! The sync session of one group over one link: Automerge's sync protocol, driven over the change graph
//! because the library's own session needs the loaded document.
//!
//! A message without `have` and `need` announces heads, and may push new changes. A message with either of
//! them *pulls*. A group pulls from one link at a time (`Pull`), so that each missing change is sent once. What the other
//! side of a pull lacks is computed once per request (`owed`) and sent in batches as its send window allows ([`Session`]).
//! Changes that arrive before their dependencies wait in [`Orphans`].
//!
//! Nothing here stores, sends or reads a clock.

mod budget;
mod heads;
mod orphans;
mod pull;
mod ration;
mod reconcile;
mod session;

pub use budget::LinkBudget;
pub use heads::Heads;
pub use orphans::{OrphanSpace, Orphans, OrphansFull};
pub(crate) use pull::{Pull, Request, Step};
pub(crate) use ration::Ration;
pub(crate) use reconcile::{Owed, bloom_since, owed};
pub use session::{Marks, Session};

/// One authenticated connection. The driver numbers them and never uses a number twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);
