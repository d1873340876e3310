//! Verified changes whose dependencies are not stored yet. In memory only; bounded per link and group, per link over all
//! groups, and over all links.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::LinkId;
use crate::change::Verified;
use crate::id::ChangeHash;
use crate::limits::{
    LINK_ORPHAN_BYTES_MAX, ORPHAN_BYTES_AROUND, ORPHAN_BYTES_MAX, ORPHANS_BYTES_MAX, ORPHANS_MAX,
};

#[derive(Debug)]
struct Orphan {
    change: Verified,
    missing: BTreeSet<ChangeHash>,
    /// The links that brought it; it counts against the share of each.
    links: BTreeSet<LinkId>,
}

#[derive(Debug, Default)]
struct Share {
    count: usize,
    bytes: usize,
}

/// The memory that the orphans of all groups take, by the links that brought them.
#[derive(Debug, Default)]
pub struct OrphanSpace {
    bytes: BTreeMap<LinkId, usize>,
    total: usize,
}

impl OrphanSpace {
    /// The link with the largest share, if all together exceed `ORPHANS_BYTES_MAX`: the engine closes it.
    pub fn overdrawn(&self) -> Option<LinkId> {
        let most = || self.bytes.iter().max_by_key(|(_, bytes)| **bytes).map(|(link, _)| *link);
        if self.total > ORPHANS_BYTES_MAX { most() } else { None }
    }

    fn has_room(&self, link: LinkId, bytes: usize) -> bool {
        self.bytes.get(&link).unwrap_or(&0) + bytes <= LINK_ORPHAN_BYTES_MAX
    }

    fn take(&mut self, link: LinkId, bytes: usize) {
        *self.bytes.entry(link).or_default() += bytes;
        self.total += bytes;
    }

    fn give_back(&mut self, link: LinkId, bytes: usize) {
        if let Some(taken) = self.bytes.get_mut(&link) {
            *taken -= bytes;
            self.total -= bytes;
            if *taken == 0 {
                self.bytes.remove(&link);
            }
        }
    }
}

/// Bytes that are counted for a change while it waits.
fn space_of(change: &Verified) -> usize {
    change.bytes().len() + ORPHAN_BYTES_AROUND
}

/// The orphans of one group.
#[derive(Debug, Default)]
pub struct Orphans {
    by_hash: HashMap<ChangeHash, Orphan>,
    /// Missing dependency → orphans that wait for it.
    waiting: BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
    shares: BTreeMap<LinkId, Share>,
}

/// The link that brought the change has reached a limit on orphans. Nothing was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many changes with unknown dependencies")]
pub struct OrphansFull;

impl Orphans {
    /// Number of orphans of the group.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether the group has no orphans.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Holds `change` until all of `missing` are stored. Returns whether this link brings it for the first time.
    pub fn hold(
        &mut self,
        space: &mut OrphanSpace,
        link: LinkId,
        change: Verified,
        missing: Vec<ChangeHash>,
    ) -> Result<bool, OrphansFull> {
        let hash = change.hash();
        if self.by_hash.get(&hash).is_some_and(|orphan| orphan.links.contains(&link)) {
            return Ok(false);
        }
        let (count, bytes) = self.shares.get(&link).map_or((0, 0), |share| (share.count, share.bytes));
        let full = count >= ORPHANS_MAX || bytes + change.bytes().len() > ORPHAN_BYTES_MAX;
        if full || !space.has_room(link, space_of(&change)) {
            return Err(OrphansFull);
        }
        space.take(link, space_of(&change));
        let share = self.shares.entry(link).or_default();
        share.count += 1;
        share.bytes += change.bytes().len();
        for dep in &missing {
            self.waiting.entry(*dep).or_default().insert(hash);
        }
        let missing = missing.into_iter().collect();
        let orphan = self.by_hash.entry(hash).or_insert(Orphan { change, missing, links: BTreeSet::new() });
        orphan.links.insert(link);
        Ok(true)
    }

    /// Call when `stored` is in the log: takes out the orphans that waited for nothing else, each with a link that
    /// brought it, to be judged again.
    pub fn released_by(&mut self, space: &mut OrphanSpace, stored: &ChangeHash) -> Vec<(LinkId, Verified)> {
        let mut released = Vec::new();
        for hash in self.waiting.remove(stored).unwrap_or_default() {
            let Some(orphan) = self.by_hash.get_mut(&hash) else { continue };
            orphan.missing.remove(stored);
            if orphan.missing.is_empty()
                && let Some(orphan) = self.remove(space, &hash)
                && let Some(&link) = orphan.links.first()
            {
                released.push((link, orphan.change));
            }
        }
        // The stored change may itself be an orphan here, if another path delivered it meanwhile.
        self.remove(space, stored);
        released
    }

    /// Hashes to ask a link for that announced these heads, none of which are stored: the heads that are no orphans,
    /// and what is missing beneath those that are and beneath all that the link brought. Ascending.
    pub fn needs(&self, link: LinkId, heads: &[ChangeHash]) -> Vec<ChangeHash> {
        let brought = self.by_hash.iter().filter(|(_, orphan)| orphan.links.contains(&link));
        let mut open: Vec<ChangeHash> = brought.map(|(hash, _)| *hash).chain(heads.iter().copied()).collect();
        let mut seen: BTreeSet<ChangeHash> = open.iter().copied().collect();
        let mut needs = Vec::new();
        while let Some(hash) = open.pop() {
            match self.by_hash.get(&hash) {
                Some(orphan) => open.extend(orphan.missing.iter().filter(|dep| seen.insert(**dep))),
                None => needs.push(hash),
            }
        }
        needs.sort_unstable();
        needs
    }

    /// Whether any of these heads is an orphan, or the link brought any orphan of the group.
    pub fn any_of(&self, link: LinkId, heads: &[ChangeHash]) -> bool {
        self.shares.contains_key(&link) || heads.iter().any(|hash| self.by_hash.contains_key(hash))
    }

    /// Call when the link is gone: drops what only this link brought. The valid part comes again with the next link.
    pub fn forget_link(&mut self, space: &mut OrphanSpace, link: LinkId) {
        if self.shares.remove(&link).is_none() {
            return;
        }
        let mut alone = Vec::new();
        for (hash, orphan) in &mut self.by_hash {
            if orphan.links.remove(&link) {
                space.give_back(link, space_of(&orphan.change));
            }
            if orphan.links.is_empty() {
                alone.push(*hash);
            }
        }
        for hash in alone {
            self.remove(space, &hash);
        }
    }

    fn remove(&mut self, space: &mut OrphanSpace, hash: &ChangeHash) -> Option<Orphan> {
        let orphan = self.by_hash.remove(hash)?;
        for dep in &orphan.missing {
            if let Some(waiting) = self.waiting.get_mut(dep) {
                waiting.remove(hash);
                if waiting.is_empty() {
                    self.waiting.remove(dep);
                }
            }
        }
        for link in &orphan.links {
            space.give_back(*link, space_of(&orphan.change));
            if let Some(share) = self.shares.get_mut(link) {
                share.count -= 1;
                share.bytes -= orphan.change.bytes().len();
                if share.count == 0 {
                    self.shares.remove(link);
                }
            }
        }
        Some(orphan)
    }
}
