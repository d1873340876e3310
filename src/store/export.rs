//! Exports a group as one Automerge document that any Automerge reader opens. The document is loaded again
//! and compared with the log before it is handed out; the log itself is never changed.

use std::collections::{HashMap, HashSet};

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Automerge, AutomergeError, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use peer_engine::change::{Body, Change};
use peer_engine::id::ChangeHash;
use sha2::{Digest, Sha256};

use super::StoreError;

/// Bytes of changes passed to Automerge at once. With all at once it takes 6 kB of memory for an entry, with
/// these 3 kB.
const PART_BYTES: usize = 256 * 1024;

/// A group, saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub bytes: Vec<u8>,
    pub entries: u64,
    /// An author equivocated, which Automerge cannot represent: the document has the entries of the log in
    /// display order, but rewritten without their signatures. Each then also holds its `id` and `author`, and
    /// the document says `reauthored`.
    pub reauthored: bool,
}

/// The export failed. No state changes.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Automerge cannot hold the group: {0}")]
    Automerge(#[from] AutomergeError),
    #[error("the document differs from the log: {0}")]
    Disagrees(&'static str),
}

/// Saves a group, given the bytes of its genesis, and all its changes in a causal order.
pub fn automerge(
    genesis: &[u8],
    changes: impl IntoIterator<Item = Result<Change, StoreError>>,
) -> Result<Document, ExportError> {
    let begun = Automerge::load(genesis)?;
    let mut log = Log { heads: heads(&begun), ..Log::default() };
    // Not used once an author has equivocated.
    let mut doc = Some(begun);
    let mut part = Vec::new();
    for change in changes {
        let change = change?;
        let (hash, encoded) = change.encode_hashed();
        log.push(hash, change);
        if log.forked {
            doc = None;
        }
        let Some(doc) = &mut doc else { continue };
        part.extend_from_slice(&encoded);
        if part.len() >= PART_BYTES {
            doc.load_incremental(&part)?;
            part.clear();
        }
    }
    let entries = log.changes.len() as u64;
    let reauthored = log.forked;
    let bytes = match doc {
        Some(mut doc) => {
            doc.load_incremental(&part)?;
            save(doc, &log)?
        }
        None => reauthor(genesis, log)?,
    };
    Ok(Document { bytes, entries, reauthored })
}

#[derive(Default)]
struct Log {
    changes: Vec<(i64, ChangeHash, Change)>,
    eff: HashMap<ChangeHash, i64>,
    written: HashSet<(peer_engine::id::ActorId, u64)>,
    /// The changes that no other depends on.
    heads: HashSet<ChangeHash>,
    forked: bool,
}

impl Log {
    fn push(&mut self, hash: ChangeHash, change: Change) {
        // A hash that is not in the map is the genesis, whose effective time is 0.
        let above = change.header.deps.iter().map(|dep| self.eff.get(dep).map_or(1, |eff| eff + 1));
        let eff = above.fold(change.content.at.millis(), i64::max);
        self.eff.insert(hash, eff);
        for dep in &change.header.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(hash);
        self.forked |= !self.written.insert((change.header.actor, change.header.seq));
        self.changes.push((eff, hash, change));
    }
}

fn save(doc: Automerge, log: &Log) -> Result<Vec<u8>, ExportError> {
    let saved = doc.save();
    drop(doc);
    let reloaded = Automerge::load(&saved)?;
    if reloaded.length(messages(&reloaded)?) != log.changes.len() {
        return Err(ExportError::Disagrees("the number of entries differs"));
    }
    // Each change names its dependencies by hash, so comparing the heads compares all; listing the changes
    // would take as much memory as the document.
    if heads(&reloaded) != log.heads {
        return Err(ExportError::Disagrees("its heads are not those of the log"));
    }
    Ok(saved)
}

fn reauthor(genesis: &[u8], mut log: Log) -> Result<Vec<u8>, ExportError> {
    log.changes.sort_unstable_by_key(|(eff, hash, _)| (*eff, *hash));
    let mut doc = AutoCommit::load(genesis)?;
    doc.set_actor(actor_of(&log));
    doc.put(ROOT, "reauthored", true)?;
    let list = messages(&doc)?;
    for (_, hash, change) in &log.changes {
        write_entry(&mut doc, &list, hash, change)?;
    }
    doc.commit_with(automerge::transaction::CommitOptions::default().with_time(0));
    let saved = doc.save();

    let reloaded = Automerge::load(&saved)?;
    let list = messages(&reloaded)?;
    if reloaded.length(&list) != log.changes.len() {
        return Err(ExportError::Disagrees("the number of entries differs"));
    }
    for (index, (_, hash, _)) in log.changes.iter().rev().enumerate() {
        let id = match reloaded.get(&list, index)? {
            Some((_, entry)) => reloaded.get(entry, "id")?,
            None => None,
        };
        if id.as_ref().and_then(|(value, _)| value.as_bytes()) != Some(hash.as_bytes()) {
            return Err(ExportError::Disagrees("an entry is out of place"));
        }
    }
    Ok(saved)
}

/// Other entries are written under another actor, so that two such documents never claim the same operations.
fn actor_of(log: &Log) -> ActorId {
    let mut digest = Sha256::new();
    for (_, hash, _) in &log.changes {
        digest.update(hash.as_bytes());
    }
    let digest: [u8; 32] = digest.finalize().into();
    ActorId::from(digest)
}

fn write_entry(
    doc: &mut AutoCommit,
    list: &ObjId,
    hash: &ChangeHash,
    change: &Change,
) -> Result<(), AutomergeError> {
    let content = &change.content;
    let entry = doc.insert_object(list, 0, ObjType::Map)?;
    doc.put(&entry, "at", ScalarValue::Timestamp(content.at.millis()))?;
    doc.put(&entry, "author", change.header.actor.author().0.to_vec())?;
    match &content.body {
        Body::Text(text) => doc.put(&entry, "body", text.as_str())?,
        Body::Sealed(bytes) => doc.put(&entry, "body", bytes.clone())?,
    }
    if let Some(from) = &content.from {
        doc.put(&entry, "from", from.as_str())?;
    }
    doc.put(&entry, "id", hash.0.to_vec())?;
    if let Some(kind) = &content.kind {
        doc.put(&entry, "kind", kind.as_str())?;
    }
    if let Some(re) = &content.re {
        doc.put(&entry, "re", re.0.to_vec())?;
    }
    Ok(())
}

fn heads(doc: &Automerge) -> HashSet<ChangeHash> {
    doc.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect()
}

fn messages(doc: &impl ReadDoc) -> Result<ObjId, ExportError> {
    match doc.get(ROOT, "messages")? {
        Some((value, list)) if value.is_object() => Ok(list),
        _ => Err(ExportError::Disagrees("it has no list of messages")),
    }
}
