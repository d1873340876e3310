//! Previews of groups that are still catching up: the newest entries, sent by peers. In memory only.

use std::collections::BTreeMap;
use std::sync::Arc;

use peer_engine::change::Verified;
use peer_engine::group::GroupNo;
use peer_engine::id::PeerId;
use peer_engine::limits::PREVIEWS_MAX;

#[derive(Clone, Default)]
pub struct Previews {
    previews: BTreeMap<GroupNo, Preview>,
    /// The number of the last change of each group's preview, counted over all groups.
    changed: BTreeMap<GroupNo, u64>,
    changes: u64,
}

#[derive(Clone)]
pub(super) struct Preview {
    pub from: PeerId,
    pub changes: Arc<[Verified]>,
}

impl Previews {
    /// Replaces the preview of the group; when there are too many, the oldest one is dropped.
    pub(super) fn show(&mut self, group: GroupNo, from: PeerId, changes: Vec<Verified>) {
        self.note(group);
        self.previews.insert(group, Preview { from, changes: changes.into() });
        if self.previews.len() > PREVIEWS_MAX
            && let Some(oldest) = self.previews.keys().min_by_key(|group| self.changed.get(group)).copied()
        {
            self.end(oldest);
        }
    }

    pub(super) fn end(&mut self, group: GroupNo) {
        if self.previews.remove(&group).is_some() {
            self.note(group);
        }
    }

    pub(super) fn end_all(&mut self) {
        let groups: Vec<GroupNo> = self.previews.keys().copied().collect();
        groups.into_iter().for_each(|group| self.end(group));
    }

    pub(super) fn of(&self, group: GroupNo) -> Option<Preview> {
        self.previews.get(&group).cloned()
    }

    /// How often a preview has changed or ended.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The groups whose preview changed after change number `changes`, and the number of the last change that
    /// this covers. With `None`, the groups that have a preview. Without `with_ends`, stops before the first
    /// preview that has ended.
    pub fn changed_after(&self, changes: Option<u64>, with_ends: bool) -> (Vec<GroupNo>, u64) {
        let Some(changes) = changes else { return (self.previews.keys().copied().collect(), self.changes) };
        let later = self.changed.iter().filter(|(_, last)| **last > changes);
        let mut changed: Vec<(u64, GroupNo)> = later.map(|(group, last)| (*last, *group)).collect();
        changed.sort_unstable();
        let end = |(_, group): &(u64, GroupNo)| !self.previews.contains_key(group);
        let told = changed.iter().position(|change| !with_ends && end(change)).unwrap_or(changed.len());
        let until = changed.get(told).map_or(self.changes, |(next, _)| next - 1);
        (changed[..told].iter().map(|(_, group)| *group).collect(), until)
    }

    fn note(&mut self, group: GroupNo) {
        self.changes += 1;
        self.changed.insert(group, self.changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: PeerId = PeerId([1; 32]);

    fn group(number: usize) -> GroupNo {
        GroupNo(number as u32)
    }

    #[test]
    fn of_too_many_groups_the_oldest_preview_gives_way() {
        let mut previews = Previews::default();
        for number in 0..PREVIEWS_MAX {
            previews.show(group(number), FROM, Vec::new());
        }
        // The preview was replaced, so it is not the oldest any more.
        previews.show(group(0), FROM, Vec::new());
        let (_, before) = previews.changed_after(None, true);
        previews.show(group(PREVIEWS_MAX), FROM, Vec::new());
        assert!(previews.of(group(0)).is_some() && previews.of(group(1)).is_none());
        let mut changed = previews.changed_after(Some(before), true).0;
        changed.sort_unstable();
        assert_eq!(changed, [group(1), group(PREVIEWS_MAX)]);
    }

    #[test]
    fn what_came_and_went_is_told_and_who_begins_is_told_what_is_there() {
        let mut previews = Previews::default();
        let (_, start) = previews.changed_after(None, true);
        previews.show(group(1), FROM, Vec::new());
        previews.show(group(2), FROM, Vec::new());
        previews.end(group(1));
        previews.end(group(3));
        let (changed, now) = previews.changed_after(Some(start), true);
        assert_eq!(changed, [group(2), group(1)]);
        assert_eq!(previews.changed_after(Some(start), false), (vec![group(2)], now - 1), "an end waits");
        assert_eq!(previews.changed_after(Some(now - 1), false), (vec![], now - 1));
        assert_eq!(previews.changed_after(Some(now - 1), true), (vec![group(1)], now));
        assert_eq!(previews.changed_after(None, true), (vec![group(2)], now));
        assert_eq!(previews.changed_after(Some(now), true), (vec![], now));
        previews.end_all();
        assert_eq!(previews.changed_after(Some(now), true).0, [group(2)]);
        assert!(previews.of(group(2)).is_none());
    }
}
