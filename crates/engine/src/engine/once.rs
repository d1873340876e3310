//! Idempotency keys: a client that does not know what became of a request repeats it under the same key, and nothing is
//! written twice. A key is stored in the transaction that writes its message.

use sha2::{Digest, Sha256};

use super::event::{Answer, CommandError, Draft, Refusal};
use crate::id::{ChangeHash, GroupId};
use crate::store::{Sent, Store};

/// One request, split into drafts to write and drafts that were written before.
#[derive(Default)]
pub(super) struct Once {
    /// In the order of the request: the entry that was written before, or `None` for a draft to write.
    ids: Vec<Option<ChangeHash>>,
    fresh: Vec<Draft>,
    /// For each draft to write: its key and digest, if it has a key.
    keys: Vec<Option<(String, [u8; 32])>>,
}

impl Once {
    pub fn new<S: Store>(store: &S, group: GroupId, drafts: Vec<Draft>) -> Answer<Self, S::Error> {
        let mut once = Self::default();
        for draft in drafts {
            let named = draft.key.as_ref().map(|key| (key.clone(), digest(group, &draft)));
            let known = match &named {
                Some((key, _)) => store.sent(key)?,
                None => None,
            };
            let in_request = |key: &String| once.keys.iter().flatten().any(|(other, _)| other == key);
            match (known, named) {
                (Some(sent), Some((_, digest))) if sent.digest == digest => once.ids.push(Some(sent.id)),
                (known, Some((key, _))) if known.is_some() || in_request(&key) => {
                    return Err(CommandError::refused(Refusal::KeyTaken { key }));
                }
                (_, named) => {
                    once.ids.push(None);
                    once.fresh.push(draft);
                    once.keys.push(named);
                }
            }
        }
        Ok(once)
    }

    pub fn take_fresh(&mut self) -> Vec<Draft> {
        std::mem::take(&mut self.fresh)
    }

    /// Stores the keys of what was written, and returns the ids of the whole request.
    pub fn written<S: Store>(
        self,
        store: &mut S,
        written: Vec<ChangeHash>,
    ) -> Result<Vec<ChangeHash>, S::Error> {
        debug_assert_eq!(written.len(), self.keys.len(), "all are written or none");
        for (id, named) in written.iter().zip(self.keys) {
            if let Some((key, digest)) = named {
                store.put_sent(&key, &Sent { digest, id: *id })?;
            }
        }
        let mut written = written.into_iter();
        Ok(self.ids.into_iter().filter_map(|known| known.or_else(|| written.next())).collect())
    }
}

/// Hash of everything that makes the message, each part with its length.
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
