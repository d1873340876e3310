//! What the people at the peers do: join groups, write, leave.

use peer_engine::engine::{Command, CommandError, Draft, Event, Outcome};
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupId, GroupName};

use crate::faults::Plant;
use crate::world::{Happening, World};

/// What was asked of an engine, until it answers.
#[derive(Debug)]
pub enum Asked {
    Write { group: GroupId },
    Other,
}

#[derive(Clone, Debug)]
pub struct Say {
    pub peer: usize,
    pub group: usize,
    pub messages: u64,
    pub body_bytes: u64,
    /// One command for all, or one for each.
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

    pub fn command(&mut self, peer: usize, command: Command, asked: Asked) {
        if self.peers[peer].engine.is_none() {
            return;
        }
        self.next_token += 1;
        let token = self.next_token;
        self.peers[peer].asked.insert(token, asked);
        self.tell(peer, Event::Command { token, command });
    }

    /// What a person does at the start: takes a ticket from anybody who runs, and joins the groups.
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

    fn invite(&mut self, inviter: usize, guest: usize) {
        let inviter = &self.peers[inviter];
        let (peer, addresses) = (inviter.identity.peer(), vec![inviter.address.clone()]);
        self.command(guest, Command::Introduce { peer, addresses }, Asked::Other);
    }

    /// Who knows nobody that is left, because nobody was there at the start or the inviter has gone, takes
    /// another ticket.
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
        self.command(index, Command::Join { name: group_name(group), announce }, Asked::Other);
    }

    /// Leaves the last group, and comes back after a while.
    pub fn leave_group(&mut self, index: usize) {
        let last = self.options.groups - 1;
        if let Some((group, _)) = self.group(index, last) {
            self.command(index, Command::Leave { group }, Asked::Other);
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
            let mut body = format!("{}:{}:{number} ", peer, self.next_token);
            body.extend(std::iter::repeat_n('x', body_bytes as usize));
            self.record.given.insert((peer, body.clone()));
            drafts.push(Draft { body, ..Draft::default() });
        }
        if self.plant == Plant::ForgeAuthor {
            drafts[0].body.push_str(" forged");
        }
        if together {
            self.command(peer, Command::Write { group: id, drafts }, Asked::Write { group: id });
        } else {
            for draft in drafts {
                self.command(
                    peer,
                    Command::Write { group: id, drafts: vec![draft] },
                    Asked::Write { group: id },
                );
            }
        }
    }

    pub fn replied(&mut self, peer: usize, token: u64, result: Result<Outcome, CommandError>) {
        let asked = self.peers[peer].asked.remove(&token);
        match (asked, result) {
            (Some(Asked::Write { group }), Ok(Outcome::Written(entries))) => {
                self.acknowledge(peer, group, entries)
            }
            (Some(_), Ok(_) | Err(CommandError::NotJoined)) => {}
            (None, _) => self.record.fail(format!("peer {peer} answers what nobody asked")),
            (_, Err(error)) => self.record.fail(format!("peer {peer} refuses: {error}")),
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
