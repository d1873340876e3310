//! The first two stages of the gate (decode and verify), run on all cores and shared fairly among the links:
//! each link has few messages in progress, and cores take their parts in the order in which they became
//! ready.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use peer_engine::change::{Unverified, Verified};
use peer_engine::id::GroupId;
use tokio::sync::Semaphore;

use crate::limits::VERIFIED_IN_ONE_GO_MAX;

/// Messages with at most this many changes are verified in the link's own task.
const ALONE_MAX: usize = 32;

/// Clones share the same permits.
#[derive(Clone)]
pub(super) struct Gate {
    cores: usize,
    /// One permit for each core, granted in the order of the requests.
    places: Arc<Semaphore>,
}

impl Gate {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores, places: Arc::new(Semaphore::new(cores)) }
    }

    /// How many messages of one link are checked at a time: one on each core, and one that is ready when a
    /// core gets free.
    pub fn at_once(&self) -> usize {
        self.cores + 1
    }

    /// Decodes and verifies the changes of one message. `None` if any of them fails.
    pub async fn verify(&self, group: GroupId, changes: Vec<Arc<[u8]>>) -> Option<Vec<Verified>> {
        if changes.len() <= ALONE_MAX {
            return verify_some(group, &changes);
        }
        let mut parts = Vec::with_capacity(changes.len().div_ceil(VERIFIED_IN_ONE_GO_MAX));
        let mut rest = changes.into_iter();
        while rest.len() > 0 {
            parts.push(rest.by_ref().take(VERIFIED_IN_ONE_GO_MAX).collect::<Vec<_>>());
        }
        let verified = stream::iter(parts).map(|part| self.verify_part(group, part)).buffered(self.cores);
        let verified: Option<Vec<Vec<Verified>>> =
            verified.map(|part| part.ok_or(())).try_collect().await.ok();
        verified.map(|parts| parts.into_iter().flatten().collect())
    }

    async fn verify_part(&self, group: GroupId, part: Vec<Arc<[u8]>>) -> Option<Vec<Verified>> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let verifying = tokio::task::spawn_blocking(move || {
            let verified = verify_some(group, &part);
            drop(place);
            verified
        });
        verifying.await.ok()?
    }
}

fn verify_some(group: GroupId, changes: &[Arc<[u8]>]) -> Option<Vec<Verified>> {
    let changes: Option<Vec<_>> = changes.iter().map(|bytes| Unverified::decode(bytes).ok()).collect();
    let changes = changes?;
    let mut seed = [0; 32];
    // A batch is verified faster than single changes, but needs random numbers.
    if changes.len() == 1 || getrandom::fill(&mut seed).is_err() {
        return changes.into_iter().map(|change| change.verify(group).ok()).collect();
    }
    Unverified::verify_all(changes, group, seed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer_engine::change::{Body, Change, Content, Genesis, Header};
    use peer_engine::id::{ActorId, MeshId};
    use peer_engine::identity::Identity;
    use peer_engine::time::Timestamp;

    fn changes(count: u64) -> (GroupId, Vec<Arc<[u8]>>) {
        let group = Genesis::public(MeshId([1; 16]), "rust".parse().unwrap()).id();
        let author = Identity::from_seed(&[1; 32]);
        let mut deps = vec![group.genesis()];
        let mut changes = Vec::new();
        for number in 0..count {
            let actor = ActorId::new(author.peer(), [0; 8]);
            let header = Header { deps, actor, seq: number + 1, start_op: 5 + 3 * number };
            let body = Body::Text(format!("{number}"));
            let content = Content { at: Timestamp::MIN, kind: None, body, re: None, from: None };
            let change = Change::sign(group, header, content, &author).unwrap();
            deps = vec![change.hash()];
            changes.push(change.bytes().clone());
        }
        (group, changes)
    }

    #[tokio::test]
    async fn all_come_out_in_their_order_or_none_does() {
        let gate = Gate::new();
        for count in [0, 1, ALONE_MAX, ALONE_MAX + 1, 5 * VERIFIED_IN_ONE_GO_MAX + 3] {
            let (group, changes) = changes(count as u64);
            let verified = gate.verify(group, changes.clone()).await.unwrap();
            let verified: Vec<Arc<[u8]>> = verified.iter().map(|change| change.bytes().clone()).collect();
            assert!(verified == changes, "{count}");
            for bad in [0, count / 2, count.saturating_sub(1)].into_iter().filter(|bad| *bad < count) {
                let mut changes = changes.clone();
                *Arc::make_mut(&mut changes[bad]).last_mut().unwrap() ^= 1;
                assert!(gate.verify(group, changes).await.is_none(), "{bad} of {count}");
            }
        }
    }
}
