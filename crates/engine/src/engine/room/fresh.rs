//! Entries written here that the sessions of their group have not queued yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::group::EntryNo;
use crate::limits::PUSH_EVERY_MS;
use crate::time::Now;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    entries: Vec<EntryNo>,
    /// Their bytes: mostly they are sent at once, to every link.
    bytes: BTreeMap<EntryNo, Arc<[u8]>>,
    /// Not before then: in a burst, several are pushed together.
    push_from_us: u64,
}

impl Fresh {
    pub fn written(&mut self, no: EntryNo, bytes: Arc<[u8]>) {
        self.entries.push(no);
        self.bytes.insert(no, bytes);
    }

    /// An older one that links may have been served without.
    pub fn repaired(&mut self, no: EntryNo) {
        self.entries.push(no);
    }

    pub fn bytes(&self, no: EntryNo) -> Option<Arc<[u8]>> {
        self.bytes.get(&no).cloned()
    }

    /// Somebody is answered at once: queued with the answer, they are sent once.
    pub fn push_now(&mut self) {
        self.push_from_us = 0;
    }

    pub fn due_us(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.push_from_us)
    }

    /// What is to be pushed now: none, where others have just gone.
    pub fn take(&mut self, now: Now) -> Vec<EntryNo> {
        if self.due_us().is_none_or(|due| due > now.ticks_us) {
            return Vec::new();
        }
        self.push_from_us = now.in_ms(PUSH_EVERY_MS);
        std::mem::take(&mut self.entries)
    }

    /// Every session was asked for what it sends.
    pub fn sent(&mut self) {
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }
}
