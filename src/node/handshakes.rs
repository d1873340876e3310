//! Connections that have not completed the handshake: bounded for each network and in total. When no place is
//! free, the oldest connection is dropped: an honest handshake takes milliseconds, so a connection that is
//! still there has failed to complete in time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX};

/// Clones share the same table.
#[derive(Clone, Default)]
pub(super) struct Handshakes(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    network: Network,
    /// Dropped to end the handshake.
    _held: oneshot::Sender<()>,
}

/// The addresses that one attacker can hold: an IPv4 address, or a /64 network of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Network([u8; 8]);

/// A place among the handshakes, released when it is dropped.
pub(super) struct Place {
    table: Handshakes,
    number: u64,
    held: oneshot::Receiver<()>,
}

impl Handshakes {
    /// Takes a place for a connection from this address.
    pub fn enter(&self, address: IpAddr) -> Place {
        let (hold, held) = oneshot::channel();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = Network::of(address);
        table.make_room(network);
        table.last += 1;
        let number = table.last;
        table.open.insert(number, Open { network, _held: hold });
        Place { table: self.clone(), number, held }
    }
}

impl Place {
    /// Returns when the place was given to another connection.
    pub async fn lost(&mut self) {
        // Nothing is sent on this channel; its other end is only dropped.
        let _ = (&mut self.held).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

impl Table {
    /// Frees a place: of the newcomer's network if that has its maximum, else, if all are taken, of the
    /// network that has most.
    fn make_room(&mut self, newcomer: Network) {
        let mut shares: BTreeMap<Network, usize> = BTreeMap::new();
        for open in self.open.values() {
            *shares.entry(open.network).or_default() += 1;
        }
        let crowded = if shares.get(&newcomer).is_some_and(|share| *share >= HANDSHAKES_PER_ADDRESS_MAX) {
            Some(newcomer)
        } else if self.open.len() >= HANDSHAKES_MAX {
            shares.into_iter().max_by_key(|(_, share)| *share).map(|(network, _)| network)
        } else {
            None
        };
        let oldest = self.open.iter().find(|(_, open)| Some(open.network) == crowded);
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.open.remove(&number);
        }
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        let mut bytes = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes.copy_from_slice(&address.octets()[..8]),
        }
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost(place: &mut Place) -> bool {
        matches!(place.held.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }

    fn lost(places: &mut [Place]) -> usize {
        places.iter_mut().map(is_lost).filter(|lost| *lost).count()
    }

    #[test]
    fn one_address_has_a_share_and_its_oldest_handshakes_give_way() {
        let table = Handshakes::default();
        let mut other = table.enter("192.0.2.7".parse().unwrap());
        let flood = || table.enter("::ffff:198.51.100.1".parse().unwrap());
        let mut flood: Vec<Place> = (0..HANDSHAKES_PER_ADDRESS_MAX + 5).map(|_| flood()).collect();
        assert_eq!(lost(&mut flood[..5]), 5);
        assert_eq!(lost(&mut flood[5..]), 0);
        assert!(!is_lost(&mut other));
        // A released place can be taken again.
        flood.pop();
        let _another = table.enter("198.51.100.1".parse().unwrap());
        assert_eq!(lost(&mut flood), 5);
    }

    #[test]
    fn when_all_places_are_taken_the_most_crowded_network_gives_way() {
        let table = Handshakes::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut lone: Vec<Place> =
            (0..250).map(|host| table.enter(address(&format!("192.0.2.{host}")))).collect();
        // All addresses are in one IPv6 network.
        let mut crowd: Vec<Place> = (0..HANDSHAKES_PER_ADDRESS_MAX)
            .map(|host| table.enter(address(&format!("2001:db8:0:1::{host:x}"))))
            .collect();
        let more = HANDSHAKES_MAX - lone.len() - crowd.len();
        let host = |host: usize| format!("203.{}.113.{}", host / 200, host % 200);
        let mut rest: Vec<Place> = (0..more).map(|number| table.enter(address(&host(number)))).collect();
        assert_eq!(lost(&mut lone) + lost(&mut crowd) + lost(&mut rest), 0);
        let mut newcomer = table.enter(address("198.51.100.9"));
        assert!(is_lost(&mut crowd[0]) && !is_lost(&mut newcomer));
        assert_eq!(lost(&mut lone) + lost(&mut crowd) + lost(&mut rest), 1);
    }
}
