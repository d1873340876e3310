//! How cost grows with the number of peers in a full mesh. `cargo test --release --test sim scale --
//! --ignored --nocapture` prints the figures in a few minutes; every run checks the smaller meshes against
//! the same shape.
//!
//! For each delivery of a message of 55 bytes (350 as a change), pings not counted:
//!
//! | peers | one message in 100 ms | one message in 2 s |
//! |------:|----------------------:|-------------------:|
//! |     4 | 490 B, 2.6 frames     | 561 B, 3.5 frames  |
//! |    10 | 526 B, 3.0 frames     | 654 B, 4.9 frames  |
//! |    30 | 544 B, 3.0 frames     | 662 B, 5.0 frames  |
//! |   100 | 640 B, 3.1 frames     | 666 B, 5.0 frames  |
//!
//! The body crosses one link for each delivery, and the receiver acknowledges it to its author with heads;
//! the rest are announcements to three peers. Before peers compared digests with their pings, every peer
//! announced to all others:
//!
//! | peers | one message in 100 ms | one message in 2 s |
//! |------:|----------------------:|-------------------:|
//! |     4 | 491 B, 2.6 frames     | 589 B, 4 frames    |
//! |    12 | 686 B, 5.3 frames     | 1155 B, 12 frames  |
//! |    30 | 1118 B, 11 frames     | 2442 B, 30 frames  |
//! |   100 | 2823 B, 35 frames     |                    |
//!
//! After a partition into halves that lasted 100 s and in which each side wrote 100 messages, every peer has
//! all of them before the last pair is linked again; bodies cross once. The rest is the cost of linking,
//! which grows with the number of links:
//!
//! | peers | all linked after | for each delivery  |
//! |------:|-----------------:|-------------------:|
//! |    10 | 2.3 s            | 399 B, 0.4 frames  |
//! |    30 | 3.5 s            | 993 B, 1.9 frames  |
//! |   100 | 4.7 s            | 7182 B, 16 frames  |
//!
//! Linking takes about 2 kB for each link among 10 peers, 9 kB among 30 and 27 kB among 100: on each link a
//! peer tells of all peers that it knows.
//!
//! Two peers have no link to each other, but all others are linked to both: a message from one takes 530 ms
//! (median) to the other among 10, 30 and 100 peers. If their link has fallen silent without being noticed it
//! takes as long; the slowest of 40 messages took 815 ms among 10 peers and 1.3 s among 30. Of that, 250 ms
//! pass until a peer announces the message, and 250 ms until it is requested.

use crate::cost::{Cost, options};
use crate::faults::Plant;
use crate::world::World;

/// A full mesh with one group, in sync and quiet.
fn full_mesh(peers: usize) -> World {
    let mut world = World::idle(options(peers), Plant::None);
    for guest in 0..peers {
        world.begin(guest);
        if guest > 0 {
            world.meet(guest, guest - 1);
        }
        world.join(guest, 0);
        world.run_until(world.now_us + 3_000_000);
    }
    world.settle();
    assert_eq!(world.check_mesh(), Ok(()));
    world
}

/// Bytes, frames and bodies for each delivery, when a random peer writes at this interval.
fn talk(world: &mut World, messages: usize, pause_us: u64) -> [f64; 3] {
    let peers = world.peers.len();
    let cost = world.measure(|world| {
        for round in 0..messages {
            let peer = world.rng.index(peers);
            world.write(peer, round, 1);
            world.run_until(world.now_us + pause_us - 100_000.min(pause_us));
        }
    });
    let each = each(cost, messages * (peers - 1));
    let [bytes, frames, bodies] = each;
    println!(
        "{peers:>3} peers, one message in {:>4} ms: {bytes:>5.0} B {frames:>5.2} frames {bodies:>5.3} bodies",
        pause_us / 1000
    );
    each
}

fn each(cost: Cost, deliveries: usize) -> [f64; 3] {
    [cost.bytes, cost.frames, cost.bodies].map(|sum| sum as f64 / deliveries as f64)
}

/// Two halves write while partitioned, and are joined again. Returns the costs for each delivery.
fn heal(world: &mut World, messages: usize) -> [f64; 3] {
    let peers = world.peers.len();
    for a in 0..peers / 2 {
        for b in peers / 2..peers {
            world.separate(a, b, 100_000);
        }
    }
    world.run_until(world.now_us + 30_000_000);
    for round in 0..messages {
        world.write(round % (peers / 2), round, 1);
        world.write(peers / 2 + round % (peers - peers / 2), round, 1);
    }
    world.run_until(world.now_us + 30_000_000);
    let healed_us = world.blocked.values().copied().max().unwrap_or(world.now_us);
    world.run_until(healed_us);
    assert!(!world.running_are_level(), "the halves were not apart");
    world.blocked.clear();
    let before = world.total();
    let (mut linked_us, mut level_us) = (None, None);
    while linked_us.is_none() || level_us.is_none() {
        world.run_until(world.now_us + 20_000);
        let links = world.wires.values().filter(|wire| wire.up == [true; 2]).count();
        if links >= peers * (peers - 1) / 2 {
            linked_us.get_or_insert(world.now_us - healed_us);
        }
        if level_us.is_none() && world.running_are_level() {
            level_us = Some(world.now_us - healed_us);
        }
        assert!(world.now_us < healed_us + 120_000_000, "does not heal");
    }
    world.settle();
    assert_eq!(world.check_mesh(), Ok(()));
    let each = each(world.total() - before, messages * peers);
    let [bytes, frames, bodies] = each;
    println!(
        "{peers:>3} peers healed: level after {} ms, linked after {} ms, {bytes:.0} B {frames:.2} frames {bodies:.3} bodies",
        level_us.unwrap_or(0) / 1000,
        linked_us.unwrap_or(0) / 1000,
    );
    each
}

/// The times that messages of the first peer take to the second, in milliseconds, ascending.
fn bridge(world: &mut World, messages: usize, silent: bool) -> Vec<u64> {
    let mut times = Vec::new();
    for round in 0..messages {
        if silent {
            // Before a peer notices.
            world.settle();
        }
        if silent || round == 0 {
            let links = world.links_between(0, 1);
            for link in links {
                if silent { world.half_open(link) } else { world.cut(link) }
            }
            world.block(0, 1, if silent { 15_000_000 } else { 10_000_000_000 });
            world.run_until(world.now_us + 2_000_000);
        }
        let pause = world.rng.between(0, 5_000_000);
        world.run_until(world.now_us + pause);
        let before = world.entries(1);
        let began_us = world.now_us;
        world.write(0, round, 1);
        while world.entries(1) == before {
            world.run_until(world.now_us + 5_000);
            assert!(world.now_us < began_us + 20_000_000, "is not told");
        }
        times.push((world.now_us - began_us) / 1000);
        if silent {
            world.run_until(world.now_us + 60_000_000);
        }
    }
    world.blocked.clear();
    times.sort_unstable();
    println!(
        "{:>3} peers, {}: {} ms, {} ms at the most",
        world.peers.len(),
        if silent { "silent link" } else { "no link" },
        times[times.len() / 2],
        times[times.len() - 1]
    );
    times
}

#[test]
fn scale_of_a_delivery_is_flat() {
    for peers in [10, 30] {
        let mut world = full_mesh(peers);
        for pause_us in [100_000, 2_000_000] {
            let [bytes, frames, bodies] = talk(&mut world, 20, pause_us);
            assert!(bodies < 1.05, "{bodies} bodies for a delivery");
            // The body, its receipt, and three announcements.
            assert!(frames < 5.1, "{frames} frames for a delivery among {peers}");
            assert!(bytes < 800.0, "{bytes} B for a delivery among {peers}");
        }
    }
}

#[test]
fn scale_of_a_heal_is_flat() {
    let mut world = full_mesh(10);
    let [bytes, _, bodies] = heal(&mut world, 100);
    assert!(bodies < 1.3, "{bodies} bodies for a delivery");
    assert!(bytes < 1_500.0, "{bytes} B for a delivery");
}

#[test]
fn scale_of_a_detour_is_a_second() {
    let mut world = full_mesh(10);
    for silent in [false, true] {
        let times = bridge(&mut world, 5, silent);
        // Announced after 250 ms and requested after another 250; or found with a ping.
        assert!(times[times.len() / 2] < 1_000, "{times:?}");
    }
}

#[test]
#[ignore = "minutes"]
fn scale_tables() {
    for peers in [10, 30, 100] {
        let mut world = full_mesh(peers);
        talk(&mut world, 50, 100_000);
        talk(&mut world, if peers == 100 { 10 } else { 30 }, 2_000_000);
        heal(&mut world, 100);
        for silent in [false, true] {
            bridge(&mut world, if peers == 100 { 10 } else { 40 }, silent);
        }
    }
}
