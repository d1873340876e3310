//! Tests of the page in a real browser, on real peers.

mod browser;
mod hostile;
#[allow(dead_code, reason = "shared with the tests of processes, which use all of it")]
#[path = "../process/support.rs"]
mod members;
mod order;
mod paging;
mod partition;
#[allow(dead_code, reason = "shared with the tests of commands, which use all of it")]
#[path = "../cli_process/peer.rs"]
mod peer;
mod preview;
#[allow(dead_code, reason = "shared with the tests of processes, which use all of it")]
#[path = "../process/proxy.rs"]
mod proxy;
mod reconnect;
mod sight;
mod sources;
mod support;
mod talk;
