//! Whole meshes in one thread, in simulated time, from a seed: first come faults, then everything is healed
//! and the mesh has to become level (all peers have the same entries) and quiet within bounded time.
//!
//! - `cargo test --test sim` runs 200 seeds, each twice, and checks that both runs are the same.
//! - `PEER_SIM_SEED=17 cargo test --test sim seeds` runs one seed again and prints its options; with
//!   `PEER_SIM_LOUD=1` and `-- --nocapture` also every event. A failure prints this line.
//! - `PEER_SIM_SEEDS=10000 cargo test --release --test sim seeds -- --nocapture` runs many, and prints
//!   progress and failures as it goes; `PEER_SIM_FROM` is the first seed.
//! - `cargo test --release --test sim scale -- --ignored --nocapture` prints a message's cost in large meshes.
//!
//! On 2026-11-28, with all faults in this directory, the seeds from 40,000 to 49,999: all level and quiet, at
//! most 28.3 s after the last fault, with 1,560,642 entries and 1.137 bodies for each delivery.
//!
//! | file | |
//! |---|---|
//! | `options`, `rng` | what a run is like, from its seed |
//! | `world`, `network`, `disk` | time, processes, links and stores: everything that the engine does not do itself |
//! | `workload`, `faults`, `rogue` | what people do, what goes wrong, and who does not mean well |
//! | `record`, `checkers` | what is written down, and what must hold; computed without the engine's own code |
//! | `teeth` | faults planted at the seams, each of which a checker finds |
//! | `ahead` | what a newcomer is shown of a large group at once |
//! | `regressions` | seeds that have failed once |
//! | `cost`, `scale` | bytes, frames and work, in small meshes and in large ones |

mod ahead;
mod checkers;
mod cost;
mod disk;
mod faults;
mod network;
mod options;
mod record;
mod regressions;
mod rng;
mod rogue;
mod scale;
mod teeth;
mod workload;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use faults::Plant;
use options::Options;
use record::Trace;
use world::{Happening, World};

/// All peers must be level and quiet within this time after the last fault, in microseconds.
const HEAL_US_MAX: u64 = 150_000_000;
/// The mesh counts as quiet when no peer has sent anything for this long: longer than between two pings, with
/// which peers find out what they have not told each other.
const QUIET_US: u64 = 6_000_000;

#[derive(Debug, Clone, Copy)]
pub struct Report {
    pub trace: Trace,
    pub healed_us: u64,
    pub entries: usize,
    /// Bodies that crossed links, and how many would have been enough.
    pub bodies: u64,
    pub deliveries: u64,
}

/// One run: faults, then none, then the checkers.
pub fn run(options: Options, plant: Plant) -> Result<Report, String> {
    let mut world = World::new(options, plant);
    world.record.loud = variable("PEER_SIM_LOUD").is_some();
    run_world(&mut world)
}

fn run_world(world: &mut World) -> Result<Report, String> {
    // The last restarts and returns are over 9 s after the last fault.
    let heal_us = world.options.fault_ms * 1000 + 9_000_000;
    world.run_until(heal_us);
    world.heal();
    for peer in 0..world.peers.len() {
        world.at(heal_us, Happening::Start { peer });
    }
    world.run_until(heal_us + 1_000_000);
    let survivors = world.survivors();
    world.invite_the_stranded();
    for peer in world.running() {
        for group in 0..world.options.groups {
            world.join(peer, group);
        }
    }
    let healed_us = loop {
        world.run_until(world.now_us + 1_000_000);
        if let Some(failure) = &world.record.failure {
            return Err(failure.clone());
        }
        let quiet = world.record.last_talk_us + QUIET_US < world.now_us && world.links_are_sound();
        if quiet && world.is_level() && world.check_mesh().is_ok() {
            break world.record.last_talk_us.max(heal_us) - heal_us;
        }
        if world.now_us > heal_us + HEAL_US_MAX {
            world.check_mesh()?;
            world.check(&survivors)?;
            if !world.links_are_sound() {
                return Err("a dead link is still held".to_owned());
            }
            return Err(format!("not quiet: {}", world.record.last_talk));
        }
    };
    world.check(&survivors)?;
    if world.options.faults == 0 {
        world.check_traffic()?;
    }
    let (talked_us, until_us) = (world.record.last_talk_us, world.now_us + 40_000_000);
    world.run_until(until_us);
    if world.record.last_talk_us != talked_us {
        return Err(format!("talks on when level: {}", world.record.last_talk));
    }
    if let Some(failure) = &world.record.failure {
        return Err(failure.clone());
    }
    let others = world.running().len() as u64 - 1;
    Ok(Report {
        trace: world.record.trace,
        healed_us,
        entries: survivors.values().map(|entries| entries.len()).sum(),
        bodies: world.record.bodies.values().map(|times| u64::from(*times)).sum(),
        deliveries: survivors.values().map(|entries| entries.len() as u64).sum::<u64>() * others,
    })
}

fn run_twice(seed: u64) -> Result<Report, String> {
    let options = Options::from_seed(seed);
    let first = run(options.clone(), Plant::None).map_err(|failure| {
        format!("{failure}\n  replay: PEER_SIM_SEED={seed} cargo test --test sim seeds   ({options:?})")
    })?;
    match run(options, Plant::None) {
        Ok(second) if second.trace == first.trace => Ok(first),
        _ => Err(format!("seed {seed} does not replay")),
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn seeds() {
    if let Some(seed) = variable("PEER_SIM_SEED") {
        println!("{:?}", Options::from_seed(seed));
        match run_twice(seed) {
            Ok(report) => println!("{report:?}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let first = variable("PEER_SIM_FROM").unwrap_or(0);
    let count = variable("PEER_SIM_SEEDS").unwrap_or(200);
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let outcomes: Vec<Result<Report, String>> = std::thread::scope(|scope| {
        let work = || {
            let mut outcomes = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return outcomes;
                }
                let outcome = std::panic::catch_unwind(|| run_twice(seed));
                let outcome = outcome.unwrap_or_else(|_| Err("panics".to_owned()));
                let outcome = outcome.map_err(|failure| format!("seed {seed}: {failure}"));
                match &outcome {
                    Err(failure) => println!("{failure}"),
                    Ok(_) if (seed + 1).is_multiple_of(500) => println!("seed {seed} holds"),
                    Ok(_) => {}
                }
                outcomes.push(outcome);
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a worker does not panic")).collect()
    });
    let reports: Vec<&Report> = outcomes.iter().flatten().collect();
    let sum = |part: fn(&Report) -> u64| reports.iter().map(|report| part(report)).sum::<u64>();
    println!(
        "{count} seeds, {} entries, {:.3} bodies for each delivery, level and quiet {} ms after the last fault at the latest",
        sum(|report| report.entries as u64),
        sum(|report| report.bodies) as f64 / sum(|report| report.deliveries).max(1) as f64,
        reports.iter().map(|report| report.healed_us / 1000).max().unwrap_or(0),
    );
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {count} seeds failed:\n{}", failures.len(), failures.join("\n"));
}
