//! What identifiers, names and times look like in JSON, for programs that describe their API with `schemars`.

use std::borrow::Cow;

use crate::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use crate::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! text {
    ($($type:ident: $schema:tt,)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

text! {
    ChangeHash: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    GroupId: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    PeerId: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    MeshId: {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    GroupName: {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$"},
    Timestamp: {"type": "string", "format": "date-time"},
}
