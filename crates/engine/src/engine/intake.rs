//! What one message brought: each change through the last stage of the gate, with all that waited for it.

use std::collections::BTreeMap;

use super::Misconduct;
use super::author::writer_key;
use super::delivery::intact;
use super::room::Room;
use crate::change::{Unverified, Verified};
use crate::group::{EntryNo, Verdict, admit};
use crate::store::Store;
use crate::sync::{LinkId, OrphanSpace};

/// What came of the changes of one message.
#[derive(Default)]
pub(super) struct Intake {
    /// Links that brought what is not to be taken, and why.
    pub faults: BTreeMap<LinkId, Misconduct>,
    pub stored_bytes: u64,
    /// Of changes that were here, or waited here, already.
    pub again_bytes: u64,
}

/// Puts one verified change through the last stage of the gate, then all that waited for it: what came over other
/// links, and what the store kept aside when something beneath it was lost.
pub(super) fn take_in<S: Store>(
    store: &mut S,
    room: &mut Room,
    space: &mut OrphanSpace,
    link: LinkId,
    change: Verified,
    intake: &mut Intake,
) -> Result<(), S::Error> {
    let mut judged = vec![(Some(link), change)];
    while let Some((link, change)) = judged.pop() {
        let (actor, hash, bytes) = (change.header().actor, change.hash(), change.bytes().len() as u64);
        let whole = change.bytes().clone();
        if let Some(no) = room.damaged.get(&hash).copied() {
            store.repair(room.no, no, &change)?;
            room.mended(no, hash);
            note_damaged_deps(store, room, &change)?;
            let released = room.orphans.released_by(space, &hash);
            judged.extend(released.into_iter().map(|(link, change)| (Some(link), change)));
            continue;
        }
        match admit(store, room.no, change)? {
            Verdict::Known(_) => {
                intake.again_bytes += if link.is_some() { bytes } else { 0 };
                continue;
            }
            Verdict::Refused(reason) => {
                // Not where it is the disk here that is wrong: judged again when that is mended.
                let change = Unverified::decode(&whole).ok().and_then(|change| change.verify(room.id).ok());
                if let (Some(link), Some(change)) = (link, change)
                    && note_damaged_deps(store, room, &change)?
                {
                    let missing = room.damaged_of(&change);
                    if room.orphans.hold(space, link, change, missing).is_err() {
                        intake.faults.insert(link, Misconduct::Orphans);
                    }
                    continue;
                }
                if let Some(link) = link {
                    tracing::warn!(link = link.0, group = %room.id, reason, "refused a change");
                    intake.faults.insert(link, Misconduct::Change);
                }
            }
            Verdict::Waiting(change, missing) => {
                // What the store has kept aside stays there.
                let Some(link) = link else { continue };
                match room.orphans.hold(space, link, change, missing) {
                    Ok(true) => {}
                    Ok(false) => intake.again_bytes += bytes,
                    Err(_) => drop(intake.faults.insert(link, Misconduct::Orphans)),
                }
            }
            Verdict::Admitted(admitted) => {
                let no = store.append(room.no, &admitted)?;
                room.advance(no, hash, admitted.deps());
                intake.stored_bytes += bytes;
                let released = room.orphans.released_by(space, &hash);
                judged.extend(released.into_iter().map(|(link, change)| (Some(link), change)));
                judged.extend(store.released_by(room.no, &hash)?.into_iter().map(|change| (None, change)));
            }
        }
        // Somebody else writes with our actor: a copy of this peer. Never again with this one.
        if room.writer.is_some_and(|writer| writer.actor == actor) {
            room.writer = None;
            store.set_value(&writer_key(room.no), &[])?;
        }
    }
    Ok(())
}

/// Whether any of the change's dependencies is damaged. Those that are will be asked for.
fn note_damaged_deps<S: Store>(store: &S, room: &mut Room, change: &Verified) -> Result<bool, S::Error> {
    for hash in &change.header().deps {
        if let Some(no) = store.find(room.no, hash)?
            && no != EntryNo::GENESIS
            && intact(store, room.no, no)?.is_none()
        {
            room.note_damaged(no, *hash);
        }
    }
    Ok(!room.damaged_of(change).is_empty())
}
