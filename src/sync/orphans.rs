//! Verified changes whose dependencies are not stored yet. In memory only, bounded per link, never persisted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::LinkId;
use crate::change::Verified;
use crate::id::ChangeHash;
use crate::limits::{ORPHAN_BYTES_MAX, ORPHANS_MAX};

#[derive(Debug)]
struct Orphan {
    change: Verified,
    missing: BTreeSet<ChangeHash>,
    /// Counts against this link's share.
    link: LinkId,
}

#[derive(Debug, Default)]
struct Share {
    count: usize,
    bytes: usize,
}

/// The orphans of one group.
#[derive(Debug, Default)]
pub struct Orphans {
    by_hash: HashMap<ChangeHash, Orphan>,
    /// Missing dependency → orphans that wait for it.
    waiting: BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
    shares: BTreeMap<LinkId, Share>,
}

/// A link has more changes waiting than it has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many changes with unknown dependencies")]
pub struct OrphansFull;

impl Orphans {
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// Holds `change` until all of `missing` are stored. On [`OrphansFull`] nothing changed.
    pub fn hold(
        &mut self,
        link: LinkId,
        change: Verified,
        missing: Vec<ChangeHash>,
    ) -> Result<(), OrphansFull> {
        let hash = change.hash();
        if self.by_hash.contains_key(&hash) {
            return Ok(());
        }
        let share = self.shares.entry(link).or_default();
        if share.count >= ORPHANS_MAX || share.bytes + change.bytes().len() > ORPHAN_BYTES_MAX {
            return Err(OrphansFull);
        }
        share.count += 1;
        share.bytes += change.bytes().len();
        for dep in &missing {
            self.waiting.entry(*dep).or_default().insert(hash);
        }
        self.by_hash.insert(hash, Orphan { change, missing: missing.into_iter().collect(), link });
        Ok(())
    }

    /// `stored` is in the log now: the orphans that waited for nothing else, to be judged again.
    pub fn released_by(&mut self, stored: &ChangeHash) -> Vec<Verified> {
        let mut released = Vec::new();
        for hash in self.waiting.remove(stored).unwrap_or_default() {
            let Some(orphan) = self.by_hash.get_mut(&hash) else { continue };
            orphan.missing.remove(stored);
            if orphan.missing.is_empty() {
                released.extend(self.remove(&hash));
            }
        }
        // It may have come by another way while it waited here.
        if let Some(duplicate) = self.remove(stored) {
            drop(duplicate);
        }
        released
    }

    /// Dependencies that are neither stored nor waiting here themselves, ascending.
    pub fn missing(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.waiting.keys().filter(|hash| !self.by_hash.contains_key(hash)).copied()
    }

    /// Whether this link brought something that waits.
    pub fn any_from(&self, link: LinkId) -> bool {
        self.shares.contains_key(&link)
    }

    /// Drops what this link brought: whatever is valid of it comes again with the next link.
    pub fn forget_link(&mut self, link: LinkId) {
        let of_link: Vec<ChangeHash> =
            self.by_hash.iter().filter(|(_, orphan)| orphan.link == link).map(|(hash, _)| *hash).collect();
        for hash in of_link {
            self.remove(&hash);
        }
    }

    fn remove(&mut self, hash: &ChangeHash) -> Option<Verified> {
        let orphan = self.by_hash.remove(hash)?;
        for dep in &orphan.missing {
            if let Some(waiting) = self.waiting.get_mut(dep) {
                waiting.remove(hash);
                if waiting.is_empty() {
                    self.waiting.remove(dep);
                }
            }
        }
        if let Some(share) = self.shares.get_mut(&orphan.link) {
            share.count -= 1;
            share.bytes -= orphan.change.bytes().len();
            if share.count == 0 {
                self.shares.remove(&orphan.link);
            }
        }
        Some(orphan.change)
    }
}
