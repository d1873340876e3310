//! Why a link was closed, as a number that both sides know.

/// The reasons for which a peer closes a link. The numbers are in WebSocket's private range, so one number
/// serves in a close frame of WebSocket and in our own.
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
    /// A change that the gate refuses.
    Change = 4004,
    /// A frame above its limit.
    TooLarge = 4005,
    /// The same two peers hold another link, which stays.
    Duplicate = 4006,
    /// More changes with unknown dependencies than there is room for; starts over with the next link.
    Orphans = 4007,
    /// The other side reads too slowly.
    Slow = 4008,
    /// The other side has been silent for too long.
    Silent = 4009,
    /// A peer that dialled itself.
    Myself = 4010,
    /// No room for another link.
    Full = 4011,
    /// A fault of the closing side, its disk for one.
    Fault = 4012,
    /// The other side asked for, or sent, the same again and again.
    Ration = 4013,
    /// Not now: the other side broke the rules of an earlier link, or links too often.
    Later = 4014,
}

impl CloseCode {
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

    pub fn number(self) -> u16 {
        self as u16
    }

    /// `None` for a number that this version does not know.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// One word or two, as it goes over the wire beside the number.
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
