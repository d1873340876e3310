//! Token buckets: a burst, and a refill over time. The time comes in as an argument.

use crate::time::Now;

/// A token bucket. One expense of any size may overdraw it; the debt is refilled first.
#[derive(Clone, Copy, Debug)]
pub struct Ration {
    most: i64,
    /// Tokens added every `every_us`.
    more: i64,
    every_us: u64,
    left: i64,
    filled_us: u64,
}

impl Ration {
    /// A full bucket of `most` tokens that refills by `more` every `every_ms` milliseconds.
    pub fn new(most: u64, more: u64, every_ms: u64, now: Now) -> Self {
        let signed = |amount| i64::try_from(amount).unwrap_or(i64::MAX);
        let (most, every_us) = (signed(most), every_ms.max(1) * 1000);
        Self { most, more: signed(more), every_us, left: most, filled_us: now.ticks_us }
    }

    /// Whether anything is left.
    pub fn is_left(&mut self, now: Now) -> bool {
        self.fill(now);
        self.left > 0
    }

    /// Takes one token; false if none is left.
    pub fn take(&mut self, now: Now) -> bool {
        let left = self.is_left(now);
        self.left -= i64::from(left);
        left
    }

    /// Takes `amount` tokens, into debt if fewer are left.
    pub fn spend(&mut self, amount: u64, now: Now) {
        self.fill(now);
        self.left = self.left.saturating_sub(i64::try_from(amount).unwrap_or(i64::MAX));
    }

    /// The tick, in microseconds, at which a token is left again; `None` if one is left now.
    pub fn due_us(&self) -> Option<u64> {
        let lacking = u64::try_from(1 - self.left).ok().filter(|lacking| *lacking > 0)?;
        let rounds = lacking.div_ceil(self.more.unsigned_abs().max(1));
        Some(self.filled_us.saturating_add(rounds.saturating_mul(self.every_us)))
    }

    fn fill(&mut self, now: Now) {
        let rounds = now.ticks_us.saturating_sub(self.filled_us) / self.every_us;
        self.filled_us += rounds * self.every_us;
        let more = self.more.saturating_mul(i64::try_from(rounds).unwrap_or(i64::MAX));
        self.left = self.left.saturating_add(more).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ticks_us: ms * 1000, ..Now::default() }
    }

    #[test]
    fn what_is_spent_comes_back_with_time_and_never_beyond_the_whole() {
        let mut ration = Ration::new(2, 1, 100, at(0));
        assert!(ration.take(at(0)) && ration.take(at(1)) && !ration.take(at(99)));
        assert_eq!(ration.due_us(), Some(100_000));
        assert!(ration.take(at(100)) && !ration.take(at(101)));
        assert!(ration.take(at(1_000)) && ration.take(at(1_000)) && !ration.take(at(1_000)));
    }

    #[test]
    fn one_expense_may_overdraw_it_and_is_made_up_for() {
        let mut ration = Ration::new(10, 5, 1_000, at(0));
        ration.spend(40, at(0));
        assert!(!ration.is_left(at(6_000)));
        assert_eq!(ration.due_us(), Some(7_000_000));
        assert!(ration.is_left(at(7_000)));
        ration.spend(u64::MAX, at(7_000));
        assert!(!ration.is_left(at(8_000)));
        assert_eq!(Ration::new(1, 1, 1, at(0)).due_us(), None);
    }
}
