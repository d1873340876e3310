//! What hostile bytes cost: the most memory held at once, and the time.

use std::time::{Duration, Instant};

/// The dearest of many.
#[derive(Default)]
pub struct Cost {
    pub count: u64,
    pub bytes_max: u64,
    pub longest: Duration,
    /// How many took longer than 10 ms, which on a busy machine is mostly waiting.
    pub slow: u64,
}

impl Cost {
    /// Runs `act`, which may hold at most `bytes_max` at once; what it holds afterwards counts.
    #[track_caller]
    pub fn of<T>(&mut self, bytes_max: u64, act: impl FnOnce() -> T) -> T {
        let mut done = None;
        let begun = Instant::now();
        let held = allocation_counter::measure(|| done = Some(act()));
        let elapsed = begun.elapsed();
        self.longest = self.longest.max(elapsed);
        self.slow += u64::from(elapsed > Duration::from_millis(10));
        self.bytes_max = self.bytes_max.max(held.bytes_max);
        self.count += 1;
        assert!(held.bytes_max <= bytes_max, "{} bytes", held.bytes_max);
        done.expect("it has run")
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, bytes_max, longest, slow } = self;
        write!(f, "{count}, each at most {bytes_max} bytes and {longest:?}, {slow} over 10 ms")
    }
}
