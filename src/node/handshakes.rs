//! Connections that have not proven anything yet: bounded for each address and in all. When a place is lacking the oldest
//! gives way, for an honest handshake takes milliseconds and whoever holds a place for longer is none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX};

/// Clones are handles to the same.
#[derive(Clone, Default)]
pub(super) struct Handshakes(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    network: Network,
    /// Dropped to make the handshake give way.
    _held: oneshot::Sender<()>,
}

/// Whom one holder of addresses can be: of IPv6, everybody has a whole network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Network([u8; 8]);

/// A place among the handshakes, given back when it is dropped.
pub(super) struct Place {
    table: Handshakes,
    number: u64,
    held: oneshot::Receiver<()>,
}

impl Handshakes {
    /// A place for somebody from this address.
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
    /// Returns when another needs the place.
    pub async fn lost(&mut self) {
        // The other end only ever goes away.
        let _ = (&mut self.held).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

impl Table {
    /// Takes a place from the network of the newcomer when that has its share, else from the one that has most.
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
        // A place that is given back makes room.
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
        // One network of IPv6, whatever the address in it.
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
