//! Tests with real processes on real sockets and files: meshes, partitions, crashes, and their cost.

mod chat;
mod durability;
mod failing_disk;
mod hosts;
mod mesh;
mod offline;
mod partition;
#[path = "../cli_process/peer.rs"]
mod peer;
mod proxy;
mod refusals;
mod rejoin;
mod secrets;
mod support;
