//! Tickets: written tickets can be read, kinds of damage are told apart, and the secret is not printed.

use data_encoding::BASE32_NOPAD;
use peer_engine::id::{MeshId, PeerId};
use peer_engine::identity::{MeshSecret, Secret};
use peer_engine::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, TICKET_CHARS_MAX};
use peer_engine::wire::{Ticket, TicketError};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn secret(bytes: [u8; 32]) -> MeshSecret {
    MeshSecret(Secret::copy_of(&bytes))
}

fn ticket(addresses: Vec<String>) -> Ticket {
    Ticket { mesh: MeshId([1; 16]), secret: secret([0xee; 32]), peer: PeerId([3; 32]), addresses }
}

fn sample() -> Ticket {
    ticket(vec!["192.0.2.7:4040".to_owned(), "[2001:db8::7]:4040".to_owned()])
}

/// The text of a ticket with these bytes and a matching checksum.
fn written(body: &[u8]) -> String {
    let checksum = Sha256::digest(body);
    let bytes = [body, &checksum[..4]].concat();
    format!("peer1{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
}

fn body(ticket: &Ticket) -> Vec<u8> {
    let text = ticket.to_string().to_uppercase();
    let mut bytes = BASE32_NOPAD.decode(&text.as_bytes()[5..]).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// With `WRITE_GOLDEN` set, first writes the file again: for a new version of the ticket.
#[test]
fn a_ticket_has_its_golden_text() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/frame-ticket.txt");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(path, format!("{}\n", sample())).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(sample().to_string(), golden.trim_end());
    assert_eq!(golden.parse(), Ok(sample()));
}

#[test]
fn white_space_around_and_capitals_are_forgiven() {
    let text = sample().to_string();
    assert_eq!(format!("\n\t {text} \r\n").parse(), Ok(sample()));
    assert_eq!(text.to_uppercase().parse(), Ok(sample()));
}

#[test]
fn the_longest_ticket_fits() {
    let address = format!("{}:65535", "a".repeat(ADDRESS_BYTES_MAX - 6));
    let longest = ticket(vec![address.clone(); ADDRESSES_MAX]);
    let text = longest.to_string();
    assert!(text.len() <= TICKET_CHARS_MAX, "{}", text.len());
    assert_eq!(text.parse(), Ok(longest.clone()));
    assert_eq!(ticket(vec![address; ADDRESSES_MAX + 5]).to_string(), text);
}

#[test]
fn what_is_wrong_with_a_ticket_is_told() {
    let parse = |text: &str| text.parse::<Ticket>().unwrap_err();
    let text = sample().to_string();
    for other in ["", "peer", "hello world", "https://example.org", "pear1aaaa", "pe\u{e9}r1aaaa"] {
        assert_eq!(parse(other), TicketError::NotATicket, "{other}");
    }
    assert_eq!(parse(&format!("peer1{}", "a".repeat(TICKET_CHARS_MAX))), TicketError::NotATicket);
    for end in 5..text.len() {
        assert_eq!(parse(&text[..end]), TicketError::Damaged, "{end}");
    }
    assert_eq!(parse(&format!("{text}a")), TicketError::Damaged);
    assert_eq!(parse(&text.replacen('a', "0", 1)), TicketError::Damaged);

    let mut newer = body(&sample());
    newer[0] = 2;
    newer.push(9);
    assert_eq!(parse(&written(&newer)), TicketError::Newer(2));
    let mut long = body(&sample());
    long.push(0);
    assert_eq!(parse(&written(&long)), TicketError::Damaged);
    let mut hostile = body(&ticket(vec!["host:1".to_owned()]));
    let at = hostile.len() - 6;
    hostile[at] = 0x1b;
    assert_eq!(parse(&written(&hostile)), TicketError::Damaged);
    assert_eq!(parse(&written(&[])), TicketError::Damaged);
}

#[test]
fn every_mistyped_letter_is_noticed() {
    let text = sample().to_string();
    for at in 5..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'q' { b'r' } else { b'q' };
        assert_eq!(String::from_utf8(bytes).unwrap().parse::<Ticket>(), Err(TicketError::Damaged), "{at}");
    }
}

#[test]
fn debug_does_not_show_the_secret() {
    let debug = format!("{:?} {:#?}", sample(), sample());
    assert!(!debug.contains("eeee") && !debug.contains("238"), "{debug}");
}

proptest! {
    #[test]
    fn tickets_are_read_back(mesh: [u8; 16], secret: [u8; 32], key: [u8; 32], ports in vec(1u16.., 0..8)) {
        let addresses = ports.iter().map(|port| format!("chat.example.org:{port}")).collect();
        let ticket = Ticket { mesh: MeshId(mesh), secret: self::secret(secret), peer: PeerId(key), addresses };
        prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }

    #[test]
    fn noise_never_panics(text in ".{0,80}", body in vec(any::<u8>(), 0..200)) {
        let _ = text.parse::<Ticket>();
        let _ = format!("peer1{text}").parse::<Ticket>();
        let _ = written(&body).parse::<Ticket>();
        let mut versioned = body;
        versioned.insert(0, 1);
        let _ = written(&versioned).parse::<Ticket>();
    }
}
