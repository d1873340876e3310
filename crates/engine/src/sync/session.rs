//! One group over one link: what the other side has, what it is owed, what is on its way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::{Heads, LinkBudget, Owed, owed};
use crate::group::{ChangeGraph, EntryNo, GroupNo, missing_within};
use crate::id::ChangeHash;
use crate::limits::{
    ACKNOWLEDGE_EVERY_MS, BATCH_BYTES, BATCHES_IN_FLIGHT_MAX, HEADS_FREE_MAX, IN_FLIGHT_BYTES_MAX,
    ORPHANS_MAX, VISIT_BYTES,
};
use crate::time::Now;
use crate::wire::sync_message::SyncMessage;

/// Entries that may wait to be sent before the link counts as behind and is served anew from its heads.
const QUEUE_MAX: usize = 1 << 16;
/// Entries that a peer may lack and still be pushed to: in a busy group nobody is ever exactly level.
const NEAR_MAX: usize = 64;
const NEAR_VISITS_MAX: usize = 4 * NEAR_MAX;
/// Entries visited when looking for what a peer's heads acknowledge.
const ACKNOWLEDGE_VISITS_MAX: usize = 2048;

/// Entries sent in one message, until the other side's heads show that they arrived.
#[derive(Debug)]
struct Batch {
    entries: Vec<EntryNo>,
    bytes: usize,
}

impl Batch {
    fn last(&self) -> EntryNo {
        self.entries.iter().max().copied().unwrap_or_default()
    }
}

/// How far a link has been served in a group; it outlasts the sessions of the link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The latest entry that was looked at to answer a pull.
    visited: EntryNo,
    /// The latest entry that was sent.
    sent: EntryNo,
}

/// Starts fresh with every link.
#[derive(Debug, Default)]
pub struct Session {
    /// `None` until they have spoken.
    theirs: Option<Heads>,
    /// What they were last told of our heads.
    announced: Option<Vec<ChangeHash>>,
    /// The next acknowledgement goes out no sooner.
    acknowledge_from_us: u64,
    /// Changes that they sent since they were last told of our heads, in bytes.
    unacknowledged_bytes: usize,
    /// Heads that both sides have; older ones from an earlier link at first.
    shared: Vec<EntryNo>,
    /// `shared` is not what was last kept of it.
    unsaved: bool,
    /// They have, or were sent, all that was here: what is written here is pushed without being asked for.
    live: bool,
    queue: VecDeque<EntryNo>,
    in_flight: VecDeque<Batch>,
    /// What arrived last and may be an orphan there, which no heads show. No more can wait there.
    arrived: VecDeque<EntryNo>,
    marks: Marks,
}

impl Session {
    /// `shared`: entries known from an earlier link to be on both sides.
    pub fn new(shared: Vec<EntryNo>, marks: Marks) -> Self {
        Self { shared, marks, ..Self::default() }
    }

    /// Ends it. Nothing of it is on its way any more.
    pub fn close(self, budget: &mut LinkBudget) -> Marks {
        budget.arrived(self.in_flight_bytes());
        self.marks
    }

    pub fn theirs(&self) -> Option<&Heads> {
        self.theirs.as_ref()
    }

    /// They announced something that is not stored here.
    pub fn wants(&self) -> bool {
        self.theirs.as_ref().is_some_and(|heads| !heads.unknown.is_empty())
    }

    pub fn is_live(&self) -> bool {
        self.live
    }

    pub fn shared(&self) -> &[EntryNo] {
        &self.shared
    }

    /// Whether they have been told of exactly these heads.
    pub fn has_announced(&self, ours: &[ChangeHash]) -> bool {
        self.announced.as_deref() == Some(ours)
    }

    pub fn note_announced(&mut self, ours: &[ChangeHash], now: Now) {
        self.announced = Some(ours.to_vec());
        self.acknowledge_from_us = now.in_ms(ACKNOWLEDGE_EVERY_MS);
        self.unacknowledged_bytes = 0;
    }

    /// They have sent changes, and are owed our heads for them: at once where they `wait` for them to send more.
    pub fn owe_acknowledgement(&mut self, bytes: usize, wait: bool) {
        self.unacknowledged_bytes += bytes;
        if wait || self.unacknowledged_bytes >= BATCH_BYTES {
            self.acknowledge_from_us = 0;
        }
    }

    /// When they are to be shown, at the latest, that what they sent has come. Every message does that.
    pub fn acknowledge_due_us(&self) -> Option<u64> {
        (self.unacknowledged_bytes > 0).then_some(self.acknowledge_from_us)
    }

    /// Takes in the other side's message; its changes are stored, or held aside, already. Beyond a few heads, looking them
    /// up counts against what the link may ask for again.
    pub fn hear<G: ChangeGraph, C>(
        &mut self,
        graph: &G,
        group: GroupNo,
        ours: &[EntryNo],
        message: &SyncMessage<C>,
        budget: &mut LinkBudget,
        now: Now,
    ) -> Result<(), G::Error> {
        let looked_up = message.heads.len().saturating_sub(HEADS_FREE_MAX) as u64;
        budget.asked_again(looked_up * VISIT_BYTES, now);
        self.take_in(graph, group, ours, message, budget, now)
    }

    /// The other side has shown, without naming them, that its heads are ours.
    pub fn hear_level<G: ChangeGraph>(
        &mut self,
        graph: &G,
        group: GroupNo,
        ours: &[EntryNo],
        heads: Vec<ChangeHash>,
        budget: &mut LinkBudget,
        now: Now,
    ) -> Result<(), G::Error> {
        let message = SyncMessage::<()> { heads, ..SyncMessage::default() };
        self.take_in(graph, group, ours, &message, budget, now)
    }

    fn take_in<G: ChangeGraph, C>(
        &mut self,
        graph: &G,
        group: GroupNo,
        ours: &[EntryNo],
        message: &SyncMessage<C>,
        budget: &mut LinkBudget,
        now: Now,
    ) -> Result<(), G::Error> {
        let theirs = Heads::resolve(graph, group, &message.heads)?;
        if theirs.unknown.is_empty() {
            self.share(&theirs.known);
        }
        let arrived = self.acknowledged(graph, group, &theirs.known)?;
        self.note_arrived(arrived, budget);
        if message.pulls() {
            // Whoever asks is ready for more.
            budget.arrived(self.in_flight_bytes());
            self.in_flight.iter_mut().for_each(|batch| batch.bytes = 0);
            let again = self.serve(graph, group, ours, &theirs, message)?;
            budget.asked_again(again * VISIT_BYTES, now);
        }
        if !self.live && theirs.unknown.is_empty() {
            // They are about level: what they still lack they have been told of, and get as they got the rest.
            let missing = missing_within(graph, group, ours, &theirs.known, NEAR_VISITS_MAX)?;
            self.live = missing.is_some_and(|missing| missing.len() <= NEAR_MAX);
        }
        self.theirs = Some(theirs);
        self.settle(ours);
        Ok(())
    }

    /// Looks again at what is known of their heads, after something was stored.
    pub fn refresh<G: ChangeGraph>(&mut self, graph: &G, group: GroupNo) -> Result<(), G::Error> {
        if let Some(theirs) = self.theirs.as_mut().filter(|heads| !heads.unknown.is_empty()) {
            theirs.refresh(graph, group)?;
            if theirs.unknown.is_empty() {
                let known = theirs.known.clone();
                self.share(&known);
            }
        }
        Ok(())
    }

    fn share(&mut self, heads: &[EntryNo]) {
        if self.shared != heads {
            self.shared = heads.to_vec();
            self.unsaved = true;
        }
    }

    /// The common heads are not what was last kept.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// The common heads, which are kept now.
    pub fn save_shared(&mut self) -> &[EntryNo] {
        self.unsaved = false;
        &self.shared
    }

    /// Queues the answer to a pull. What is on its way, or may wait there for what is asked for, is not sent again unless
    /// it is asked for by name: nothing gets lost on a link that stands. Says how many entries it looked at once more.
    fn serve<G: ChangeGraph, C>(
        &mut self,
        graph: &G,
        group: GroupNo,
        ours: &[EntryNo],
        theirs: &Heads,
        message: &SyncMessage<C>,
    ) -> Result<u64, G::Error> {
        let mut needed: BTreeSet<EntryNo> = BTreeSet::new();
        for hash in &message.need {
            needed.extend(graph.find(group, hash)?.filter(|&no| no != EntryNo::GENESIS));
        }
        let mut again = 0;
        match owed(graph, group, ours, theirs, &message.have)? {
            Some(Owed { entries: mut owed, visited }) => {
                again = visited.iter().filter(|no| **no <= self.marks.visited).count() as u64;
                self.marks.visited = visited.into_iter().fold(self.marks.visited, EntryNo::max);
                for no in self.in_flight.iter().flat_map(|batch| &batch.entries).chain(&self.arrived) {
                    owed.remove(no);
                }
                owed.extend(needed);
                self.queue = owed.into_iter().collect();
                // Everything they lack is queued; what is written from here on goes behind it.
                self.live = true;
            }
            // A repair, perhaps in the midst of a longer answer, which goes on behind it.
            None => {
                self.queue.retain(|no| !needed.contains(no));
                for &no in needed.iter().rev() {
                    self.queue.push_front(no);
                }
            }
        }
        Ok(again)
    }

    /// They have shown exactly these heads.
    pub fn is_level(&self, ours: &[EntryNo]) -> bool {
        let level = |heads: &Heads| heads.unknown.is_empty() && heads.known == ours;
        self.theirs.as_ref().is_some_and(level)
    }

    /// Finds out whether they are level.
    pub fn settle(&mut self, ours: &[EntryNo]) {
        if self.is_level(ours) {
            self.live = true;
            self.arrived = VecDeque::new();
        }
    }

    /// New entries of our own: pushed where the other side is level, else found out from our heads.
    pub fn push(&mut self, entries: &[EntryNo]) {
        let Some(first) = entries.first().filter(|_| self.live) else { return };
        if self.queue.len() + entries.len() > QUEUE_MAX {
            self.live = false;
            self.queue.clear();
            return;
        }
        // An answer that was worked out since they were written holds them already.
        let queued: BTreeSet<EntryNo> = self.queue.iter().filter(|no| *no >= first).copied().collect();
        self.queue.extend(entries.iter().filter(|no| !queued.contains(no)));
    }

    /// Something waits to be sent, and would be if the link had room.
    pub fn is_starved(&self) -> bool {
        !self.queue.is_empty() && self.in_flight_bytes() < IN_FLIGHT_BYTES_MAX
    }

    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.iter().map(|batch| batch.bytes).sum()
    }

    /// Something waits to be sent, and the link has room for it.
    pub fn may_send(&self, budget: &LinkBudget) -> bool {
        self.is_starved() && budget.free_bytes() > 0
    }

    /// The next changes to send: one message's worth, or none when nothing is owed or no room is left. What
    /// `change` does not give is left out.
    pub fn take_batch<E>(
        &mut self,
        budget: &mut LinkBudget,
        now: Now,
        mut change: impl FnMut(EntryNo) -> Result<Option<Arc<[u8]>>, E>,
    ) -> Result<Vec<Arc<[u8]>>, E> {
        let mut changes = Vec::new();
        let mut batch = Batch { entries: Vec::new(), bytes: 0 };
        if !self.may_send(budget) {
            return Ok(changes);
        }
        while batch.bytes < BATCH_BYTES {
            let Some(no) = self.queue.pop_front() else { break };
            let Some(bytes) = change(no)? else { continue };
            if no <= self.marks.sent {
                budget.asked_again(bytes.len() as u64, now);
            }
            self.marks.sent = self.marks.sent.max(no);
            batch.bytes += bytes.len();
            batch.entries.push(no);
            changes.push(bytes);
        }
        if !batch.entries.is_empty() {
            budget.sent(batch.bytes);
            self.in_flight.push_back(batch);
            self.note_arrived(self.in_flight.len().saturating_sub(BATCHES_IN_FLIGHT_MAX), budget);
        }
        Ok(changes)
    }

    /// How many of the batches on their way their heads show to have arrived.
    fn acknowledged<G: ChangeGraph>(
        &self,
        graph: &G,
        group: GroupNo,
        known: &[EntryNo],
    ) -> Result<usize, G::Error> {
        let lasts: Vec<EntryNo> = self.in_flight.iter().map(Batch::last).collect();
        let by_last: HashMap<EntryNo, usize> =
            lasts.iter().enumerate().map(|(at, last)| (*last, at)).collect();
        let Some(mut lowest) = lasts.iter().min().copied() else { return Ok(0) };
        let mut open: BTreeSet<EntryNo> = known.iter().copied().collect();
        let mut arrived = 0;
        let mut visits = 0;
        while let Some(no) = open.pop_last() {
            if let Some(&at) = by_last.get(&no).filter(|at| **at >= arrived) {
                arrived = at + 1;
                match lasts[arrived..].iter().min() {
                    Some(next) => lowest = *next,
                    None => break,
                }
            }
            if no < lowest {
                break;
            }
            visits += 1;
            if visits > ACKNOWLEDGE_VISITS_MAX {
                // Far above what was sent: whatever they have there, they have had time for one batch.
                arrived = arrived.max(1);
                break;
            }
            if let Some(node) = graph.node(group, no)? {
                open.extend(node.deps);
            }
        }
        Ok(arrived)
    }

    fn note_arrived(&mut self, batches: usize, budget: &mut LinkBudget) {
        for batch in self.in_flight.drain(..batches) {
            budget.arrived(batch.bytes);
            self.arrived.extend(batch.entries);
        }
        self.arrived.drain(..self.arrived.len().saturating_sub(ORPHANS_MAX));
    }
}
