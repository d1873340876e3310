//! Faults planted on purpose: each must be caught.

use peer::group::GroupNo;

use crate::disk::Disk;
use crate::faults::Plant;
use crate::options::Options;
use crate::run;

/// Takes the newest committed entry of every group off the disk.
pub fn drop_row(disk: &mut Disk) {
    let _ = (disk, GroupNo(0));
}

/// Changes one letter of a body within a frame.
pub fn alter(frame: &mut [u8]) {
    if let Some(last) = frame.iter().rposition(|byte| *byte == b'x') {
        frame[last] = b'y';
    }
}

fn caught(plant: Plant, seeds: std::ops::Range<u64>) -> String {
    let mut options: Vec<Options> = seeds.map(Options::from_seed).collect();
    for options in &mut options {
        options.body_max = options.body_max.max(80);
    }
    let failures: Vec<String> = options.into_iter().filter_map(|options| run(options, plant).err()).collect();
    assert!(!failures.is_empty(), "{plant:?} was not caught");
    failures.into_iter().next().unwrap_or_default()
}

#[test]
fn a_commit_that_lies_is_caught() {
    let failure = caught(Plant::CommitLies, 0..3);
    assert!(failure.contains("before it was durable"), "{failure}");
}
