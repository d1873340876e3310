//! The engine, one link and one group at a time: against the `automerge` library's own sync, and against
//! changes that must not get in; and when it speaks.

mod actors;
mod admission;
mod ahead;
mod digest;
mod graph;
mod oracle;
mod pace;
mod pull;
mod rations;
mod repair;
#[path = "../../../../tests/sim/rng.rs"]
mod rng;
