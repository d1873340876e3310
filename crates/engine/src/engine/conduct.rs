//! Which peers broke the protocol on a link, and for how long links with them are refused.
//!
//! In memory only. It does not affect entries: those of a peer at fault count like all others. Honest peers of another
//! version may break the rules too, so every refusal ends by itself.

use std::collections::BTreeMap;

use crate::id::PeerId;
use crate::limits::{
    CONDUCTS_MAX, FAULT_WAIT_MS_MAX, FAULT_WAIT_MS_MIN, FAULTS_FORGIVEN_MS, LINK_EVERY_MS, LINKS_IN_A_ROW_MAX,
};
use crate::sync::Ration;
use crate::time::{Now, Timestamp};
use crate::wire::close::CloseCode;

/// A violation of the protocol for which a link is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misconduct {
    /// A frame that cannot be decoded, or is out of turn.
    Frame,
    /// A frame or list above its limit.
    TooLarge,
    /// A malformed, wrongly signed or otherwise invalid change.
    Change,
    /// More orphans than the link may have.
    Orphans,
    /// More repeated requests than `ASKED_AGAIN_BYTES_MAX` allows.
    AskedAgain,
    /// More duplicates than `SENT_AGAIN_BYTES_MAX` allows.
    SentAgain,
    /// Reading so slowly that the queue exceeds `LINK_QUEUE_BYTES_MAX`.
    Slow,
}

impl Misconduct {
    /// The violation that a link was closed for; `None` if closing with `code` blames nobody.
    pub fn from_code(code: CloseCode) -> Option<Self> {
        match code {
            CloseCode::Protocol => Some(Self::Frame),
            CloseCode::TooLarge => Some(Self::TooLarge),
            CloseCode::Change => Some(Self::Change),
            CloseCode::Orphans => Some(Self::Orphans),
            CloseCode::Slow => Some(Self::Slow),
            _ => None,
        }
    }

    /// The code with which to close the link.
    pub fn code(self) -> CloseCode {
        match self {
            Self::Frame => CloseCode::Protocol,
            Self::TooLarge => CloseCode::TooLarge,
            Self::Change => CloseCode::Change,
            Self::Orphans => CloseCode::Orphans,
            Self::AskedAgain | Self::SentAgain => CloseCode::Ration,
            Self::Slow => CloseCode::Slow,
        }
    }

    /// What the peer did, to be shown after "it".
    pub fn words(self) -> &'static str {
        match self {
            Self::Frame => "sent what is no frame of the protocol",
            Self::TooLarge => "sent a frame that is too large",
            Self::Change => "sent an invalid change",
            Self::Orphans => "sent more changes with unknown dependencies than there is room for",
            Self::AskedAgain => "asked for the same again and again",
            Self::SentAgain => "sent the same again and again",
            Self::Slow => "did not read what it was sent",
        }
    }
}

/// The last violation of a peer, and how many there were.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The last violation.
    pub what: Misconduct,
    /// When it was noticed, by this peer's wall clock.
    pub at: Timestamp,
    /// Violations in a row. After `FAULTS_FORGIVEN_MS` without any, the count starts anew.
    pub times: u32,
    last_us: u64,
    refused_until_us: u64,
}

#[derive(Debug)]
struct Record {
    links: Ration,
    fault: Option<Fault>,
    touched_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct Conducts(BTreeMap<PeerId, Record>);

impl Conducts {
    /// Whether a new link to this peer is accepted. Every call counts as a link.
    pub fn admits(&mut self, peer: PeerId, now: Now) -> bool {
        let record = self.record(peer, now);
        let refused = record.fault.is_some_and(|fault| now.ticks_us < fault.refused_until_us);
        !refused && record.links.take(now)
    }

    /// Records a fault. Returns the tick until which links with the peer are refused, later with every fault.
    pub fn note(&mut self, peer: PeerId, what: Misconduct, now: Now) -> u64 {
        let record = self.record(peer, now);
        let forgiven = |fault: &Fault| now.ticks_us.saturating_sub(fault.last_us) > FAULTS_FORGIVEN_MS * 1000;
        let before = record.fault.filter(|fault| !forgiven(fault)).map_or(0, |fault| fault.times);
        // A slow reader may just have a slow connection.
        let wait_ms = match what {
            Misconduct::Slow => 0,
            _ => (FAULT_WAIT_MS_MIN << before.min(16)).min(FAULT_WAIT_MS_MAX),
        };
        let refused_until_us = now.in_ms(wait_ms);
        let times = before.saturating_add(1);
        record.fault = Some(Fault { what, at: now.wall, times, last_us: now.ticks_us, refused_until_us });
        refused_until_us
    }

    pub fn faults(&self) -> impl Iterator<Item = (PeerId, Fault)> + '_ {
        self.0.iter().filter_map(|(peer, record)| Some((*peer, record.fault?)))
    }

    fn record(&mut self, peer: PeerId, now: Now) -> &mut Record {
        if !self.0.contains_key(&peer) && self.0.len() >= CONDUCTS_MAX {
            // Blameless ones first, then those not met for the longest.
            let oldest = self.0.iter().min_by_key(|(_, record)| (record.fault.is_some(), record.touched_us));
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.0.remove(&key);
            }
        }
        let links = Ration::new(LINKS_IN_A_ROW_MAX, 1, LINK_EVERY_MS, now);
        let record = self.0.entry(peer).or_insert(Record { links, fault: None, touched_us: 0 });
        record.touched_us = now.ticks_us;
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ticks_us: ms * 1000, ..Now::default() }
    }

    #[test]
    fn each_fault_keeps_a_peer_away_for_longer_and_none_for_ever() {
        let (mut conducts, peer) = (Conducts::default(), PeerId([1; 32]));
        assert!(conducts.admits(peer, at(0)));
        let mut ms = 0;
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                let until = conducts.note(peer, Misconduct::Change, at(ms)) / 1000;
                assert!(!conducts.admits(peer, at(until - 1)) && conducts.admits(peer, at(until)));
                until - std::mem::replace(&mut ms, until)
            })
            .collect();
        assert_eq!(waits[..3], [1_000, 2_000, 4_000]);
        assert_eq!(waits[11], FAULT_WAIT_MS_MAX);
        assert_eq!(
            conducts.faults().map(|(key, fault)| (key, fault.times)).collect::<Vec<_>>(),
            [(peer, 12)]
        );
        let later = at(ms + FAULTS_FORGIVEN_MS + 1);
        assert_eq!(conducts.note(peer, Misconduct::Frame, later), later.in_ms(FAULT_WAIT_MS_MIN));
        assert_eq!(conducts.note(peer, Misconduct::Slow, later), later.ticks_us);
    }

    #[test]
    fn one_key_gets_so_many_links_in_a_row_and_others_are_not_touched() {
        let (mut conducts, peer, other) = (Conducts::default(), PeerId([1; 32]), PeerId([2; 32]));
        let links = (0..1_000).filter(|_| conducts.admits(peer, at(0))).count() as u64;
        assert_eq!(links, LINKS_IN_A_ROW_MAX);
        assert!(conducts.admits(other, at(0)));
        assert!(!conducts.admits(peer, at(LINK_EVERY_MS - 1)) && conducts.admits(peer, at(LINK_EVERY_MS)));
    }

    #[test]
    fn records_are_bounded_and_the_blameless_go_first() {
        let mut conducts = Conducts::default();
        let key = |number: usize| PeerId(std::array::from_fn(|at| number.to_le_bytes()[at % 8]));
        conducts.note(key(0), Misconduct::Change, at(0));
        for number in 1..2 * CONDUCTS_MAX {
            conducts.admits(key(number), at(number as u64));
        }
        assert_eq!(conducts.0.len(), CONDUCTS_MAX);
        assert_eq!(conducts.faults().count(), 1);
    }
}
