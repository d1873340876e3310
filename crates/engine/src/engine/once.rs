//! Messages that a client named with a key of its own: a request that is repeated, since nobody knows what became of
//! it, writes nothing twice. Keys are remembered in the transaction that writes their messages.

use sha2::{Digest, Sha256};

use super::author::Answer;
use super::{CommandError, Draft, Engine, Outcome};
use crate::group::GroupNo;
use crate::id::{ChangeHash, GroupId};
use crate::store::{Sent, Store};
use crate::time::Now;

impl<S: Store> Engine<S> {
    /// Writes those whose key is new, and answers for the others what was written then.
    pub(super) fn write_once(&mut self, group: GroupNo, drafts: Vec<Draft>, now: Now) -> Answer<S::Error> {
        let Some(id) = self.rooms.get(&group).map(|room| room.id) else {
            return Ok(Err(CommandError::NotJoined));
        };
        let (mut ids, mut fresh) = (Vec::new(), Vec::new());
        let mut keys: Vec<Option<(String, [u8; 32])>> = Vec::new();
        for draft in drafts {
            let named = draft.key.as_ref().map(|key| (key.clone(), digest(id, &draft)));
            let known = match &named {
                Some((key, _)) => self.store.sent(key)?,
                None => None,
            };
            match (known, named) {
                (Some(sent), Some((_, digest))) if sent.digest == digest => ids.push(Some(sent.id)),
                (Some(_), Some((key, _))) => return Ok(Err(CommandError::KeyTaken { key })),
                (_, named) => {
                    if let Some((key, _)) = &named
                        && keys.iter().flatten().any(|(other, _)| other == key)
                    {
                        return Ok(Err(CommandError::KeyTaken { key: key.clone() }));
                    }
                    ids.push(None);
                    fresh.push(draft);
                    keys.push(named);
                }
            }
        }
        if fresh.is_empty() {
            return Ok(Ok(Outcome::Written(ids.into_iter().flatten().collect())));
        }
        let written = match self.write(group, fresh, now)? {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        for (id, named) in written.iter().zip(keys) {
            if let Some((key, digest)) = named {
                self.store.put_sent(&key, &Sent { digest, id: *id })?;
            }
        }
        let mut written = written.into_iter();
        let ids = ids.into_iter().filter_map(|known| known.or_else(|| written.next()));
        Ok(Ok(Outcome::Written(ids.collect::<Vec<ChangeHash>>())))
    }
}

/// Of everything that makes the message, each part with its length or a fixed one.
fn digest(group: GroupId, draft: &Draft) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(group.0);
    let at = draft.at.map(|at| at.millis().to_le_bytes());
    let parts = [
        draft.kind.as_deref().map(str::as_bytes),
        Some(draft.body.as_bytes()),
        draft.from.as_deref().map(str::as_bytes),
        draft.re.as_ref().map(|re| &re.0[..]),
        at.as_ref().map(|at| &at[..]),
    ];
    for part in parts {
        hash.update([u8::from(part.is_some())]);
        let bytes = part.unwrap_or_default();
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}
