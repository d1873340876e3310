//! Hostile bytes sent to a peer: nothing panics, no invalid change is taken, and no input takes more memory
//! than its bound. Times are printed, but not checked.

mod bombs;
mod door;
mod measure;
mod mutants;
#[path = "../sim/rng.rs"]
mod rng;
