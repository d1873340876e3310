//! Tests of the terminal UI: its screens and behaviour without a terminal, and two peers in a real one.

mod moving;
#[cfg(unix)]
#[path = "../cli_process/peer.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod peer;
mod preview;
mod reading;
mod safe;
mod screens;
mod support;
#[cfg(unix)]
mod terminal;
mod truth;
mod writing;
