//! Processing the changes of one message: each is admitted, refused or held, and releases the orphans that waited for it.

use std::collections::BTreeMap;

use super::super::conduct::Misconduct;
use super::Room;
use super::pulling::Brought;
use crate::change::Verified;
use crate::group::{EntryNo, Verdict, admit};
use crate::id::ChangeHash;
use crate::store::Store;
use crate::sync::{LinkId, OrphanSpace};

/// The outcome for the changes of one message.
#[derive(Default)]
pub(in super::super) struct Intake {
    /// Links at fault, and for what.
    faults: BTreeMap<LinkId, Misconduct>,
    stored: Option<EntryNo>,
    stored_bytes: u64,
    again_bytes: u64,
    bytes: usize,
    /// Something new was stored or held.
    new: bool,
    /// Some of the changes were not requested by hash.
    unasked: bool,
}

impl Intake {
    /// The last entry, if any was stored.
    pub fn stored(&self) -> Option<EntryNo> {
        self.stored
    }

    /// Bytes of changes that were stored or held already.
    pub fn again_bytes(&self) -> u64 {
        self.again_bytes
    }

    /// Bytes of all changes of the message.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn take_faults(&mut self) -> BTreeMap<LinkId, Misconduct> {
        std::mem::take(&mut self.faults)
    }

    /// What the pull needs to know. `blank` says that the other side does not know the common heads.
    pub(super) fn brought(&self, blank: bool) -> Brought {
        Brought {
            stored: self.stored.is_some(),
            new: self.new,
            stored_bytes: self.stored_bytes,
            unasked: self.unasked,
            reset: blank && self.bytes == 0,
        }
    }

    fn blame(&mut self, link: LinkId, what: Misconduct) {
        self.faults.insert(link, what);
    }
}

/// Changes to judge, each with the link that brought it; `None` for one that a salvage of the database had set aside.
type Open = Vec<(Option<LinkId>, Verified)>;

impl Room {
    /// Processes the changes of one message, up to the first for which its sender is at fault.
    pub fn take_in<S: Store>(
        &mut self,
        store: &mut S,
        space: &mut OrphanSpace,
        link: LinkId,
        changes: Vec<Verified>,
    ) -> Result<Intake, S::Error> {
        let (entries, waiting) = (self.entries, self.orphans.len());
        let mut intake = Intake {
            bytes: changes.iter().map(|change| change.bytes().len()).sum(),
            unasked: self.pulling.are_unasked(link, &changes),
            ..Intake::default()
        };
        for change in changes {
            self.judge(store, space, vec![(Some(link), change)], &mut intake)?;
            if intake.faults.contains_key(&link) {
                break;
            }
        }
        if self.entries > entries {
            intake.stored = Some(EntryNo(self.entries));
            for session in self.sessions.values_mut() {
                session.refresh(store, self.no)?;
            }
        }
        intake.new = intake.stored.is_some() || self.orphans.len() > waiting;
        Ok(intake)
    }

    /// Admits, holds or refuses changes, then those that waited for them: orphans, and changes that a salvage had set
    /// aside.
    fn judge<S: Store>(
        &mut self,
        store: &mut S,
        space: &mut OrphanSpace,
        mut open: Open,
        intake: &mut Intake,
    ) -> Result<(), S::Error> {
        while let Some((link, change)) = open.pop() {
            if let Some(no) = self.repairs.repaired_by(&change) {
                store.repair(self.no, no, &change)?;
                self.repaired(no, change.hash());
                self.repairs.check_deps(store, self.no, &change)?;
                self.release(space, &change.hash(), &mut open);
                continue;
            }
            let (actor, hash, bytes) = (change.header().actor, change.hash(), change.bytes().len() as u64);
            match admit(store, self.no, change)? {
                Verdict::Known(_) => {
                    intake.again_bytes += if link.is_some() { bytes } else { 0 };
                    continue;
                }
                Verdict::Refused(change, reason) => {
                    if let Some(link) = link
                        && !self.refuse(store, space, link, change, reason, intake)?
                    {
                        continue;
                    }
                }
                Verdict::Waiting(change, missing) => {
                    // The store still holds what a salvage set aside.
                    let Some(link) = link else { continue };
                    self.hold(space, link, change, missing, intake);
                }
                Verdict::Admitted(admitted) => {
                    let no = store.append(self.no, &admitted)?;
                    self.advance(no, hash, admitted.deps());
                    intake.stored_bytes += bytes;
                    self.release(space, &hash, &mut open);
                    let kept_aside = store.released_by(self.no, &hash)?;
                    open.extend(kept_aside.into_iter().map(|change| (None, change)));
                }
            }
            self.notice_actor(store, actor)?;
        }
        Ok(())
    }

    /// Refuses a change and blames its link. Returns false if the cause is damage on the disk here: then the change
    /// is held until that is repaired.
    fn refuse<S: Store>(
        &mut self,
        store: &S,
        space: &mut OrphanSpace,
        link: LinkId,
        change: Verified,
        reason: &str,
        intake: &mut Intake,
    ) -> Result<bool, S::Error> {
        let unreadable = self.repairs.check_deps(store, self.no, &change)?;
        if !unreadable.is_empty() {
            if self.orphans.hold(space, link, change, unreadable).is_err() {
                intake.blame(link, Misconduct::Orphans);
            }
            return Ok(false);
        }
        tracing::warn!(link = link.0, group = %self.id, reason, "refused a change");
        intake.blame(link, Misconduct::Change);
        Ok(true)
    }

    /// Holds a change as an orphan until all of its dependencies are stored.
    fn hold(
        &mut self,
        space: &mut OrphanSpace,
        link: LinkId,
        change: Verified,
        missing: Vec<ChangeHash>,
        intake: &mut Intake,
    ) {
        let bytes = change.bytes().len() as u64;
        match self.orphans.hold(space, link, change, missing) {
            Ok(true) => {}
            Ok(false) => intake.again_bytes += bytes,
            Err(_) => intake.blame(link, Misconduct::Orphans),
        }
    }

    fn release(&mut self, space: &mut OrphanSpace, stored: &ChangeHash, open: &mut Open) {
        let released = self.orphans.released_by(space, stored);
        open.extend(released.into_iter().map(|(link, change)| (Some(link), change)));
    }
}
