//! What the users at the peers do: join groups, write, leave.

use peer::store::StoreError;
use peer_engine::engine::{Answer, Draft, Engine, Refusal};
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupId, GroupName};
use peer_engine::time::Now;

use crate::disk::SimStore;
use crate::faults::Plant;
use crate::world::{Happening, Input, World};

/// What was written in which group; empty for other commands.
pub type Done = Option<(GroupId, Vec<ChangeHash>)>;

/// What a user asks of an engine.
pub type Command = Box<dyn FnOnce(&mut Engine<SimStore>, Now) -> Answer<Done, StoreError>>;

#[derive(Clone, Debug)]
pub struct Say {
    pub peer: usize,
    pub group: usize,
    pub messages: u64,
    pub body_bytes: u64,
    /// One command for all messages, or one for each.
    pub together: bool,
}

pub fn group_name(index: usize) -> GroupName {
    format!("group-{index}").parse().expect("a valid name")
}

impl World {
    pub fn plan_work(&mut self) {
        for _ in 0..self.options.bursts {
            let say = Say {
                peer: self.rng.index(self.options.peers),
                group: self.rng.index(self.options.groups),
                messages: self.rng.between(1, self.options.burst_max),
                body_bytes: self.rng.between(1, self.options.body_max),
                together: self.rng.chance(50),
            };
            let at_us = self.rng.between(0, self.options.fault_ms * 1000);
            self.at(at_us, Happening::Say(say));
        }
    }

    fn command(
        &mut self,
        peer: usize,
        command: impl FnOnce(&mut Engine<SimStore>, Now) -> Answer<Done, StoreError> + 'static,
    ) {
        if self.peers[peer].engine.is_some() {
            self.commands += 1;
            self.put_in(peer, Input::Command(Box::new(command)));
        }
    }

    pub fn write_drafts(&mut self, peer: usize, group: GroupId, drafts: Vec<Draft>) {
        self.command(peer, move |engine, now| Ok(Some((group, engine.write(group, drafts, now)?))));
    }

    /// The guest takes a ticket from its host.
    pub fn invite(&mut self, host: usize, guest: usize) {
        let host = &self.peers[host];
        let (peer, addresses) = (host.identity.peer(), vec![host.address.clone()]);
        self.command(guest, move |engine, now| engine.introduce(peer, addresses, now).map(|()| None));
    }

    /// What a user does at the start: takes a ticket from any running peer, and joins the groups.
    pub fn settle_in(&mut self, index: usize, first: bool) {
        if !first {
            return;
        }
        let others: Vec<usize> = self.running().into_iter().filter(|&other| other != index).collect();
        if !others.is_empty() {
            let inviter = others[self.rng.index(others.len())];
            self.invite(inviter, index);
        }
        for group in 0..self.options.groups {
            self.join(index, group);
        }
    }

    /// A user takes another ticket if all the peers it knows are gone, because none was running at the start
    /// or the inviter has gone.
    pub fn invite_the_stranded(&mut self) {
        let alive: Vec<usize> = (0..self.peers.len()).filter(|&index| !self.peers[index].gone).collect();
        let mut island = vec![alive[0]];
        while island.len() < alive.len() {
            let outside: Vec<usize> = alive.iter().copied().filter(|index| !island.contains(index)).collect();
            let joined = |&&index: &&usize| {
                island.iter().any(|&other| self.knows(index, other) || self.knows(other, index))
            };
            match outside.iter().find(joined) {
                Some(&index) => island.push(index),
                None => {
                    self.invite(island[0], outside[0]);
                    island.push(outside[0]);
                }
            }
        }
    }

    fn knows(&self, from: usize, to: usize) -> bool {
        let known = self.peers[from].disk.borrow().store.peers().unwrap_or_default();
        known.iter().any(|known| known.key == self.peers[to].identity.peer())
    }

    pub fn join(&mut self, index: usize, group: usize) {
        let announce = self.rng.chance(50);
        self.command(index, move |engine, now| engine.join(group_name(group), announce, now).map(|_| None));
    }

    /// Leaves the last group, and comes back after a while.
    pub fn leave_group(&mut self, index: usize) {
        let last = self.options.groups - 1;
        if let Some((group, _)) = self.group(index, last) {
            self.command(index, move |engine, now| engine.leave(group, now).map(|()| None));
            let back = Say { peer: index, group: last, messages: 0, body_bytes: 0, together: true };
            let at_us = self.now_us + self.rng.between(0, 5_000_000);
            self.at(at_us, Happening::Say(back));
        }
    }

    pub fn group(&self, peer: usize, group: usize) -> Option<(GroupNo, GroupId)> {
        let name = group_name(group);
        let groups = self.peers[peer].disk.borrow().store.groups().unwrap_or_default();
        groups.into_iter().find(|row| row.name == name).map(|row| (row.no, row.id))
    }

    pub fn say(&mut self, say: Say) {
        let Say { peer, group, messages, body_bytes, together } = say;
        if messages == 0 {
            return self.join(peer, group);
        }
        let Some((_, id)) = self.group(peer, group) else { return };
        let mut drafts = Vec::new();
        for number in 0..messages {
            let mut body = format!("{}:{}:{number} ", peer, self.commands);
            body.extend(std::iter::repeat_n('x', body_bytes as usize));
            self.record.given.insert((peer, body.clone()));
            drafts.push(Draft { body, ..Draft::default() });
        }
        if self.plant == Plant::ForgeAuthor {
            drafts[0].body.push_str(" forged");
        }
        let parts =
            if together { vec![drafts] } else { drafts.into_iter().map(|draft| vec![draft]).collect() };
        for drafts in parts {
            self.write_drafts(peer, id, drafts);
        }
    }

    pub fn answered(&mut self, peer: usize, answer: Result<Done, Refusal>) {
        match answer {
            Ok(Some((group, entries))) => self.acknowledge(peer, group, entries),
            Ok(None) | Err(Refusal::NotJoined) => {}
            Err(refusal) => self.record.fail(format!("peer {peer} refuses: {refusal}")),
        }
    }

    fn acknowledge(&mut self, peer: usize, group: GroupId, entries: Vec<ChangeHash>) {
        let rows = self.peers[peer].disk.borrow().store.groups().unwrap_or_default();
        let Some(row) = rows.into_iter().find(|row| row.id == group) else { return };
        for entry in &entries {
            if !self.peers[peer].disk.borrow().durable.contains(&(row.no, *entry)) {
                self.record.fail(format!("peer {peer} acknowledges {entry} before it is durable"));
            }
        }
        self.record.acknowledged.extend(entries.into_iter().map(|entry| (peer, group, entry)));
    }
}
