//! What one side owes the other, given what the other says it has.

use std::collections::BTreeSet;

use super::Heads;
use crate::group::{ChangeGraph, EntryNo, GroupNo, missing_from};
use crate::id::ChangeHash;
use crate::wire::bloom::Bloom;
use crate::wire::sync_message::Have;

/// Entries to send to a peer with these heads that pulls with `have` and `need`, oldest first.
///
/// Where all of its heads are known, that is exactly what is not in their past. Otherwise the past of
/// what is known of its heads and of `last_sync` is left out, then what its Bloom filter claims, except on
/// top of something that is sent. What it needs by name is sent in any case. A `last_sync` that is unknown
/// here says nothing about what the peer has, so only its needs are served: it asks again without.
pub fn owed<G: ChangeGraph>(
    graph: &G,
    group: GroupNo,
    ours: &[EntryNo],
    theirs: &Heads,
    have: &[Have],
    need: &[EntryNo],
) -> Result<Vec<EntryNo>, G::Error> {
    if theirs.unknown.is_empty() {
        return missing_from(graph, group, ours, &theirs.known);
    }
    let mut send: BTreeSet<EntryNo> = need.iter().copied().collect();
    if let Some(base) = base(graph, group, theirs, have)? {
        for no in missing_from(graph, group, ours, &base)? {
            let Some(node) = graph.node(group, no)? else { continue };
            let claimed = have.iter().any(|have| have.bloom.contains(&node.hash));
            if !claimed || node.deps.iter().any(|dep| send.contains(dep)) {
                send.insert(no);
            }
        }
    }
    Ok(send.into_iter().collect())
}

/// What the peer is known to have when it pulls by Bloom filter; `None` when nothing can be told.
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

/// A Bloom filter of all entries that are not in the past of `since`.
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
