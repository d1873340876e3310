//! Writing: turns what the user says into signed entries on top of the heads.

use super::super::entropy::Entropy;
use super::super::event::{CommandError, Refusal};
use super::Room;
use super::writer::Writer;
use crate::change::{Change, Content, Header, HeaderError, SignError};
use crate::group::{EntryNo, Node, Verdict, admit, next_counters};
use crate::id::{ActorId, ChangeHash};
use crate::identity::Identity;
use crate::limits::{DEPS_MAX, MAX_OP_MAX};
use crate::store::Store;

impl Room {
    /// Appends entries, each on top of the one before; all or none, because everything is checked first. Returns
    /// their hashes.
    pub fn write<S: Store>(
        &mut self,
        store: &mut S,
        identity: &Identity,
        stamp: &[u8; 32],
        contents: Vec<Content>,
        entropy: &mut Entropy,
    ) -> Result<Vec<ChangeHash>, CommandError<S::Error>> {
        if let Some(error) = contents.iter().find_map(|content| content.check().err()) {
            return Err(CommandError::refused(SignError::from(error)));
        }
        let mut writer = match self.writer {
            Some(writer) => writer,
            None => Writer::new(ActorId::new(identity.peer(), entropy.bytes())),
        };
        let ops: u64 = contents.iter().map(Content::op_count).sum();
        let mut ids = Vec::with_capacity(contents.len());
        for content in contents {
            let header = self.next_header(store, &writer)?;
            if ids.is_empty() && header.start_op + ops > MAX_OP_MAX {
                let full = HeaderError::MaxOp { max_op: header.start_op + ops };
                return Err(CommandError::refused(SignError::from(full)));
            }
            let signed = Change::sign(self.id, header, content, identity).map_err(CommandError::refused)?;
            // A change on top of the heads is always admitted, unless the stored heads are damaged.
            let Verdict::Admitted(admitted) = admit(store, self.no, signed)? else {
                return Err(CommandError::refused(Refusal::HeadsUnreadable));
            };
            let no = store.append(self.no, &admitted)?;
            self.advance(no, admitted.verified().hash(), admitted.deps());
            self.fresh.written(no, admitted.verified().bytes().clone());
            writer.wrote(no);
            ids.push(admitted.verified().hash());
        }
        if self.writer.replace(writer).is_none() {
            writer.keep_actor(store, self.no, stamp)?;
        }
        Ok(ids)
    }

    /// The header of the writer's next entry: on top of the heads, and always on top of its last entry.
    fn next_header<S: Store>(&self, store: &S, writer: &Writer) -> Result<Header, CommandError<S::Error>> {
        let mut nodes: Vec<Node> = Vec::new();
        for no in self.next_deps(writer.last()) {
            let Some(node) = store.node(self.no, no)? else {
                return Err(CommandError::refused(Refusal::HeadsUnreadable));
            };
            nodes.push(node);
        }
        nodes.sort_unstable_by_key(|node| node.hash);
        let (seq, start_op) = next_counters(&nodes, writer.actor());
        Ok(Header {
            deps: nodes.iter().map(|node| node.hash).collect(),
            actor: writer.actor(),
            seq,
            start_op,
        })
    }

    /// The dependencies of the next entry; if there are more than `DEPS_MAX`, those that arrived last.
    fn next_deps(&self, last: Option<EntryNo>) -> Vec<EntryNo> {
        let mut deps = self.heads.numbers();
        if let Some(last) = last.filter(|last| !deps.contains(last)) {
            deps.insert(0, last);
        }
        if deps.len() > DEPS_MAX {
            let mut kept = Vec::from_iter(last);
            let newest = deps.iter().rev().copied().filter(|no| Some(*no) != last);
            kept.extend(newest.take(DEPS_MAX - kept.len()));
            deps = kept;
        }
        deps
    }

    /// Saves the actor, so that the next run continues it. Call before the last commit.
    pub fn keep_writer<S: Store>(&self, store: &mut S, stamp: &[u8; 32]) -> Result<(), S::Error> {
        self.writer.map_or(Ok(()), |writer| writer.keep(store, self.no, stamp))
    }

    /// A change of another peer carries our actor, so a copy of this peer is writing: never uses the actor again.
    pub(super) fn notice_actor<S: Store>(&mut self, store: &mut S, actor: ActorId) -> Result<(), S::Error> {
        match self.writer.take_if(|writer| writer.actor() == actor) {
            Some(_) => Writer::give_up(store, self.no),
            None => Ok(()),
        }
    }
}
