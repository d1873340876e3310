//! The secret that a request to the API must carry. Everybody who can read the data directory has it; a web
//! page or another user of the machine does not.

use std::fmt;

use peer_engine::identity::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SCHEME: &str = "Bearer ";

/// 32 random bytes, new with every start.
#[derive(Clone)]
pub(super) struct Token(Secret);

impl Token {
    pub fn random() -> Result<Self, getrandom::Error> {
        Secret::write(|bytes| getrandom::fill(bytes)).map(Self)
    }

    /// Whether an `Authorization` header carries this token. Compares in constant time.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let presented = authorization.strip_prefix(SCHEME.as_bytes()).and_then(Secret::from_hex);
        presented.is_some_and(|presented| presented.bytes().ct_eq(self.0.bytes()).into())
    }

    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> Zeroizing<String> {
        Zeroizing::new([SCHEME, &self.0.to_hex()].concat())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Secret::from_hex(text.as_bytes()).map(Self).ok_or_else(|| serde::de::Error::custom("not a token"))
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
        let token = Token(Secret::from_hex("ab".repeat(32).as_bytes()).unwrap());
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(32)));
        assert_eq!(serde_json::from_str::<Token>(&json).unwrap().0, token.0);
        assert!(serde_json::from_str::<Token>("\"abab\"").is_err());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
