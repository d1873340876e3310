//! Keeps a copy of each group as an Automerge document in the database: for Automerge clients, and to check
//! the log against.
//!
//! A blocking thread makes the documents, one at a time, when a group is quiet. It loads each one again and
//! compares it with the log; the writer only stores it. A group gets a new document when it has doubled in
//! size, so that all of them together cost a small multiple of the last one. Sending, receiving and starting
//! do not depend on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer_engine::group::{EntryNo, GroupNo};
use tokio::sync::mpsc;

use super::input::{Input, InputSender};
use super::readers::Readers;
use crate::limits::{SNAPSHOT_ENTRIES_MAX, SNAPSHOT_GROWTH_MIN, SNAPSHOT_QUIET_MS, SNAPSHOT_WAIT_MS_MAX};
use crate::store::export::{self, ExportError};
use crate::store::{Reader, Snapshot};

#[derive(Clone, Default)]
struct Groups(Arc<Mutex<BTreeMap<GroupNo, Size>>>);

struct Size {
    /// The number of entries.
    entries: u64,
    /// The number of entries at which the group gets its next snapshot; [`NEVER`] while one is being made.
    due: u64,
}

const NEVER: u64 = u64::MAX;

/// The writer's side: is told of every commit, and reports the groups that are due.
pub(super) struct Growth {
    groups: Groups,
    /// Holds each group at most once.
    grown: mpsc::UnboundedSender<GroupNo>,
}

/// Makes the snapshots.
pub(super) struct Refresher {
    groups: Groups,
    grown: mpsc::UnboundedReceiver<GroupNo>,
    readers: Readers,
}

pub(super) fn channel(readers: Readers) -> (Growth, Refresher) {
    let (sender, grown) = mpsc::unbounded_channel();
    let groups = Groups::default();
    (Growth { groups: groups.clone(), grown: sender }, Refresher { groups, grown, readers })
}

impl Default for Size {
    fn default() -> Self {
        Self { entries: 0, due: SNAPSHOT_GROWTH_MIN }
    }
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupNo, Size>> {
        // A panic while the lock was held cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growth {
    /// The group holds entries up to `last`, and they are committed.
    pub fn stored(&self, group: GroupNo, last: EntryNo) {
        let mut groups = self.groups.lock();
        let size = groups.entry(group).or_default();
        size.entries = last.0;
        if last.0 >= size.due {
            size.due = NEVER;
            // An error means that this peer makes no snapshots, or is stopping.
            let _ = self.grown.send(group);
        }
    }
}

impl Refresher {
    /// First handles all groups that grew while no snapshots were made, then each group as it grows.
    pub async fn run(mut self, input: InputSender) {
        match self.readers.read(Reader::held_groups).await {
            Ok(groups) => {
                for group in groups.iter().filter(|group| group.entries >= SNAPSHOT_GROWTH_MIN) {
                    self.refresh(group.no, &input).await;
                }
            }
            Err(error) => tracing::warn!("cannot look for groups to save: {error}"),
        }
        while let Some(group) = self.grown.recv().await {
            self.quiet(group).await;
            self.refresh(group, &input).await;
        }
    }

    /// Waits until the group has stopped growing, up to a maximum time.
    async fn quiet(&self, group: GroupNo) {
        let entries = || self.groups.lock().get(&group).map(|size| size.entries);
        let mut before = entries();
        for _ in 0..SNAPSHOT_WAIT_MS_MAX / SNAPSHOT_QUIET_MS {
            tokio::time::sleep(Duration::from_millis(SNAPSHOT_QUIET_MS)).await;
            let now = entries();
            if now == before {
                return;
            }
            before = now;
        }
    }

    async fn refresh(&self, group: GroupNo, input: &InputSender) {
        let made = self.readers.read(move |reader| Ok(make(reader, group))).await;
        let due = match made {
            Ok(Ok(Made::NotDue { until })) => until,
            Ok(Ok(Made::New(snapshot))) => {
                let due = due_after(snapshot.entries);
                // An error means that the node is stopping: the snapshot is made after the next start.
                let _ = input.send(Input::Snapshot { group, snapshot });
                due
            }
            // Not tried again before the next start, since it would fail again.
            Ok(Err(error)) => {
                tracing::warn!(group = group.0, "no snapshot: {error}");
                NEVER
            }
            Err(error) => {
                tracing::debug!(group = group.0, "no snapshot: {error}");
                NEVER
            }
        };
        self.groups.lock().entry(group).or_default().due = due;
    }
}

enum Made {
    New(Snapshot),
    NotDue { until: u64 },
}

fn make(reader: &Reader, group: GroupNo) -> Result<Made, ExportError> {
    let groups = reader.held_groups()?;
    let Some(row) = groups.into_iter().find(|row| row.no == group) else {
        // The directory of the mesh gets no snapshot: people do not read it.
        return Ok(Made::NotDue { until: NEVER });
    };
    if row.entries > SNAPSHOT_ENTRIES_MAX {
        return Ok(Made::NotDue { until: NEVER });
    }
    let covered = reader.snapshot(group)?.map_or(0, |snapshot| snapshot.entries);
    let due = due_after(covered);
    if row.entries < due {
        return Ok(Made::NotDue { until: due });
    }
    // Limited, since more may arrive meanwhile.
    let changes = reader.changes(group).take(usize::try_from(row.entries).unwrap_or(usize::MAX));
    let document = export::automerge(&reader.genesis(group)?, changes)?;
    Ok(Made::New(Snapshot { entries: document.entries, bytes: document.bytes }))
}

/// The size at which a group whose snapshot holds `covered` entries gets its next one.
fn due_after(covered: u64) -> u64 {
    let due = covered.saturating_add(covered.max(SNAPSHOT_GROWTH_MIN));
    if due > SNAPSHOT_ENTRIES_MAX { NEVER } else { due }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_saved_when_it_has_doubled_and_never_above_the_limit() {
        assert_eq!([0, 999, 1_000, 1_001, 2_500].map(due_after), [1_000, 1_999, 2_000, 2_002, 5_000]);
        assert_eq!(due_after(SNAPSHOT_ENTRIES_MAX / 2), SNAPSHOT_ENTRIES_MAX);
        assert_eq!(due_after(SNAPSHOT_ENTRIES_MAX / 2 + 1), NEVER);
        assert_eq!(due_after(NEVER), NEVER);
    }

    #[test]
    fn growth_is_passed_on_once_until_the_snapshot_is_made() {
        let (sender, mut grown) = mpsc::unbounded_channel();
        let growth = Growth { groups: Groups::default(), grown: sender };
        let group = GroupNo(3);
        growth.stored(group, EntryNo(999));
        assert!(grown.try_recv().is_err(), "too small");
        growth.stored(group, EntryNo(1_000));
        growth.stored(group, EntryNo(1_001));
        assert_eq!(grown.try_recv(), Ok(group));
        assert!(grown.try_recv().is_err(), "told already");
        growth.groups.lock().entry(group).or_default().due = 2_000;
        growth.stored(group, EntryNo(1_999));
        assert!(grown.try_recv().is_err(), "not doubled");
        growth.stored(group, EntryNo(2_400));
        assert_eq!(grown.try_recv(), Ok(group));
    }
}
