//! Runs that have failed once. What a seed does follows from `options.rs` and from the order of the random
//! choices; if these have changed, the seed is one more run like any other.

use crate::run_twice;

/// Seeds, and what was wrong when they failed.
const FAILED: &[(u64, &str)] = &[
    (46, "a look at a peer whose disk was full ended its process"),
    (302_618, "1.15 bodies of 60 KB over one link of a healthy mesh with 80 ms of latency"),
    (20_799, "what waited for a change that a filter had claimed was sent a second time with that change"),
    (
        41_179,
        "a stretch that came to the other side during a pull was asked for one generation at a time, until its orphans had no room",
    ),
];

#[test]
fn regressions_stay_mended() {
    for (seed, what) in FAILED {
        if let Err(failure) = run_twice(*seed) {
            panic!("seed {seed}, which failed before ({what}): {failure}");
        }
    }
}
