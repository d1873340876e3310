//! The last stage of the gate: does a verified change fit the graph of its group?
//!
//! The verdict depends on the change and its causal past only, never on local time, settings or the order
//! of arrival; else honest peers would diverge.

use super::{ChangeGraph, EntryNo, GroupNo, Node};
use crate::change::Verified;
use crate::id::{ActorId, ChangeHash};

/// A change that is valid in its group and whose dependencies are all stored. Only [`admit`] makes one,
/// and stores take nothing else.
#[derive(Clone, Debug)]
pub struct Admitted {
    verified: Verified,
    deps: Vec<EntryNo>,
    eff: i64,
    forks: bool,
}

impl Admitted {
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Numbers of the dependencies, in the order of their hashes.
    pub fn deps(&self) -> &[EntryNo] {
        &self.deps
    }

    pub fn eff(&self) -> i64 {
        self.eff
    }

    /// The actor had already used this sequence number: its author equivocates.
    pub fn forks(&self) -> bool {
        self.forks
    }
}

/// What the gate says of a change.
#[derive(Debug)]
pub enum Verdict {
    Admitted(Admitted),
    /// Already stored.
    Known(EntryNo),
    /// These dependencies are not stored: hold the change aside.
    Waiting(Verified, Vec<ChangeHash>),
    /// No peer will ever admit it, unless a dependency that is stored here cannot be read.
    Refused(Verified, &'static str),
}

/// Judges `verified`, which was verified for the group that is stored as `group`. Changes nothing.
pub fn admit<G: ChangeGraph>(graph: &G, group: GroupNo, verified: Verified) -> Result<Verdict, G::Error> {
    let header = verified.header();
    let (last_seq, _) = graph.last_of(group, &header.actor)?;
    // What is beyond all that its actor has written here is new: no need to look for it.
    if header.seq <= last_seq
        && let Some(no) = graph.find(group, &verified.hash())?
    {
        return Ok(Verdict::Known(no));
    }
    let mut deps = Vec::with_capacity(header.deps.len());
    let mut absent = Vec::new();
    for hash in &header.deps {
        match graph.find(group, hash)? {
            Some(no) => deps.push(no),
            None => absent.push(*hash),
        }
    }
    if !absent.is_empty() {
        return Ok(Verdict::Waiting(verified, absent));
    }
    let mut nodes = Vec::with_capacity(deps.len());
    for &no in &deps {
        match graph.node(group, no)? {
            Some(node) => nodes.push(node),
            None => return Ok(Verdict::Refused(verified, "a dependency is not readable")),
        }
    }
    let (seq, start_op) = next_counters(&nodes, header.actor);
    if header.seq != seq {
        return Ok(Verdict::Refused(verified, "the sequence number does not follow from the dependencies"));
    }
    if header.start_op != start_op {
        return Ok(Verdict::Refused(verified, "the operation counter does not follow from the dependencies"));
    }
    let at = verified.content().at.millis();
    let eff = effective_time(at, &nodes);
    let forks = header.seq <= last_seq;
    Ok(Verdict::Admitted(Admitted { deps, eff, forks, verified }))
}

/// `(seq, start_op)` of a change by `actor` on these dependencies.
pub fn next_counters(deps: &[Node], actor: ActorId) -> (u64, u64) {
    let own = deps.iter().filter(|node| node.actor == Some(actor));
    let seq = 1 + own.map(|node| node.seq).max().unwrap_or(0);
    let start_op = 1 + deps.iter().map(|node| node.max_op).max().unwrap_or(0);
    (seq, start_op)
}

/// `max(at, 1 + max eff of the dependencies)`, in milliseconds.
pub fn effective_time(at: i64, deps: &[Node]) -> i64 {
    deps.iter().map(|node| node.eff + 1).fold(at, i64::max)
}
