//! Writing: what this peer's user says becomes signed entries on top of the heads.

use super::room::Writer;
use super::{Command, CommandError, Draft, Effect, Engine, Outcome, intact_node};
use crate::change::{Body, Change, Content, Genesis, Header, HeaderError, SignError};
use crate::group::{EntryNo, GroupNo, Node, Verdict, admit, next_counters};
use crate::id::{ActorId, ChangeHash, GroupName};
use crate::kinds;
use crate::limits::{DEPS_MAX, GROUPS_MAX, MAX_OP_MAX};
use crate::store::Store;
use crate::time::Now;
use crate::wire::frame::Control;

pub(super) type Answer<E> = Result<Result<Outcome, CommandError>, E>;

impl<S: Store> Engine<S> {
    pub(super) fn command(&mut self, command: Command, now: Now) -> Answer<S::Error> {
        match command {
            Command::Write { group, drafts } => {
                let room = self.by_id.get(&group).and_then(|no| self.rooms.get(no));
                match room.filter(|room| room.joined).map(|room| room.no) {
                    Some(no) => self.write_once(no, drafts, now),
                    None => Ok(Err(CommandError::NotJoined)),
                }
            }
            Command::Join { name, announce } => self.join(name, announce, now),
            Command::Leave { group } => self.leave(group, now),
            Command::SetName { name } => {
                let draft = Draft { kind: Some(kinds::name::NAME.into()), body: name, ..Draft::default() };
                let written = self.write(self.directory, vec![draft], now)?;
                Ok(written.map(|_| Outcome::Done))
            }
            Command::Introduce { peer, addresses } => {
                self.take_ticket(peer, addresses, now)?;
                Ok(Ok(Outcome::Done))
            }
            Command::MarkRead { group, arrival } => {
                self.store.set_read_mark(group, arrival)?;
                Ok(Ok(Outcome::Done))
            }
            Command::StoredOn { group, entries } => {
                Ok(Ok(Outcome::StoredOn(self.stored_on(group, &entries)?)))
            }
            Command::Status => Ok(Ok(Outcome::Status(Box::new(self.status(now)?)))),
        }
    }

    fn join(&mut self, name: GroupName, announce: bool, now: Now) -> Answer<S::Error> {
        let genesis = Genesis::public(self.mesh_id, name.clone());
        let id = genesis.id();
        let held = self.by_id.get(&id).copied();
        if held.and_then(|no| self.rooms.get(&no)).is_some_and(|room| room.joined) {
            return Ok(Ok(Outcome::Joined(id)));
        }
        if held.is_none() && self.rooms.len() >= GROUPS_MAX {
            return Ok(Err(CommandError::TooManyGroups));
        }
        if announce {
            let body = name.as_str().to_owned();
            let draft = Draft { kind: Some(kinds::group::GROUP.into()), body, ..Draft::default() };
            if let Err(error) = self.write(self.directory, vec![draft], now)? {
                return Ok(Err(error));
            }
        }
        let no = self.store.add_group(&genesis, true)?;
        if announce {
            // Nobody else has it yet, as far as is known here: what others bring later is late.
            self.store.set_caught_up(no)?;
        }
        match self.rooms.get_mut(&no) {
            Some(room) => {
                room.joined = true;
                room.leaving = None;
                self.store.set_value(&leaving_key(no), &[])?;
            }
            None => {
                let rows = self.store.groups()?;
                if let Some(row) = rows.into_iter().find(|row| row.no == no) {
                    self.load_room(row)?;
                }
            }
        }
        let draft = Draft { kind: Some(kinds::join::JOINED.into()), ..Draft::default() };
        if let Err(error) = self.write(no, vec![draft], now)? {
            return Ok(Err(error));
        }
        for subscribe in Control::subscribe(&[id]) {
            self.tell_all(&subscribe);
        }
        self.open_sessions(no)?;
        Ok(Ok(Outcome::Joined(id)))
    }

    fn leave(&mut self, group: GroupNo, now: Now) -> Answer<S::Error> {
        if !self.rooms.get(&group).is_some_and(|room| room.joined) || group == self.directory {
            return Ok(Err(CommandError::NotJoined));
        }
        let draft = Draft { kind: Some(kinds::leave::LEFT.into()), ..Draft::default() };
        let farewell = match self.write(group, vec![draft], now)? {
            Ok(ids) => ids.last().copied(),
            Err(error) => return Ok(Err(error)),
        };
        self.store.set_joined(group, false)?;
        if let Some(hash) = farewell {
            self.store.set_value(&leaving_key(group), hash.as_bytes())?;
        }
        if let Some(room) = self.rooms.get_mut(&group) {
            room.joined = false;
            room.leaving = farewell;
        }
        Ok(Ok(Outcome::Done))
    }

    /// Somebody else has our farewell: the group is ours no more.
    pub(super) fn left(&mut self, group: GroupNo) -> Result<(), S::Error> {
        self.store.set_value(&leaving_key(group), &[])?;
        let Some(room) = self.rooms.get_mut(&group) else { return Ok(()) };
        room.leaving = None;
        let id = room.id;
        let links: Vec<_> = room.sessions.keys().copied().collect();
        for link in links {
            self.close_session(group, link)?;
        }
        for unsubscribe in Control::unsubscribe(&[id]) {
            self.tell_all(&unsubscribe);
        }
        Ok(())
    }

    /// Appends entries, each on top of the one before. Everything is checked first: all or none.
    pub(super) fn write(
        &mut self,
        group: GroupNo,
        drafts: Vec<Draft>,
        now: Now,
    ) -> Result<Result<Vec<ChangeHash>, CommandError>, S::Error> {
        let contents: Vec<Content> = drafts.into_iter().map(|draft| content(draft, now)).collect();
        if let Some(error) = contents.iter().find_map(|content| content.check().err()) {
            return Ok(Err(SignError::from(error).into()));
        }
        let Some(room) = self.rooms.get_mut(&group) else { return Ok(Ok(Vec::new())) };
        self.awake.insert(group);
        let peer = self.identity.peer();
        let mut writer = match room.writer {
            Some(writer) => writer,
            None => Writer { actor: ActorId::new(peer, self.entropy.bytes()), last: None },
        };
        let ops: u64 = contents.iter().map(Content::op_count).sum();
        let mut ids = Vec::with_capacity(contents.len());
        for content in contents {
            let mut deps: Vec<EntryNo> = room.heads();
            if let Some(last) = writer.last.filter(|last| !deps.contains(last)) {
                deps.insert(0, last);
            }
            if deps.len() > DEPS_MAX {
                let own = writer.last;
                let (mut kept, newest) = (Vec::from_iter(own), deps.iter().rev());
                kept.extend(newest.copied().filter(|no| Some(*no) != own).take(DEPS_MAX - kept.len()));
                deps = kept;
            }
            let mut nodes: Vec<Node> = Vec::with_capacity(deps.len());
            for no in deps {
                let Some(node) = self.store.node(group, no)? else { return Ok(Err(CommandError::Damaged)) };
                nodes.push(node);
            }
            nodes.sort_unstable_by_key(|node| node.hash);
            let (seq, start_op) = next_counters(&nodes, writer.actor);
            if ids.is_empty() && start_op + ops > MAX_OP_MAX {
                return Ok(Err(SignError::from(HeaderError::MaxOp { max_op: start_op + ops }).into()));
            }
            let deps = nodes.iter().map(|node| node.hash).collect();
            let header = Header { deps, actor: writer.actor, seq, start_op };
            let verified = match Change::sign(room.id, header, content, &self.identity) {
                Ok(verified) => verified,
                Err(error) => return Ok(Err(error.into())),
            };
            let hash = verified.hash();
            // On top of the heads it is new and fits, unless the heads are not what they seem.
            let Verdict::Admitted(admitted) = admit(&self.store, group, verified)? else {
                return Ok(Err(CommandError::Damaged));
            };
            let no = self.store.append(group, &admitted)?;
            room.advance(no, hash, admitted.deps());
            room.fresh.push(no);
            room.fresh_bytes.insert(no, admitted.verified().bytes().clone());
            writer.last = Some(no);
            ids.push(hash);
        }
        if room.writer.replace(writer).is_none() {
            // A salvage that finds nothing else of the actor has it from here.
            let value = [&self.writer_stamp[..], writer.actor.as_bytes()].concat();
            self.store.set_value(&writer_key(group), &value)?;
        }
        if let Some(&last) = room.fresh.last() {
            self.prepared.push_back(Effect::Stored { group, last });
        }
        Ok(Ok(ids))
    }

    /// To be called before the last commit: only what this keeps has the next run go on with the actors of this one.
    pub fn keep_writers(&mut self) -> Result<(), S::Error> {
        for (group, room) in &self.rooms {
            let Some(Writer { actor, last: Some(last) }) = room.writer else { continue };
            let value = [&self.writer_stamp[..], actor.as_bytes(), &last.0.to_le_bytes()].concat();
            self.store.set_value(&writer_key(*group), &value)?;
        }
        Ok(())
    }

    /// The writer of an earlier run, if it is still safe to go on with it: it was kept at the end of that run, and the actor
    /// has written nothing since.
    pub(super) fn load_writer(&self, group: GroupNo) -> Result<Option<Writer>, S::Error> {
        let Some(value) = self.store.value(&writer_key(group))? else { return Ok(None) };
        let Some((stamp, rest)) = value.split_first_chunk::<32>() else { return Ok(None) };
        let Some((actor, last)) = rest.split_first_chunk::<40>() else { return Ok(None) };
        let Ok(last) = last.try_into().map(u64::from_le_bytes) else { return Ok(None) };
        let (actor, last) = (ActorId(*actor), EntryNo(last));
        let intact = match intact_node(&self.store, group, last)? {
            Some(node) => node.actor == Some(actor) && self.store.last_of(group, &actor)? == (node.seq, last),
            None => false,
        };
        let same_place = *stamp == self.writer_stamp && actor.author() == self.identity.peer();
        Ok((intact && same_place).then_some(Writer { actor, last: Some(last) }))
    }

    pub(super) fn load_leaving(&self, group: GroupNo) -> Result<Option<ChangeHash>, S::Error> {
        let value = self.store.value(&leaving_key(group))?;
        Ok(value.as_deref().and_then(ChangeHash::from_slice))
    }
}

fn content(draft: Draft, now: Now) -> Content {
    Content {
        at: draft.at.unwrap_or(now.wall),
        kind: draft.kind,
        body: Body::Text(draft.body),
        re: draft.re,
        from: draft.from,
    }
}

pub(super) fn writer_key(group: GroupNo) -> String {
    format!("writer/{}", group.0)
}

fn leaving_key(group: GroupNo) -> String {
    format!("leaving/{}", group.0)
}
