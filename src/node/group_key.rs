//! How a user names a group.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use peer_engine::id::{GroupId, GroupName, IdError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A group's name, or its id: a name is shorter than the 64 digits of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupKey {
    Name(GroupName),
    Id(GroupId),
}

impl FromStr for GroupKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.len() == 2 * GroupId::BYTES {
            true => text.parse().map(Self::Id),
            false => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl From<GroupName> for GroupKey {
    fn from(name: GroupName) -> Self {
        Self::Name(name)
    }
}

impl From<GroupId> for GroupKey {
    fn from(id: GroupId) -> Self {
        Self::Id(id)
    }
}

impl Serialize for GroupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for GroupKey {
    fn schema_name() -> Cow<'static, str> {
        "GroupKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A group's name, or its id of 64 hexadecimal digits."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_id_are_told_apart_and_written_as_they_were_read() {
        let id = GroupId([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(GroupKey::Id(id)));
        assert_eq!("Rust".parse(), Ok(GroupKey::Name("rust".parse().unwrap())));
        // Hexadecimal digits are a name unless there are exactly as many as in an id.
        assert!(matches!("ab".repeat(16).parse(), Ok(GroupKey::Name(_))));
        for text in ["rust".to_owned(), id.to_string()] {
            assert_eq!(text.parse::<GroupKey>().unwrap().to_string(), text);
        }
        for wrong in ["", "a b", &"ab".repeat(17), &"zz".repeat(32)] {
            assert!(wrong.parse::<GroupKey>().is_err(), "{wrong}");
        }
    }
}
