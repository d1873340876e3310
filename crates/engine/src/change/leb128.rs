//! LEB128 integers, as Automerge writes them: always the shortest form.

/// Appends `value` unsigned.
pub(super) fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` signed. A non-negative number may take a byte more than unsigned, for the sign bit.
pub(super) fn write_signed(mut value: i64, out: &mut Vec<u8>) {
    while !(-0x40..0x40).contains(&value) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
}

/// How many bytes [`write_signed`] appends.
pub(super) fn signed_len(mut value: i64) -> u64 {
    let mut len = 1;
    while !(-0x40..0x40).contains(&value) {
        len += 1;
        value >>= 7;
    }
    len
}

/// How many bytes [`write_unsigned`] appends.
pub(super) fn unsigned_len(mut value: u64) -> u64 {
    let mut len = 1;
    while value >= 0x80 {
        len += 1;
        value >>= 7;
    }
    len
}

/// Takes foreign bytes from the front of a slice. Every step returns `None` rather than read past the end.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// `None` past 63 bits too: nothing here is that large, and longer forms are never the shortest.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// As [`Reader::unsigned`], with the last byte's second-highest bit as the sign.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0;
                return Some(if negative { value | (-1 << (shift + 7)) } else { value });
            }
        }
        None
    }

    /// A length, then that many bytes.
    pub(super) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.unsigned()?).ok()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_come_back(value in 0..1u64 << 63, signed in -(1i64 << 62)..1 << 62, shift in 0..62u32) {
            let (value, signed) = (value >> shift, signed >> shift);
            let mut bytes = Vec::new();
            write_unsigned(value, &mut bytes);
            prop_assert_eq!(bytes.len() as u64, unsigned_len(value));
            write_signed(signed, &mut bytes);
            prop_assert_eq!(bytes.len() as u64, unsigned_len(value) + signed_len(signed));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.unsigned(), Some(value));
            prop_assert_eq!(reader.signed(), Some(signed));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn an_endless_integer_and_a_cut_one_are_refused() {
        assert_eq!(Reader::new(&[0xff; 20]).unsigned(), None);
        assert_eq!(Reader::new(&[0xff; 20]).signed(), None);
        assert_eq!(Reader::new(&[0x80]).unsigned(), None);
        assert_eq!(Reader::new(&[]).signed(), None);
        assert_eq!(Reader::new(&[5, 1]).prefixed(), None);
    }
}
