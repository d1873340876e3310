//! The last stage of the gate: does a verified change fit the graph of its group?
//!
//! The verdict depends on the change and its causal past only, never on local time, settings or the order
//! of arrival; else honest peers would diverge.

use super::{ChangeGraph, EntryNo, GroupNo, Node};
use crate::change::Verified;
use crate::id::{ActorId, ChangeHash};

/// A change that is valid in its group and whose dependencies are all stored. Only [`admit`] creates one, and stores
/// accept nothing else.
#[derive(Clone, Debug)]
pub struct Admitted {
    verified: Verified,
    deps: Vec<EntryNo>,
    eff: i64,
    forks: bool,
}

impl Admitted {
    /// The change itself.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Arrival numbers of the dependencies, in the order of their hashes.
    pub fn deps(&self) -> &[EntryNo] {
        &self.deps
    }

    /// Effective time in milliseconds, see [`effective_time`].
    pub fn eff(&self) -> i64 {
        self.eff
    }

    /// Whether the actor has already used this sequence number in a stored change: its author equivocates.
    pub fn forks(&self) -> bool {
        self.forks
    }
}

/// The result of [`admit`].
#[derive(Debug)]
pub enum Verdict {
    /// The change is new and valid: append it.
    Admitted(Admitted),
    /// The change is already stored under this number.
    Known(EntryNo),
    /// The listed dependencies are not stored: hold the change until they are.
    Waiting(Verified, Vec<ChangeHash>),
    /// The change is invalid, for this reason, on every peer; unless a dependency that is stored here cannot be read.
    Refused(Verified, &'static str),
}

/// Judges `verified`, which was verified for the group that is stored as `group`. Changes nothing; fails if the graph
/// cannot be read.
pub fn admit<G: ChangeGraph>(graph: &G, group: GroupNo, verified: Verified) -> Result<Verdict, G::Error> {
    let header = verified.header();
    let (last_seq, _) = graph.last_of(group, &header.actor)?;
    // A sequence number above the actor's last stored one is new: no need to look it up.
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

/// The only valid `(seq, start_op)` of a change by `actor` on these dependencies.
pub fn next_counters(deps: &[Node], actor: ActorId) -> (u64, u64) {
    let own = deps.iter().filter(|node| node.actor == Some(actor));
    let seq = 1 + own.map(|node| node.seq).max().unwrap_or(0);
    let start_op = 1 + deps.iter().map(|node| node.max_op).max().unwrap_or(0);
    (seq, start_op)
}

/// `max(at, 1 + max eff of the dependencies)`, in milliseconds: entries are ordered by it, after all they depend on.
pub fn effective_time(at: i64, deps: &[Node]) -> i64 {
    deps.iter().map(|node| node.eff + 1).fold(at, i64::max)
}
