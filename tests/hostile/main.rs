//! Hostile bytes at a peer's door: nothing panics, nothing gets in that does not belong, and nothing takes more
//! memory than its bound. Times are printed, never judged.

mod bombs;
mod door;
mod measure;
mod mutants;
#[path = "../sim/rng.rs"]
mod rng;
