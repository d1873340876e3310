//! What one message brought: each change through the last stage of the gate, with all that waited for it.

use std::collections::BTreeMap;

use super::super::conduct::Misconduct;
use super::Room;
use super::pulling::Brought;
use crate::change::Verified;
use crate::group::{EntryNo, Verdict, admit};
use crate::id::ChangeHash;
use crate::store::Store;
use crate::sync::{LinkId, OrphanSpace};

/// What came of the changes of one message.
#[derive(Default)]
pub(in super::super) struct Intake {
    /// Links that brought what is not to be taken, and why.
    faults: BTreeMap<LinkId, Misconduct>,
    stored: Option<EntryNo>,
    stored_bytes: u64,
    again_bytes: u64,
    bytes: usize,
    /// Something new was stored or waits.
    new: bool,
    /// Some of it was not asked for by name.
    unasked: bool,
}

impl Intake {
    /// The last entry, if any was stored.
    pub fn stored(&self) -> Option<EntryNo> {
        self.stored
    }

    /// Of changes that were here, or waited here, already.
    pub fn again_bytes(&self) -> u64 {
        self.again_bytes
    }

    /// Of all changes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn take_faults(&mut self) -> BTreeMap<LinkId, Misconduct> {
        std::mem::take(&mut self.faults)
    }

    /// `blank`: the message says that the common heads are unknown there.
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

/// A change, and the link that brought it; `None` for what the store had kept aside.
type Open = Vec<(Option<LinkId>, Verified)>;

impl Room {
    /// Takes in the changes of one message, up to the first that is the sender's fault.
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

    /// Puts changes through the last stage of the gate, then all that waited for them: what came over other links, and
    /// what the store kept aside when something beneath it was lost.
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
                    // What the store has kept aside stays there.
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

    /// False where it is the disk here that is wrong: then the change is judged again when that is repaired.
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

    /// Keeps a change until all is stored that it depends on.
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
