//! Questions about a change graph that is too large for memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{EntryNo, GroupNo, Node};
use crate::id::{ActorId, ChangeHash};

/// Read access to the change graphs of all groups. The genesis is part of each, as number 0.
pub trait ChangeGraph {
    /// A failed read. Everything that reads the graph passes it on.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The number of the change with this hash; `None` if it is not stored.
    fn find(&self, group: GroupNo, hash: &ChangeHash) -> Result<Option<EntryNo>, Self::Error>;

    /// The node of entry `no`; `None` if the group has no such entry.
    fn node(&self, group: GroupNo, no: EntryNo) -> Result<Option<Node>, Self::Error>;

    /// Up to `limit` nodes with numbers below `below`, largest number first, the genesis last.
    fn nodes_below(&self, group: GroupNo, below: EntryNo, limit: usize) -> Result<Vec<Node>, Self::Error>;

    /// The largest sequence number of this actor in the group, and its entry; 0 and the genesis if it has written
    /// nothing.
    fn last_of(&self, group: GroupNo, actor: &ActorId) -> Result<(u64, EntryNo), Self::Error>;
}

/// Nodes read at once while walking down: few at first, since most walks are short.
const STRIDE_MIN: usize = 16;
const STRIDE_MAX: usize = 1024;

/// All entries in the past of `heads` (and `heads` themselves) that are neither in `known` nor in its past, oldest
/// first. Never the genesis, which every peer has.
///
/// Walks down by arrival number, which is a causal order, marking the past of `known`; stops once every entry that is
/// still open is marked. Visits about what it returns, plus what arrived in between.
pub fn missing_from<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    heads: &[EntryNo],
    known: &[EntryNo],
) -> Result<Vec<EntryNo>, G::Error> {
    Ok(missing_within(graph, group, heads, known, usize::MAX)?.unwrap_or_default())
}

/// [`missing_from`], or `None` once that has visited `visits_max` entries or slightly more.
pub fn missing_within<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    heads: &[EntryNo],
    known: &[EntryNo],
    visits_max: usize,
) -> Result<Option<Vec<EntryNo>>, G::Error> {
    // Entries below the walk that something above depends on: true where they are in the past of `known`.
    let mut open: BTreeMap<EntryNo, bool> = heads.iter().map(|&no| (no, false)).collect();
    open.extend(known.iter().map(|&no| (no, true)));
    open.insert(EntryNo::GENESIS, true);
    let mut unpainted = open.values().filter(|painted| !**painted).count();
    let mut missing = Vec::new();
    let mut below = match open.keys().next_back() {
        Some(top) => EntryNo(top.0 + 1),
        None => return Ok(Some(missing)),
    };
    let mut stride = STRIDE_MIN;
    let mut visits = 0;
    while unpainted > 0 {
        if visits >= visits_max {
            return Ok(None);
        }
        let nodes = graph.nodes_below(group, below, stride)?;
        stride = (stride * 2).min(STRIDE_MAX);
        if nodes.is_empty() {
            break;
        }
        visits += nodes.len();
        for node in nodes {
            below = node.no;
            let Some(painted) = open.remove(&node.no) else { continue };
            if !painted {
                unpainted -= 1;
                missing.push(node.no);
            }
            for dep in node.deps {
                match open.insert(dep, painted) {
                    None if !painted => unpainted += 1,
                    Some(false) if painted => unpainted -= 1,
                    Some(true) if !painted => {
                        open.insert(dep, true);
                    }
                    _ => {}
                }
            }
            if unpainted == 0 {
                break;
            }
        }
    }
    missing.reverse();
    Ok(Some(missing))
}

/// Whether `target` is one of `heads` or in their past.
pub fn reaches<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    heads: &[EntryNo],
    target: EntryNo,
) -> Result<bool, G::Error> {
    Ok(!reached(graph, group, heads, &BTreeSet::from([target]))?.is_empty())
}

/// Those of `targets` that are among `heads` or in their past. Visits what lies above the lowest of them, once.
pub fn reached<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    heads: &[EntryNo],
    targets: &BTreeSet<EntryNo>,
) -> Result<BTreeSet<EntryNo>, G::Error> {
    let mut reached = BTreeSet::new();
    let Some(&lowest) = targets.first() else { return Ok(reached) };
    if targets.contains(&EntryNo::GENESIS) {
        reached.insert(EntryNo::GENESIS);
    }
    let mut open: BTreeSet<EntryNo> = heads.iter().copied().collect();
    while let Some(no) = open.pop_last().filter(|no| *no >= lowest) {
        if targets.contains(&no) {
            reached.insert(no);
            if reached.len() == targets.len() {
                break;
            }
        }
        if let Some(node) = graph.node(group, no)? {
            open.extend(node.deps);
        }
    }
    Ok(reached)
}
