//! What a malicious member and a stranger can do to real peers: honest peers converge, memory stays bounded,
//! and the attacker is flagged.

mod ahead;
mod asking;
mod clocks;
mod forging;
mod forking;
mod gossip;
mod keys;
mod orphans;
#[path = "../cli_process/peer.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod peer;
#[path = "../process/proxy.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod proxy;
mod raw;
mod reading;
mod resending;
mod strangers;
#[path = "../process/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
mod withholding;
