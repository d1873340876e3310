//! The cost of hostile bytes: the peak of allocated memory, and CPU time.

use std::time::Duration;

/// The highest costs of many runs.
#[derive(Default)]
pub struct Cost {
    pub count: u64,
    pub bytes_max: u64,
    pub longest: Duration,
    /// How many took longer than 10 ms.
    pub slow: u64,
}

impl Cost {
    /// Runs `act`, and asserts that it allocates at most `bytes_max` at once; what it returns counts.
    #[track_caller]
    pub fn of<T>(&mut self, bytes_max: u64, act: impl FnOnce() -> T) -> T {
        let mut done = None;
        let begun = worked();
        let held = allocation_counter::measure(|| done = Some(act()));
        let elapsed = worked().saturating_sub(begun);
        self.longest = self.longest.max(elapsed);
        self.slow += u64::from(elapsed > Duration::from_millis(10));
        self.bytes_max = self.bytes_max.max(held.bytes_max);
        self.count += 1;
        assert!(held.bytes_max <= bytes_max, "{} bytes", held.bytes_max);
        done.expect("it has run")
    }
}

/// The CPU time of this thread, which excludes the time of other programs.
#[cfg(target_os = "linux")]
fn worked() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("no negative time")
}

/// The wall time since the first call.
#[cfg(not(target_os = "linux"))]
fn worked() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, bytes_max, longest, slow } = self;
        write!(f, "{count}, each at most {bytes_max} bytes and {longest:?}, {slow} over 10 ms")
    }
}
