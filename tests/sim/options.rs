//! The options of one run: all are chosen from the seed, and printed when the run fails.

use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub peers: usize,
    pub latency_us: u64,
    pub jitter_us: u64,
    /// Longest time between an event and the commit that covers it.
    pub commit_us_max: u64,
    pub fault_ms: u64,
    pub faults: usize,
    pub bursts: usize,
    pub burst_max: u64,
    pub body_max: u64,
    /// Clocks are wrong by up to this much, in both directions.
    pub skew_ms_max: u64,
    pub groups: usize,
    /// The peers store everything in real database files.
    pub sqlite: bool,
    /// The last peer violates the protocol.
    pub rogue: bool,
}

impl Options {
    /// Usually three to eight peers; in one of 50 seeds up to 30, and in one of 1,000 a hundred. One of 20
    /// uses real files, and about one of 5 has a malicious member.
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6f70_7469_6f6e_7321);
        let days = 86_400_000;
        let options = Self {
            seed,
            peers: rng.between(3, 8) as usize,
            latency_us: [200, 2_000, 20_000, 80_000][rng.index(4)],
            jitter_us: [0, 1_000, 30_000][rng.index(3)],
            commit_us_max: [100, 2_000, 10_000][rng.index(3)],
            fault_ms: rng.between(10_000, 50_000),
            faults: if rng.chance(20) { 0 } else { rng.between(1, 16) as usize },
            bursts: rng.between(5, 40) as usize,
            burst_max: [1, 3, 12, 40][rng.index(4)],
            body_max: [80, 80, 80, 1_000, 60_000][rng.index(5)],
            skew_ms_max: [0, 200, 3_600_000, 9 * days][rng.index(4)],
            groups: rng.between(1, 2) as usize,
            sqlite: false,
            rogue: false,
        };
        match seed % 1000 {
            999 => Self { peers: 100, ..options.small(10_000) },
            part if part % 50 == 49 => Self { peers: rng.between(10, 30) as usize, ..options.small(20_000) },
            part if part % 20 == 9 => Self { sqlite: true, ..options.small(15_000) },
            _ => Self { rogue: options.faults > 0 && rng.chance(25), ..options },
        }
    }

    /// Fewer events where each takes longer.
    fn small(self, fault_ms: u64) -> Self {
        Self {
            fault_ms,
            bursts: self.bursts.min(12),
            burst_max: self.burst_max.min(12),
            body_max: self.body_max.min(1_000),
            commit_us_max: self.commit_us_max.max(2_000),
            ..self
        }
    }
}
