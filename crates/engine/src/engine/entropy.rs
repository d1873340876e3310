//! Random bytes for the engine, from a seed that the driver brings: a simulation replays them.

use sha2::{Digest, Sha256};

#[derive(Clone)]
pub(super) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub fn bytes(&mut self) -> [u8; 8] {
        self.counter += 1;
        let digest =
            Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        bytes
    }

    /// At most `count` of these, each as likely as the others.
    pub fn choose<T>(&mut self, mut from: Vec<T>, count: usize) -> Vec<T> {
        let mut at = 0;
        while from.len() > count && at < count {
            let left = (from.len() - at) as u64;
            from.swap(at, at + (u64::from_le_bytes(self.bytes()) % left) as usize);
            at += 1;
        }
        from.truncate(count);
        from
    }

    /// Between half of `value` and all of it.
    pub fn jitter(&mut self, value: u64) -> u64 {
        let half = value / 2;
        half + u64::from_le_bytes(self.bytes()) % (value - half + 1)
    }
}
