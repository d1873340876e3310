//! The engine, with one link and one group at a time: compared with the `automerge` library's own sync, given
//! changes that must be refused, and checked for when it sends.

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
