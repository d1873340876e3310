//! The actor under which this peer writes in a group, and its last entry.

use crate::group::{EntryNo, GroupNo};
use crate::id::{ActorId, PeerId};
use crate::store::Store;

use super::super::damage;

#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    actor: ActorId,
    last: Option<EntryNo>,
}

impl Writer {
    pub fn new(actor: ActorId) -> Self {
        Self { actor, last: None }
    }

    pub fn actor(&self) -> ActorId {
        self.actor
    }

    pub fn last(&self) -> Option<EntryNo> {
        self.last
    }

    pub fn wrote(&mut self, no: EntryNo) {
        debug_assert!(self.last.is_none_or(|last| last < no), "each entry is on top of the one before");
        self.last = Some(no);
    }

    /// The writer of an earlier run, if it is safe to continue: it was saved at the end of that run under the same
    /// stamp, and its actor has written nothing since. Otherwise `None`, which starts a new actor: the old one may
    /// have been used elsewhere.
    pub fn load<S: Store>(
        store: &S,
        group: GroupNo,
        stamp: &[u8; 32],
        peer: PeerId,
    ) -> Result<Option<Self>, S::Error> {
        let Some(value) = store.value(&key(group))? else { return Ok(None) };
        let Some((kept_stamp, rest)) = value.split_first_chunk::<32>() else { return Ok(None) };
        let Some((actor, last)) = rest.split_first_chunk::<40>() else { return Ok(None) };
        let Ok(last) = last.try_into().map(u64::from_le_bytes) else { return Ok(None) };
        let (actor, last) = (ActorId(*actor), EntryNo(last));
        let unchanged = match damage::node(store, group, last)? {
            Some(node) => node.actor == Some(actor) && store.last_of(group, &actor)? == (node.seq, last),
            None => false,
        };
        let same_place = kept_stamp == stamp && actor.author() == peer;
        Ok((unchanged && same_place).then_some(Self { actor, last: Some(last) }))
    }

    /// Saves the actor alone, so that a salvage of the database knows it even if it finds no entry of it.
    pub fn keep_actor<S: Store>(
        &self,
        store: &mut S,
        group: GroupNo,
        stamp: &[u8; 32],
    ) -> Result<(), S::Error> {
        store.set_value(&key(group), &[&stamp[..], self.actor.as_bytes()].concat())
    }

    /// Saves the actor and its last entry, so that the next run continues them.
    pub fn keep<S: Store>(&self, store: &mut S, group: GroupNo, stamp: &[u8; 32]) -> Result<(), S::Error> {
        let Some(last) = self.last else { return Ok(()) };
        let value = [&stamp[..], self.actor.as_bytes(), &last.0.to_le_bytes()].concat();
        store.set_value(&key(group), &value)
    }

    /// Deletes what was saved, so that no run continues it.
    pub fn give_up<S: Store>(store: &mut S, group: GroupNo) -> Result<(), S::Error> {
        store.set_value(&key(group), &[])
    }
}

fn key(group: GroupNo) -> String {
    format!("writer/{}", group.0)
}
