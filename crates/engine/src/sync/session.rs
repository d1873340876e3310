//! One group over one link: what the other side has, what waits to be sent to it, and what is in flight.

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

/// Maximum number of entries queued by pushes. Beyond it the queue is dropped and the other side finds out from our
/// heads.
const QUEUE_MAX: usize = 1 << 16;
/// Maximum number of entries that a peer may lack and still count as live: in a busy group no peer is ever exactly
/// level.
const NEAR_MAX: usize = 64;
const NEAR_VISITS_MAX: usize = 4 * NEAR_MAX;
/// Maximum number of entries visited to find the batches that a peer's heads acknowledge.
const ACKNOWLEDGE_VISITS_MAX: usize = 2048;

/// Entries sent in one message, kept until the other side's heads show that they arrived.
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

/// How far a link has been served in a group, to tell repeated work. Kept when a session of the link ends and another
/// begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The largest entry that was visited to answer a pull.
    visited: EntryNo,
    /// The largest entry that was sent.
    sent: EntryNo,
}

/// The sync session of one group on one link. Every link starts a new one.
#[derive(Debug, Default)]
pub struct Session {
    /// The other side's heads; `None` until its first message.
    theirs: Option<Heads>,
    /// The heads that we last sent to the other side.
    announced: Option<Vec<ChangeHash>>,
    /// The tick from which on the next acknowledgement may be sent.
    acknowledge_from_us: u64,
    /// Bytes of changes received since we last sent our heads.
    unacknowledged_bytes: usize,
    /// Heads that both sides had in common last, at first those of an earlier link.
    shared: Vec<EntryNo>,
    /// `shared` has changed since it was last saved.
    unsaved: bool,
    /// The other side has, or was sent, all entries here, so new ones are pushed without being asked for.
    live: bool,
    queue: VecDeque<EntryNo>,
    in_flight: VecDeque<Batch>,
    /// The last `ORPHANS_MAX` entries that arrived. They may be orphans on the other side, whose heads do not show
    /// them.
    arrived: VecDeque<EntryNo>,
    marks: Marks,
}

impl Session {
    /// Starts a session. `shared` are entries that both sides are known to have from an earlier link; `marks` come
    /// from the link's previous session of the group.
    pub fn new(shared: Vec<EntryNo>, marks: Marks) -> Self {
        Self { shared, marks, ..Self::default() }
    }

    /// Ends the session: frees its part of the link's send window, and returns what its successor starts from.
    pub fn close(self, budget: &mut LinkBudget) -> Marks {
        budget.arrived(self.in_flight_bytes());
        self.marks
    }

    /// The other side's heads; `None` until its first message.
    pub fn theirs(&self) -> Option<&Heads> {
        self.theirs.as_ref()
    }

    /// Whether the other side has announced heads that are not stored here.
    pub fn wants(&self) -> bool {
        self.theirs.as_ref().is_some_and(|heads| !heads.unknown.is_empty())
    }

    /// Whether new entries are pushed without being asked for.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Heads that both sides had in common last.
    pub fn shared(&self) -> &[EntryNo] {
        &self.shared
    }

    /// Whether these are the heads that we last sent to the other side.
    pub fn has_announced(&self, ours: &[ChangeHash]) -> bool {
        self.announced.as_deref() == Some(ours)
    }

    /// Our heads were sent, which also acknowledges all that was received.
    pub fn note_announced(&mut self, ours: &[ChangeHash], now: Now) {
        self.announced = Some(ours.to_vec());
        self.acknowledge_from_us = now.in_ms(ACKNOWLEDGE_EVERY_MS);
        self.unacknowledged_bytes = 0;
    }

    /// The other side has sent `bytes` of changes, to be acknowledged by our heads: at once if it waits for them
    /// (`wait`) or a whole batch is unacknowledged, otherwise within `ACKNOWLEDGE_EVERY_MS`.
    pub fn owe_acknowledgement(&mut self, bytes: usize, wait: bool) {
        self.unacknowledged_bytes += bytes;
        if wait || self.unacknowledged_bytes >= BATCH_BYTES {
            self.acknowledge_from_us = 0;
        }
    }

    /// The tick by which our heads are to be sent as an acknowledgement, unless another message carries them before;
    /// `None` if nothing is unacknowledged.
    pub fn acknowledge_due_us(&self) -> Option<u64> {
        (self.unacknowledged_bytes > 0).then_some(self.acknowledge_from_us)
    }

    /// Processes a message of the other side whose changes have already been stored or held as orphans. Heads beyond
    /// `HEADS_FREE_MAX` are charged to `budget`. Fails if the graph cannot be read.
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

    /// The other side has shown by a digest that its heads are `heads`, which are ours. As [`Session::hear`], without
    /// a charge.
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
            // A peer that asks has room for more: what is in flight no longer counts.
            budget.arrived(self.in_flight_bytes());
            self.in_flight.iter_mut().for_each(|batch| batch.bytes = 0);
            let again = self.serve(graph, group, ours, &theirs, message)?;
            budget.asked_again(again * VISIT_BYTES, now);
        }
        if !self.live && theirs.unknown.is_empty() {
            // Almost level: the few entries that the other side lacks were announced, and reach it by another path.
            let missing = missing_within(graph, group, ours, &theirs.known, NEAR_VISITS_MAX)?;
            self.live = missing.is_some_and(|missing| missing.len() <= NEAR_MAX);
        }
        self.theirs = Some(theirs);
        self.settle(ours);
        Ok(())
    }

    /// Looks the other side's unknown heads up again, after something was stored.
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

    /// Whether the common heads have changed since [`Session::save_shared`].
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// The common heads, which the caller now saves.
    pub fn save_shared(&mut self) -> &[EntryNo] {
        self.unsaved = false;
        &self.shared
    }

    /// Queues the answer to a pull. What is in flight, or may be an orphan on the other side, is sent again only if
    /// it is asked for by hash, because a link loses nothing while it stands. Returns how many entries were visited
    /// again.
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
            // Only hashes are asked for: they go before the rest of an earlier answer.
            None => {
                self.queue.retain(|no| !needed.contains(no));
                for &no in needed.iter().rev() {
                    self.queue.push_front(no);
                }
            }
        }
        Ok(again)
    }

    /// Whether the other side's heads are exactly `ours`.
    pub fn is_level(&self, ours: &[EntryNo]) -> bool {
        let level = |heads: &Heads| heads.unknown.is_empty() && heads.known == ours;
        self.theirs.as_ref().is_some_and(level)
    }

    /// Updates the session's state after our heads have changed: a level session is live and has no orphans on the
    /// other side.
    pub fn settle(&mut self, ours: &[EntryNo]) {
        if self.is_level(ours) {
            self.live = true;
            self.arrived = VecDeque::new();
        }
    }

    /// Queues new entries of this peer if the session is live; otherwise the other side finds out from our heads.
    pub fn push(&mut self, entries: &[EntryNo]) {
        let Some(first) = entries.first().filter(|_| self.live) else { return };
        if self.queue.len() + entries.len() > QUEUE_MAX {
            self.live = false;
            self.queue.clear();
            return;
        }
        // An answer computed after they were written contains them already.
        let queued: BTreeSet<EntryNo> = self.queue.iter().filter(|no| *no >= first).copied().collect();
        self.queue.extend(entries.iter().filter(|no| !queued.contains(no)));
    }

    /// Whether entries wait to be sent that this session's send window would take, whether or not the link's does.
    pub fn is_starved(&self) -> bool {
        !self.queue.is_empty() && self.in_flight_bytes() < IN_FLIGHT_BYTES_MAX
    }

    /// Bytes of changes sent in this session and not yet acknowledged.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.iter().map(|batch| batch.bytes).sum()
    }

    /// Whether entries wait to be sent, and both send windows take them.
    pub fn may_send(&self, budget: &LinkBudget) -> bool {
        self.is_starved() && budget.free_bytes() > 0
    }

    /// Takes the next changes to send: one message's worth, or none if nothing waits or a send window is full.
    /// `change` reads an entry; one for which it returns `None` is left out.
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

    /// How many of the batches in flight have arrived, as the other side's heads show.
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
                // The heads are far above what was sent, so at least the oldest batch has had time to arrive.
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
