//! The names of things: fixed-size identifiers, written as lower-case hex, and group names.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::GROUP_NAME_BYTES_MAX;

/// Why a text is not the identifier it was taken for. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not hexadecimal, or not of the right length.
    #[error("a {what} is {bytes} bytes written as {} hexadecimal digits", bytes * 2)]
    NotHex {
        /// The type of identifier that was expected, for the error text.
        what: &'static str,
        /// Length of that identifier in bytes; its text has twice as many digits.
        bytes: usize,
    },
    /// The text is empty, too long, or holds characters that no group name has.
    #[error(
        "a group name is 1 to {GROUP_NAME_BYTES_MAX} characters of a-z, 0-9, '-' and '_', and starts with a letter or a digit"
    )]
    GroupName,
}

macro_rules! fixed_id {
    ($(#[$doc:meta])* $name:ident, $bytes:expr, $what:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Length of the identifier in bytes.
            pub const BYTES: usize = $bytes;

            /// `None` unless `bytes` has exactly the length of this identifier.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The raw bytes, as they are hashed, signed and sent.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &HEXLOWER_PERMISSIVE.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or(IdError::NotHex { what: $what, bytes: $bytes })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fixed_id!(
    /// One running node and its user: an Ed25519 public key.
    PeerId, 32, "peer key"
);
fixed_id!(
    /// A mesh: all peers that hold one mesh secret. Random and independent of the secret, so that the secret can be
    /// changed.
    MeshId, 16, "mesh id"
);
fixed_id!(
    /// SHA-256 of a change chunk: the id of the change, and of the entry that it carries.
    ChangeHash, 32, "message id"
);
fixed_id!(
    /// SHA-256 of a group's genesis change: identifies the group.
    GroupId, 32, "group id"
);
fixed_id!(
    /// A sequence of changes that one author writes in one group: 32 bytes of the author's key, then 8 random bytes.
    ActorId, 40, "actor id"
);

impl ActorId {
    /// Composes the id from the author's key and 8 bytes that must be random, so that no two actors of an author
    /// collide.
    pub fn new(author: PeerId, random: [u8; 8]) -> Self {
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(&author.0);
        bytes[32..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The author's key, which is the first 32 bytes: only this key can sign the actor's changes.
    pub fn author(&self) -> PeerId {
        let mut key = [0; 32];
        key.copy_from_slice(&self.0[..32]);
        PeerId(key)
    }
}

impl GroupId {
    /// The hash of the group's genesis change, on which the first entries depend.
    pub fn genesis(&self) -> ChangeHash {
        ChangeHash(self.0)
    }
}

impl PeerId {
    /// The first 8 hex digits: enough to tell people apart on a screen, never to identify one.
    pub fn short(&self) -> String {
        HEXLOWER_PERMISSIVE.encode(&self.0[..4])
    }
}

/// The name of a public group: `[a-z0-9][a-z0-9_-]{0,31}`. Parsing lowers ASCII capitals.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// The mesh's own group of group names and display names. No user can name it: it does not parse.
    pub fn directory() -> Self {
        Self(".directory".to_owned())
    }

    /// Whether this names the directory, see [`GroupName::directory`].
    pub fn is_directory(&self) -> bool {
        self.0.starts_with('.')
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let name = text.to_ascii_lowercase();
        let body = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let valid = name.len() <= GROUP_NAME_BYTES_MAX
            && name.bytes().all(body)
            && name.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if valid { Ok(Self(name)) } else { Err(IdError::GroupName) }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupName({})", self.0)
    }
}

impl Serialize for GroupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
