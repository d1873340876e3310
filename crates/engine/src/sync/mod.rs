//! The sync session of one group over one link: Automerge's sync protocol, driven over the change graph
//! because the library's own session needs the loaded document.
//!
//! A message without `have` and `need` announces heads, and may push new changes. A message with either of
//! them *pulls*. Who pulls, and from whom, is decided per group by [`Pull`]: one link at a time, so that a
//! catch-up comes once. What is owed to a puller is computed once per request by [`owed`] and sent in batches
//! as room in flight allows ([`Session`]). Changes whose dependencies are on their way wait in [`Orphans`].
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
pub use orphans::{OrphanSpace, Orphans};
pub use pull::{Pull, Request, Step};
pub use ration::Ration;
pub use reconcile::{Owed, bloom_since, owed};
pub use session::{Marks, Session};

/// One authenticated connection, numbered by its driver; never used twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);
