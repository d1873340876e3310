//! A group's change graph: which changes fit it, and the order in which they are shown.
//!
//! Nothing here stores or sends. Reads go through [`ChangeGraph`], which the stores implement.

mod admission;
mod graph;
mod ids;

pub use admission::{Admitted, Verdict, admit, effective_time, next_counters};
pub use graph::{ChangeGraph, missing_from};
pub(crate) use graph::{missing_within, reached, reaches};
pub use ids::{EntryNo, GroupNo, Node};
