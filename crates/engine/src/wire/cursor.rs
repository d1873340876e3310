//! A bounded reader over bytes. It never allocates, and never reads past the end.

/// Why bytes could not be read. The reader must not be used on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CursorError {
    /// The input ends too early, or a count promises more than the input holds.
    Truncated,
    /// A number is not written in the shortest way, or does not fit 64 bits.
    Number,
    /// A count is above its limit.
    Limit,
}

pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CursorError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CursorError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CursorError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn byte(&mut self) -> Result<u8, CursorError> {
        self.array().map(|[byte]| byte)
    }

    /// An unsigned LEB128 number in its shortest form.
    pub fn number(&mut self) -> Result<u64, CursorError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(CursorError::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(CursorError::Number) } else { Ok(value) };
            }
        }
        Err(CursorError::Number)
    }

    /// The number of items that follow, at most `max`, each at least `bytes_min` (not 0) long.
    pub fn count(&mut self, max: usize, bytes_min: usize) -> Result<usize, CursorError> {
        let count = usize::try_from(self.number()?).map_err(|_| CursorError::Limit)?;
        if count > max {
            return Err(CursorError::Limit);
        }
        if count > self.rest.len() / bytes_min {
            return Err(CursorError::Truncated);
        }
        Ok(count)
    }

    /// A length, then as many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], CursorError> {
        let length = self.count(usize::MAX, 1)?;
        self.take(length)
    }
}

/// Appends `value` as unsigned LEB128 in its shortest form.
pub(super) fn write_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(bytes: &[u8]) -> Result<u64, CursorError> {
        Cursor::new(bytes).number()
    }

    #[test]
    fn only_the_shortest_form_of_a_number_is_read() {
        assert_eq!(number(&[0]), Ok(0));
        assert_eq!(number(&[0x80, 0x01]), Ok(128));
        assert_eq!(number(&[0x80, 0x00]), Err(CursorError::Number));
        assert_eq!(number(&[0x80]), Err(CursorError::Truncated));
        assert_eq!(number(&[0xff; 11]), Err(CursorError::Number));
        let mut largest = vec![0xff; 9];
        largest.push(1);
        assert_eq!(number(&largest), Ok(u64::MAX));
        largest[9] = 3;
        assert_eq!(number(&largest), Err(CursorError::Number));
    }

    #[test]
    fn a_count_is_held_against_its_limit_and_the_input() {
        assert_eq!(Cursor::new(&[2, 0, 0, 0, 0]).count(2, 2), Ok(2));
        assert_eq!(Cursor::new(&[2, 0, 0, 0, 0]).count(1, 2), Err(CursorError::Limit));
        assert_eq!(Cursor::new(&[2, 0, 0, 0]).count(2, 2), Err(CursorError::Truncated));
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(value: u64) {
            let mut bytes = Vec::new();
            write_number(&mut bytes, value);
            prop_assert_eq!(number(&bytes), Ok(value));
        }
    }
}
