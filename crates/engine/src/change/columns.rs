//! The columns in which an Automerge change holds its operations: which there are, and how they are written.

use super::leb128::{signed_len, unsigned_len, write_signed, write_unsigned};

// Column specifications: four bits of type under the column's number. Only those that our changes fill.
pub(super) const OBJECT_ACTOR: u8 = 0x01;
pub(super) const OBJECT_COUNTER: u8 = 0x02;
pub(super) const KEY_COUNTER: u8 = 0x13;
pub(super) const KEY_TEXT: u8 = 0x15;
pub(super) const INSERT: u8 = 0x34;
pub(super) const ACTION: u8 = 0x42;
pub(super) const VALUE_META: u8 = 0x56;
pub(super) const VALUE: u8 = 0x57;
pub(super) const PREDECESSOR_COUNT: u8 = 0x70;

pub(super) const MAKE_MAP: u64 = 0;
pub(super) const SET: u64 = 1;
pub(super) const MAKE_LIST: u64 = 2;

// Value types: the low four bits of a value's meta.
const UINT: u64 = 3;
pub(super) const TEXT: u64 = 6;
pub(super) const BYTES: u64 = 7;
const TIME: u64 = 9;

/// What an operation sets. Making an object sets nothing.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Nothing,
    Uint(u64),
    Time(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// The length in the value column, and the type.
    pub(super) fn meta(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Uint(number) => unsigned_len(number) << 4 | UINT,
            Self::Time(millis) => signed_len(millis) << 4 | TIME,
            Self::Text(text) => (text.len() as u64) << 4 | TEXT,
            Self::Bytes(bytes) => (bytes.len() as u64) << 4 | BYTES,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Uint(number) => write_unsigned(number, out),
            Self::Time(millis) => write_signed(millis, out),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// Columns in the order of their specifications: a table of lengths, then the data.
pub(super) struct Columns {
    table: Vec<(u8, usize)>,
    data: Vec<u8>,
}

impl Columns {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { table: Vec::with_capacity(9), data: Vec::with_capacity(bytes) }
    }

    pub(super) fn push(&mut self, specification: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.data.len();
        write(&mut self.data);
        self.table.push((specification, self.data.len() - start));
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_unsigned(self.table.len() as u64, out);
        for (specification, len) in &self.table {
            write_unsigned(u64::from(*specification), out);
            write_unsigned(*len as u64, out);
        }
        out.extend_from_slice(&self.data);
    }
}

/// Runs of equal numbers as (length, number), stretches of single ones as (-length, numbers).
pub(super) fn write_runs(values: &[u64], out: &mut Vec<u8>) {
    let mut rest = values;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|value| *value == first).count();
        if run > 1 {
            write_signed(run as i64, out);
            write_unsigned(*first, out);
            rest = &rest[run..];
        } else {
            let singles = rest.windows(2).take_while(|pair| pair[0] != pair[1]).count();
            // The last of the stretch is single only if nothing follows it; else it begins the next run.
            let singles = if singles + 1 == rest.len() { rest.len() } else { singles };
            write_signed(-(singles as i64), out);
            for value in &rest[..singles] {
                write_unsigned(*value, out);
            }
            rest = &rest[singles..];
        }
    }
}

/// Map keys: one stretch, since no two are equal.
pub(super) fn write_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>, out: &mut Vec<u8>) {
    write_signed(-(keys.len() as i64), out);
    for key in keys {
        write_unsigned(key.len() as u64, out);
        out.extend_from_slice(key.as_bytes());
    }
}
