//! What goes wrong in a run, and when.

use crate::disk::Disk;
use crate::options::Options;
use crate::rng::Rng;
use crate::world::{Happening, World};

/// A fault that is planted at a seam to see whether a checker finds it. Never part of an ordinary run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    #[default]
    None,
    /// A commit reports success and keeps nothing.
    CommitLies,
    /// A commit reports success and happens with the next one.
    CommitLate,
    /// A restart finds the newest row of every group gone.
    DropRow,
    /// Frames with changes are sent twice.
    DoubleFrames,
    /// Some frames with changes are lost on working links.
    LoseFrames,
    /// Some frames with changes are overtaken by later ones.
    ReorderFrames,
    /// Sent frames count as received at once.
    FalseReceipts,

    /// The first peer alters the bodies that it forwards.
    AlterBody,
    /// A peer writes with the key of another.
    ForgeAuthor,
    /// History is sorted by the author's clock.
    ClockOrders,
    /// One entry is shown twice.
    ShowTwice,
    /// The engine is not told how a dial ended.
    LoseDial,
    /// A peer sends frames without end.
    Chatter,
}

#[derive(Clone, Debug)]
pub enum Fault {
    /// The link between two peers breaks; a suffix of what is under way is lost.
    Cut(usize, usize),
    /// The link goes silent and neither side learns of it.
    HalfOpen(usize, usize),
    /// The link goes silent in one direction.
    OneWay(usize, usize),
    /// These two cannot reach each other, though others can reach both.
    Apart(usize, usize, u64),
    /// The peers in the mask cannot reach the others.
    Partition(u128, u64),
    /// The process dies and loses what it had not committed.
    Crash(usize, u64),
    /// The next commit fails; the process starts again. `true`: what it wrote is on the disk all the same, as
    /// when the machine fails before the commit returns.
    FailCommit(usize, bool),
    /// No commit succeeds for this long.
    DiskFull(usize, u64),
    DiskFree(usize),
    /// The peer reads this many bytes a second from each link, or nothing at all.
    ReadSlowly(usize, u64, u64),
    Backup(usize),
    /// The disk is replaced by its backup; `true`: the process does not notice, and uses the actor again.
    Restore(usize, bool),
    /// The clock jumps by this many milliseconds.
    Jump(usize, i64),
    LeaveForGood(usize),
    LeaveGroup(usize),
}

impl Fault {
    fn choose(options: &Options, rng: &mut Rng) -> Self {
        let one = rng.index(options.peers);
        let other = (one + 1 + rng.index(options.peers - 1)) % options.peers;
        let for_ms = rng.between(100, 25_000);
        match rng.between(0, 99) {
            0..12 => Self::Cut(one, other),
            12..18 => Self::HalfOpen(one, other),
            18..24 => Self::OneWay(one, other),
            24..36 => Self::Apart(one, other, for_ms),
            36..50 => {
                let mask = u128::from(rng.next()) << 64 | u128::from(rng.next());
                Self::Partition(mask & ((1 << options.peers) - 1), for_ms)
            }
            50..60 => Self::Crash(one, for_ms / 3),
            60..65 => Self::ReadSlowly(one, [0, 0, 4_000, 50_000][rng.index(4)], for_ms),
            65..68 => Self::DiskFull(one, for_ms / 3),
            68..74 => Self::FailCommit(one, rng.chance(50)),
            74..80 => Self::Backup(one),
            80..86 => Self::Restore(one, rng.chance(50)),
            86..94 => {
                Self::Jump(one, rng.between(0, 2 * options.skew_ms_max) as i64 - options.skew_ms_max as i64)
            }
            94..97 => Self::LeaveGroup(one),
            _ => Self::LeaveForGood(one),
        }
    }
}

/// The faults of a run and their times, in microseconds, ascending.
pub fn plan(options: &Options, rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults: Vec<(u64, Fault)> = (0..options.faults)
        .map(|_| (rng.between(0, options.fault_ms * 1000), Fault::choose(options, rng)))
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

impl World {
    pub fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(a, b) => self.break_links(a, b, World::cut),
            Fault::HalfOpen(a, b) => self.break_links(a, b, World::half_open),
            Fault::OneWay(a, b) => self.break_links(a, b, World::one_way),
            Fault::Apart(a, b, for_ms) => self.separate(a, b, for_ms),
            Fault::Partition(mask, for_ms) => {
                for a in 0..self.peers.len() {
                    for b in a + 1..self.peers.len() {
                        if (mask >> a) & 1 != (mask >> b) & 1 {
                            self.separate(a, b, for_ms);
                        }
                    }
                }
            }
            Fault::Crash(peer, for_ms) => {
                if self.peers[peer].engine.is_some() {
                    self.crash(peer);
                    self.start_later(peer, for_ms * 1000);
                }
            }
            Fault::FailCommit(peer, kept) => self.peers[peer].disk.borrow_mut().fail_commit = Some(kept),
            Fault::DiskFull(peer, for_ms) => {
                self.peers[peer].disk.borrow_mut().full = true;
                self.at(self.now_us + for_ms * 1000, Happening::Fault(Fault::DiskFree(peer)));
            }
            Fault::DiskFree(peer) => self.peers[peer].disk.borrow_mut().full = false,
            Fault::ReadSlowly(peer, bytes_per_s, for_ms) => {
                self.reading.insert(peer, (self.now_us + for_ms * 1000, bytes_per_s));
                self.record.slow.insert(peer);
            }
            Fault::Backup(peer) => {
                if self.peers[peer].started && !self.peers[peer].gone {
                    let copy = self.peers[peer].disk.borrow().copy();
                    match copy {
                        Ok(copy) => self.peers[peer].backup = Some(copy),
                        Err(error) => self.record.fail(format!("the backup of peer {peer} fails: {error}")),
                    }
                }
            }
            Fault::Restore(peer, unnoticed) => self.restore(peer, unnoticed),
            Fault::Jump(peer, by_ms) => self.peers[peer].skew_ms += by_ms,
            Fault::LeaveForGood(peer) => {
                let left = self.peers.iter().filter(|peer| !peer.gone).count();
                if left > 2 && self.peers[peer].started {
                    self.crash(peer);
                    self.peers[peer].gone = true;
                }
            }
            Fault::LeaveGroup(peer) => self.leave_group(peer),
        }
    }

    fn break_links(&mut self, a: usize, b: usize, break_one: fn(&mut World, peer_engine::sync::LinkId)) {
        for link in self.links_between(a, b) {
            break_one(self, link);
        }
    }

    pub fn separate(&mut self, a: usize, b: usize, for_ms: u64) {
        let silently = self.rng.chance(40);
        self.break_links(a, b, if silently { World::half_open } else { World::cut });
        self.block(a, b, for_ms * 1000);
    }

    /// From here on everything works, and the rogue has gone.
    pub fn heal(&mut self) {
        self.blocked.clear();
        self.reading.clear();
        if let Some(rogue) = self.rogue.filter(|rogue| !self.peers[*rogue].gone) {
            self.crash(rogue);
            self.peers[rogue].gone = true;
        }
        for peer in &self.peers {
            let mut disk = peer.disk.borrow_mut();
            disk.full = false;
            disk.fail_commit = None;
        }
        for (link, end) in self.wires.keys().flat_map(|link| [(*link, 0), (*link, 1)]).collect::<Vec<_>>() {
            self.read_all(link, end);
        }
    }

    fn restore(&mut self, peer: usize, unnoticed: bool) {
        if self.peers[peer].gone {
            return;
        }
        let Some(Ok(backup)) = self.peers[peer].backup.as_ref().map(Disk::copy) else { return };
        self.crash(peer);
        let lost = self.peers[peer].disk.borrow().durable.len() > backup.durable.len();
        self.peers[peer].may_lack |= lost;
        *self.peers[peer].disk.borrow_mut() = backup;
        if !unnoticed {
            self.peers[peer].stamp = self.peers[peer].stamp.wrapping_add(1);
        }
        self.start_later(peer, 1000);
    }
}
