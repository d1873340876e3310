//! Faults planted on purpose, at the seams between engine, disk, network and reader: each must be caught.

use peer_engine::change::{Genesis, Unverified};
use peer_engine::group::{EntryNo, Verdict, admit};
use peer_engine::id::MeshId;
use peer_engine::store::{MemoryStore, Store};
use peer_engine::wire::frame::Control;

use crate::disk::{Backing, Disk};
use crate::faults::{Fault, Plant};
use crate::options::Options;
use crate::run;
use crate::workload::Say;
use crate::world::World;

/// Removes the newest row of every group from the disk.
pub fn drop_row(mesh: MeshId, disk: &mut Disk) {
    let old = std::mem::replace(&mut disk.store, Backing::Memory(Box::default()));
    let mut new = MemoryStore::new();
    for row in old.groups().unwrap_or_default() {
        let genesis = Genesis::public(mesh, row.name);
        let Ok(no) = new.add_group(&genesis, row.joined) else { continue };
        for entry in 1..row.entries {
            let bytes = old.change(row.no, EntryNo(entry)).unwrap_or_default();
            let verified = Unverified::decode(&bytes).ok().and_then(|change| change.verify(row.id).ok());
            let Some(verified) = verified else { continue };
            if let Ok(Verdict::Admitted(admitted)) = admit(&new, no, verified) {
                new.append(no, &admitted).unwrap_or_default();
            }
        }
    }
    for peer in old.peers().unwrap_or_default() {
        new.put_peer(&peer).unwrap_or_default();
    }
    new.commit().unwrap_or_default();
    disk.store = Backing::Memory(Box::new(new));
}

/// Changes one letter of a body within a frame.
pub fn alter(frame: &mut [u8]) {
    if let Some(last) = frame.iter().rposition(|byte| *byte == b'x') {
        frame[last] = b'y';
    }
}

/// Sends a frame that nobody asked for.
pub fn chatter(world: &mut World, peer: usize) {
    let links: Vec<_> = world.wires.iter().filter(|(_, wire)| wire.ends.contains(&peer)).collect();
    let links: Vec<_> = links.into_iter().map(|(link, _)| *link).collect();
    for link in links {
        world.send(peer, link, &Control::Unsubscribe { groups: Vec::new() }.into());
    }
}

/// The checkers' report on the first run in which they find a failure.
fn caught(plant: Plant, choose: fn(&mut Options)) -> String {
    let runs = (0..8).map(|seed| {
        let mut options = Options::from_seed(seed);
        options.peers = options.peers.min(4);
        options.bursts = options.bursts.min(10);
        options.burst_max = options.burst_max.min(3);
        options.body_max = 80;
        options.rogue = false;
        choose(&mut options);
        assert!(run(options.clone(), Plant::None).is_ok(), "fails without the planted fault");
        run(options, plant).err()
    });
    runs.flatten().next().unwrap_or_else(|| panic!("{plant:?} is not caught"))
}

#[test]
fn teeth_a_commit_that_lies() {
    let failure = caught(Plant::CommitLies, |_| {});
    assert!(failure.contains("before it"), "{failure}");
}

#[test]
fn teeth_a_commit_that_comes_late() {
    let failure = caught(Plant::CommitLate, |_| {});
    assert!(failure.contains("before it"), "{failure}");
}

#[test]
fn teeth_a_row_dropped_on_restart() {
    let failure = caught(Plant::DropRow, |options| options.faults = 16);
    assert!(failure.contains("which was durable"), "{failure}");
}

#[test]
fn teeth_a_doubled_effect() {
    let failure = caught(Plant::DoubleFrames, |options| options.faults = 0);
    assert!(failure.contains("bodies between"), "{failure}");
}

#[test]
fn teeth_a_lost_effect() {
    let failure = caught(Plant::LoseFrames, |options| options.faults = 0);
    assert!(failure.contains("level") || failure.contains("shows"), "{failure}");
}

#[test]
fn teeth_a_reordered_effect() {
    let failure = caught(Plant::ReorderFrames, |options| options.faults = 0);
    assert!(failure.contains("out of turn"), "{failure}");
}

#[test]
fn teeth_receipts_for_what_was_not_read() {
    let wait_for_a_wedged_reader = |plant| {
        let mut world = World::idle(crate::cost::options(2), plant);
        for peer in 0..2 {
            world.begin(peer);
            world.join(peer, 0);
        }
        world.meet(1, 0);
        world.settle();
        world.suffer(Fault::ReadSlowly(1, 0, 15_000));
        world.say(Say { peer: 0, group: 0, messages: 65, body_bytes: 60_000, together: false });
        world.run_until(world.now_us + 5_000_000);
        world.inspect();
        world.record.failure
    };
    assert_eq!(wait_for_a_wedged_reader(Plant::None), None);
    let failure = wait_for_a_wedged_reader(Plant::FalseReceipts);
    assert!(failure.as_ref().is_some_and(|what| what.contains("wait on link")), "{failure:?}");
}

#[test]
fn teeth_an_altered_body() {
    let failure = caught(Plant::AlterBody, |options| options.faults = 0);
    let signs = ["level", "links", "shows", "says of"];
    assert!(signs.iter().any(|sign| failure.contains(sign)), "{failure}");
}

#[test]
fn teeth_a_forged_author() {
    let failure = caught(Plant::ForgeAuthor, |_| {});
    assert!(failure.contains("never wrote"), "{failure}");
}

#[test]
fn teeth_a_clock_used_for_order() {
    let failure = caught(Plant::ClockOrders, |options| options.skew_ms_max = 3_600_000);
    assert!(failure.contains("are right"), "{failure}");
}

#[test]
fn teeth_an_entry_shown_twice() {
    let failure = caught(Plant::ShowTwice, |_| {});
    assert!(failure.contains("are right"), "{failure}");
}

#[test]
fn teeth_a_dial_that_never_ends() {
    let failure = caught(Plant::LoseDial, |_| {});
    assert!(failure.contains("has links"), "{failure}");
}

#[test]
fn teeth_a_peer_that_never_falls_silent() {
    let failure = caught(Plant::Chatter, |_| {});
    assert!(failure.contains("quiet") || failure.contains("talks on"), "{failure}");
}
