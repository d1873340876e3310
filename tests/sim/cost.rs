//! Costs: bytes on the wire, and work in the store, in small meshes without faults. `cargo test --test sim
//! cost -- --nocapture` prints the figures.

use peer_engine::engine::Draft;
use peer_engine::id::PeerId;

use crate::QUIET_US;
use crate::faults::Plant;
use crate::options::Options;
use crate::world::{Happening, World};

pub fn options(peers: usize) -> Options {
    Options {
        seed: 1,
        peers,
        latency_us: 5_000,
        jitter_us: 2_000,
        commit_us_max: 1_000,
        fault_ms: 0,
        faults: 0,
        bursts: 0,
        burst_max: 1,
        body_max: 1,
        skew_ms_max: 0,
        groups: 1,
        sqlite: false,
        rogue: false,
    }
}

/// Traffic without pings, and work in the stores, during a period.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub bytes: u64,
    pub frames: u64,
    change_bytes: u64,
    pub bodies: u64,
    walked: u64,
    nodes: u64,
    finds: u64,
}

impl World {
    /// Runs until all peers are in sync and have nothing more to send.
    pub fn settle(&mut self) {
        for _ in 0..600 {
            self.run_until(self.now_us + 1_000_000);
            assert_eq!(self.record.failure, None);
            if self.record.last_talk_us + QUIET_US < self.now_us && self.running_are_level() {
                return;
            }
        }
        panic!("does not become level: {}", self.record.last_talk);
    }

    pub fn running_are_level(&self) -> bool {
        let (_, group) = (0, crate::workload::group_name(0));
        let running = self.running();
        let members = self.members(&group).into_iter().filter(|(index, _)| running.contains(index));
        let histories: Vec<_> = members
            .map(|(index, no)| {
                self.peers[index].disk.borrow().store.history(self.mesh, no).unwrap_or_default()
            })
            .collect();
        histories.windows(2).all(|pair| pair[0] == pair[1])
    }

    pub fn begin(&mut self, peer: usize) {
        self.at(self.now_us, Happening::Start { peer });
        self.run_until(self.now_us);
    }

    pub fn write(&mut self, peer: usize, from: usize, count: usize) {
        let Some((_, id)) = self.group(peer, 0) else { panic!("peer {peer} is in no group") };
        let bodies: Vec<String> = (from..from + count)
            .map(|number| format!("message {number} of peer {peer}, as long as people write on the average"))
            .collect();
        for part in bodies.chunks(1000) {
            let drafts = part.iter().map(|body| Draft { body: body.clone(), ..Draft::default() }).collect();
            self.write_drafts(peer, id, drafts);
        }
        self.run_until(self.now_us + 100_000);
    }

    pub fn meet(&mut self, guest: usize, host: usize) {
        self.invite(host, guest);
    }

    pub fn entries(&self, peer: usize) -> u64 {
        self.group(peer, 0).map_or(0, |(no, _)| {
            let rows = self.peers[peer].disk.borrow().store.groups().unwrap_or_default();
            rows.into_iter().find(|row| row.no == no).map_or(0, |row| row.entries)
        })
    }

    pub fn total(&self) -> Cost {
        let calls = |read: fn(&crate::disk::Calls) -> u64| {
            self.peers.iter().map(|peer| read(&peer.disk.borrow().calls)).sum()
        };
        Cost {
            bytes: self.record.bytes,
            frames: self.record.frames,
            change_bytes: self.record.change_bytes,
            bodies: self.record.bodies.values().map(|times| u64::from(*times)).sum(),
            walked: calls(|calls| calls.walked.get()),
            nodes: calls(|calls| calls.node.get()),
            finds: calls(|calls| calls.find.get()),
        }
    }

    pub fn measure(&mut self, act: impl FnOnce(&mut World)) -> Cost {
        let before = self.total();
        act(self);
        self.settle();
        self.total() - before
    }
}

impl std::ops::Sub for Cost {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            frames: self.frames - before.frames,
            change_bytes: self.change_bytes - before.change_bytes,
            bodies: self.bodies - before.bodies,
            walked: self.walked - before.walked,
            nodes: self.nodes - before.nodes,
            finds: self.finds - before.finds,
        }
    }
}

/// Two peers with a common history of this many messages.
fn old_friends(messages: usize) -> World {
    let mut world = World::idle(options(3), Plant::None);
    world.begin(0);
    world.settle();
    world.write(0, 0, messages);
    world.begin(1);
    world.meet(1, 0);
    world.settle();
    assert!(world.entries(1) >= messages as u64);
    world
}

/// The cost of catching up on ten messages: one peer is behind, both are apart, one is behind after both
/// crashed, and with a peer never met before.
fn rejoin(messages: usize) -> [Cost; 5] {
    let mut world = old_friends(messages);
    // The shared heads are stored every few seconds.
    world.run_until(world.now_us + 8_000_000);
    world.crash(1);
    world.run_until(world.now_us + 30_000_000);
    world.write(0, messages, 10);
    let behind = world.measure(|world| world.begin(1));
    world.run_until(world.now_us + 8_000_000);

    world.crash(0);
    world.write(1, messages, 10);
    world.crash(1);
    world.begin(0);
    world.write(0, messages + 20, 10);
    let apart = world.measure(|world| world.begin(1));

    // Neither learns of the other's end when both die.
    world.write(0, messages + 30, 10);
    world.run_until(world.now_us + 8_000_000);
    world.crash(0);
    world.crash(1);
    world.begin(0);
    world.write(0, messages + 40, 10);
    world.crash(0);
    world.begin(1);
    world.write(1, messages + 40, 10);
    let crashed = world.measure(|world| world.begin(0));

    world.crash(1);
    let copy = |world: &World| world.peers[0].disk.borrow().copy().expect("memory does not fail");
    let before = copy(&world);
    let again = copy(&world);
    world.write(0, messages + 50, 10);
    *world.peers[2].disk.borrow_mut() = before;
    forget_shared(&world, 2, 0);
    world.peers[2].started = true;
    let stranger = world.measure(|world| {
        world.begin(2);
        world.meet(2, 0);
    });

    world.crash(2);
    *world.peers[2].disk.borrow_mut() = again;
    forget_shared(&world, 2, 0);
    forget_shared(&world, 0, 2);
    world.begin(2);
    world.block(0, 2, 3_000_000);
    world.write(2, messages + 60, 10);
    let strangers = world.measure(|world| world.meet(2, 0));
    [behind, apart, crashed, stranger, strangers]
}

fn forget_shared(world: &World, peer: usize, other: usize) {
    let Some((group, _)) = world.group(peer, 0) else { return };
    let other: PeerId = world.peers[other].identity.peer();
    let disk = &mut world.peers[peer].disk.borrow_mut().store;
    disk.set_shared_heads(&other, group, &[]).and_then(|()| disk.commit()).expect("memory does not fail");
}

#[test]
fn cost_of_a_rejoin_follows_what_was_missed() {
    let names = ["behind", "apart", "apart after crashes", "a stranger, behind", "a stranger, apart"];
    let (small, large) = (rejoin(1_000), rejoin(50_000));
    for ((name, small), large) in names.iter().zip(&small).zip(&large) {
        println!("{name}: {small:?}\n    and with 50 times the history: {large:?}");
    }
    for at in 0..4 {
        let most = small[at].bytes * 11 / 10 + 500;
        assert!(large[at].bytes <= most, "{}: {} B, not {}", names[at], large[at].bytes, small[at].bytes);
        assert!(large[at].bytes < 12_000, "{}: {} B", names[at], large[at].bytes);
        assert!(large[at].walked < 500, "{}: walks {} entries", names[at], large[at].walked);
    }
    // Two strangers that both have entries of their own describe all that they have: 10 bits for an entry.
    assert!(large[4].bytes < 160_000, "{} B", large[4].bytes);
}

#[test]
fn cost_of_a_catch_up_follows_its_length() {
    let catch_up = |messages: usize| {
        let mut world = World::idle(options(2), Plant::None);
        world.begin(0);
        world.settle();
        world.write(0, 0, messages);
        let cost = world.measure(|world| {
            world.begin(1);
            world.meet(1, 0);
        });
        println!("catch-up of {messages}: {cost:?}");
        assert!(world.record.bodies.values().all(|times| *times == 1), "a body crosses the link twice");
        cost
    };
    let (small, large) = (catch_up(2_000), catch_up(20_000));
    for (name, small, large) in [
        ("bytes", small.bytes, large.bytes),
        ("frames", small.frames, large.frames),
        ("walked", small.walked, large.walked),
        ("nodes", small.nodes, large.nodes),
        ("finds", small.finds, large.finds),
    ] {
        assert!(large <= small * 11, "{name}: {small} for 2,000 and {large} for 20,000");
    }
}

#[test]
fn cost_of_talk_in_a_healthy_mesh() {
    let mut world = World::idle(options(4), Plant::None);
    world.begin(0);
    world.settle();
    for guest in 1..4 {
        world.begin(guest);
        world.meet(guest, 0);
        world.settle();
    }
    let cost = world.measure(|world| {
        for round in 0..1_000 {
            for peer in 0..4 {
                let Some((_, id)) = world.group(peer, 0) else { panic!("in no group") };
                let body = format!("message {round} of peer {peer}, as long as people write on the average");
                let drafts = vec![Draft { body, ..Draft::default() }];
                world.write_drafts(peer, id, drafts);
                let pause = world.rng.between(0, 5_000);
                world.run_until(world.now_us + pause);
            }
        }
    });
    let delivered = 4_000 * 3;
    println!("4 peers, 1,000 messages each: {cost:?}");
    println!(
        "per delivered message: {} B, {:.2} frames, {:.3} bodies",
        cost.bytes / delivered,
        cost.frames as f64 / delivered as f64,
        cost.bodies as f64 / delivered as f64,
    );
    assert!(cost.bodies * 10 <= delivered * 11, "{} bodies for {delivered} deliveries", cost.bodies);
    assert!(cost.frames <= delivered * 4, "{} frames for {delivered} deliveries", cost.frames);
}
