//! Computes which entries to send to a peer, given the description of what it has.

use std::collections::BTreeSet;

use super::Heads;
use crate::group::{ChangeGraph, EntryNo, GroupNo, missing_from};
use crate::id::ChangeHash;
use crate::wire::bloom::Bloom;
use crate::wire::sync_message::Have;

/// An answer to a pull.
#[derive(Debug)]
pub struct Owed {
    /// Entries to send.
    pub entries: BTreeSet<EntryNo>,
    /// Entries that were visited to compute that, for charging repeated requests.
    pub visited: Vec<EntryNo>,
}

/// Computes what to send to a peer with the heads `theirs` that pulls with `have`, beside what it asks for by hash.
///
/// If all of its heads are known here, that is exactly what is not in their past. Otherwise the past of its known
/// heads and of `last_sync` is left out, then what its Bloom filter contains, except on top of something that is
/// sent. `None` if nothing can be computed: there is no filter, or `last_sync` is unknown here. Then it is sent what
/// it asks for by hash, and asks again.
pub fn owed<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    ours: &[EntryNo],
    theirs: &Heads,
    have: &[Have],
) -> Result<Option<Owed>, G::Error> {
    if theirs.unknown.is_empty() {
        let visited = missing_from(graph, group, ours, &theirs.known)?;
        return Ok(Some(Owed { entries: visited.iter().copied().collect(), visited }));
    }
    let Some(base) = base(graph, group, theirs, have)? else { return Ok(None) };
    let mut send: BTreeSet<EntryNo> = BTreeSet::new();
    let visited = missing_from(graph, group, ours, &base)?;
    for &no in &visited {
        let Some(node) = graph.node(group, no)? else { continue };
        let claimed = have.iter().any(|have| have.bloom.contains(&node.hash));
        if !claimed || node.deps.iter().any(|dep| send.contains(dep)) {
            send.insert(no);
        }
    }
    Ok(Some(Owed { entries: send, visited }))
}

/// What the peer certainly has when it pulls by Bloom filter; `None` if nothing can be computed.
fn base<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    theirs: &Heads,
    have: &[Have],
) -> Result<Option<Vec<EntryNo>>, G::Error> {
    if have.is_empty() {
        return Ok(None);
    }
    let mut base = theirs.known.clone();
    for hash in have.iter().flat_map(|have| &have.last_sync) {
        match graph.find(group, hash)? {
            Some(no) => base.push(no),
            None => return Ok(None),
        }
    }
    Ok(Some(base))
}

/// A Bloom filter of all entries here that are neither in `since` nor in its past.
pub fn bloom_since<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    ours: &[EntryNo],
    since: &[EntryNo],
) -> Result<Bloom, G::Error> {
    let mut hashes: Vec<ChangeHash> = Vec::new();
    for no in missing_from(graph, group, ours, since)? {
        hashes.extend(graph.node(group, no)?.map(|node| node.hash));
    }
    Ok(Bloom::from_hashes(hashes))
}
