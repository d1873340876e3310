//! Searches the memory of a process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha512};

/// The order of the group of Ed25519, in little-endian order.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Values that can sign as well as the seed can (RFC 8032, 5.1.5): the scalar, the scalar modulo the group's
/// order, the prefix.
pub fn key_of_seed(seed: &[u8]) -> [Vec<u8>; 3] {
    let hash = Sha512::digest(seed);
    let mut scalar = hash[..32].to_vec();
    scalar[0] &= 0xf8;
    scalar[31] = (scalar[31] & 0x7f) | 0x40;
    let mut reduced = scalar.clone();
    while let Some(less) = minus(&reduced, &ORDER) {
        reduced = less;
    }
    [scalar, reduced, hash[32..].to_vec()]
}

/// The difference of two numbers; `None` if it is below zero.
fn minus(number: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let mut borrow = 0;
    let digits = number.iter().zip(other).map(|(digit, less)| {
        let left = i16::from(*digit) - i16::from(*less) - borrow;
        borrow = i16::from(left < 0);
        left as u8
    });
    let digits = digits.collect();
    (borrow == 0).then_some(digits)
}

/// The characters of a ticket that encode only the mesh secret.
pub fn secret_in_ticket(ticket: &str) -> &str {
    // After "peer1" come a byte for the version, 16 bytes of the mesh's id, and 32 of the secret; a character
    // is five bits.
    let (from, to) = (8 * (1 + 16), 8 * (1 + 16 + 32));
    &ticket[5..][usize::div_ceil(from, 5)..to / 5]
}

/// Whether the system lets this process read the other's memory.
pub fn is_shown(process: u32) -> bool {
    regions(process).next().is_some()
}

/// Where each of `secrets` occurs in the process's writable memory, with the bytes around it. Half of a
/// secret counts too: it is the rest of a copy that was partly overwritten.
pub fn places<const N: usize>(process: u32, secrets: [&[u8]; N]) -> [Vec<String>; N] {
    let mut places = [const { Vec::new() }; N];
    for (name, bytes) in regions(process) {
        for (secret, places) in secrets.iter().zip(&mut places) {
            let (first, second) = secret.split_at(secret.len() / 2);
            let mut found = positions(&bytes, first);
            found.extend(positions(&bytes, second).iter().map(|at| at.saturating_sub(first.len())));
            found.sort_unstable();
            found.dedup();
            places.extend(found.into_iter().map(|at| {
                let around = &bytes[at.saturating_sub(64)..(at + 96).min(bytes.len())];
                format!("{name} + {at:#x}: {}", around.escape_ascii())
            }));
        }
    }
    places
}

fn regions(process: u32) -> impl Iterator<Item = (String, Vec<u8>)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let lines: Vec<String> = maps.lines().map(str::to_owned).collect();
    let memory = File::open(format!("/proc/{process}/mem"));
    lines.into_iter().filter_map(move |line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; rest.starts_with("rw").then_some(to - from)? as usize];
        // Memory that has been released since cannot be read.
        memory.as_ref().ok()?.read_exact_at(&mut bytes, from).ok()?;
        Some((line, bytes))
    })
}

fn positions(bytes: &[u8], part: &[u8]) -> Vec<usize> {
    let (first, rest) = part.split_first().unwrap();
    let mut from = 0;
    let mut found = Vec::new();
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if bytes[from..].starts_with(rest) {
            found.push(from - 1);
        }
    }
    found
}
