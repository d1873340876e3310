//! Why a link was closed, as a number that both sides know.

/// Why a peer closes a link. The numbers are in WebSocket's private range, so that one number serves both in a
/// WebSocket close frame and in [`Control::Close`](super::Control::Close).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The peer is stopping, or no longer wants the link. Dial again later.
    Leaving = 4000,
    /// The other side did not prove that it knows the mesh secret.
    Refused = 4001,
    /// The two sides speak different versions of the protocol.
    Version = 4002,
    /// A frame that breaks the protocol.
    Protocol = 4003,
    /// A change that is malformed, wrongly signed, or does not fit its group.
    Change = 4004,
    /// A frame, or a list in it, above its limit.
    TooLarge = 4005,
    /// The two peers have another link, which is kept.
    Duplicate = 4006,
    /// More changes with missing dependencies than `ORPHANS_MAX` or a limit in bytes allows; the next link starts
    /// over.
    Orphans = 4007,
    /// The other side reads too slowly: its queue exceeds `LINK_QUEUE_BYTES_MAX`.
    Slow = 4008,
    /// Nothing was received from the other side for `SILENCE_MS_MAX`.
    Silent = 4009,
    /// A peer that dialled itself.
    Myself = 4010,
    /// This peer has as many links as it takes.
    Full = 4011,
    /// An internal error of the closing side, for example of its disk.
    Fault = 4012,
    /// The other side asked for, or sent, the same changes too often.
    Ration = 4013,
    /// Refused for now: the other side broke the protocol on an earlier link, or links too often.
    Later = 4014,
}

impl CloseCode {
    /// All codes, in ascending order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Leaving,
        Self::Refused,
        Self::Version,
        Self::Protocol,
        Self::Change,
        Self::TooLarge,
        Self::Duplicate,
        Self::Orphans,
        Self::Slow,
        Self::Silent,
        Self::Myself,
        Self::Full,
        Self::Fault,
        Self::Ration,
        Self::Later,
    ];

    /// The number that is sent.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number; `None` if this version does not know it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The text that is sent beside the number: one to three words, at most `CLOSE_REASON_BYTES_MAX` bytes of ASCII.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Leaving => "leaving",
            Self::Refused => "refused",
            Self::Version => "other version",
            Self::Protocol => "protocol error",
            Self::Change => "invalid change",
            Self::TooLarge => "too large",
            Self::Duplicate => "duplicate link",
            Self::Orphans => "too many orphans",
            Self::Slow => "too slow",
            Self::Silent => "silent",
            Self::Myself => "dialled myself",
            Self::Full => "no room",
            Self::Fault => "internal fault",
            Self::Ration => "beyond its ration",
            Self::Later => "not now",
        }
    }
}

impl std::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.reason(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLOSE_REASON_BYTES_MAX;

    #[test]
    fn numbers_are_consecutive_and_read_back() {
        for (code, number) in CloseCode::ALL.into_iter().zip(4000..) {
            assert_eq!(code.number(), number);
            assert_eq!(CloseCode::from_number(number), Some(code));
            assert!(code.reason().len() <= CLOSE_REASON_BYTES_MAX);
        }
        assert_eq!(CloseCode::from_number(1000), None);
    }
}
