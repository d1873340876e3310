//! Entries to push: written here, and not yet queued by the sessions of their group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::group::EntryNo;
use crate::limits::PUSH_EVERY_MS;
use crate::time::Now;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    entries: Vec<EntryNo>,
    /// Their bytes, which are mostly sent at once and to every link.
    bytes: BTreeMap<EntryNo, Arc<[u8]>>,
    /// No push before this tick, so that the entries of a burst are pushed together.
    push_from_us: u64,
}

impl Fresh {
    pub fn written(&mut self, no: EntryNo, bytes: Arc<[u8]>) {
        self.entries.push(no);
        self.bytes.insert(no, bytes);
    }

    /// Adds an older entry that was damaged, which links may have been served without.
    pub fn repaired(&mut self, no: EntryNo) {
        self.entries.push(no);
    }

    pub fn bytes(&self, no: EntryNo) -> Option<Arc<[u8]>> {
        self.bytes.get(&no).cloned()
    }

    /// Lifts the wait before the next push: a link is answered now, and the entries go with the answer.
    pub fn push_now(&mut self) {
        self.push_from_us = 0;
    }

    pub fn due_us(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.push_from_us)
    }

    /// Takes the entries to push; none within `PUSH_EVERY_MS` of the last push.
    pub fn take(&mut self, now: Now) -> Vec<EntryNo> {
        if self.due_us().is_none_or(|due| due > now.ticks_us) {
            return Vec::new();
        }
        self.push_from_us = now.in_ms(PUSH_EVERY_MS);
        std::mem::take(&mut self.entries)
    }

    /// All sessions have sent what they could: drops the bytes once all entries are queued.
    pub fn sent(&mut self) {
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }
}
