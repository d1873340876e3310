//! The secret that a request to the API must carry. Whoever can read the data directory has it; a web page
//! or another user of the machine has not.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 random bytes, new with every start. Never printed by `Debug`; erased from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Token([u8; 32]);

impl Token {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Whether an `Authorization` header carries this token. Takes the same time wherever it differs.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let expected = self.bearer();
        bool::from(expected.as_bytes().ct_eq(authorization))
    }

    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", HEXLOWER.encode(&self.0)))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_admitted() {
        let token = Token::random().unwrap();
        let good = token.bearer();
        assert!(token.admits(good.as_bytes()));
        for bad in ["", "Bearer ", &good[7..], &good[..70], &format!("{}0", *good), &good.to_uppercase()] {
            assert!(!token.admits(bad.as_bytes()), "{bad}");
        }
        assert!(!Token::random().unwrap().admits(good.as_bytes()));
    }

    #[test]
    fn a_token_is_stored_as_hex_and_never_shown() {
        let token = Token([0xAB; 32]);
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(32)));
        assert_eq!(serde_json::from_str::<Token>(&json).unwrap().0, token.0);
        assert!(serde_json::from_str::<Token>("\"abab\"").is_err());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
