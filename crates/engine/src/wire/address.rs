//! Where a peer can be dialled: `host:port`, as it stands in hellos, peer lists and tickets.
//!
//! Addresses come from strangers and end on screens and in logs, so they are plain ASCII or refused. No
//! name is resolved here.

use crate::limits::ADDRESS_BYTES_MAX;

/// The text is not an address. No state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is HOST:PORT, such as 192.0.2.7:4040, [2001:db8::7]:4040 or chat.example.org:4040")]
pub struct AddressError;

/// Checks that `address` can be dialled and shown: a host name, an IPv4 address or a bracketed IPv6 address, then a
/// port other than 0; at most `ADDRESS_BYTES_MAX` bytes.
pub fn check(address: &str) -> Result<(), AddressError> {
    let (host, port) = address.rsplit_once(':').ok_or(AddressError)?;
    let port_valid = port.bytes().all(|c| c.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
    let host_valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c)),
    };
    if address.len() <= ADDRESS_BYTES_MAX && port_valid && host_valid { Ok(()) } else { Err(AddressError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port_in_plain_ascii() {
        let longest = format!("{}:65535", "a".repeat(ADDRESS_BYTES_MAX - 6));
        for valid in ["127.0.0.1:1", "[::1]:65535", "a-b.example:4040", "my_host:80", &longest] {
            assert_eq!(check(valid), Ok(()), "{valid}");
        }
        let too_long = format!("a{longest}");
        for invalid in [
            "",
            ":80",
            "host",
            "host:",
            "host:0",
            "host:+80",
            "host:65536",
            "::1:80",
            "[::1:80",
            "[host]:80",
            "a b:80",
            "a\u{1b}[2J:80",
            "ex\u{202e}ample:80",
            "user@host:80",
            &too_long,
        ] {
            assert_eq!(check(invalid), Err(AddressError), "{invalid:?}");
        }
    }
}
