//! `group`, in the directory: there is a public group of this name. The body is the name.

use super::{Fold, Kind, Lists, Opened, Register};
use crate::id::GroupName;

/// The kind's name, and the slot of its registers: the key is the group's name, the value is empty.
pub const GROUP: &str = "group";

/// The kind `group`, by which a public group is added to the directory.
pub struct Group;

impl Kind for Group {
    fn name(&self) -> &'static str {
        GROUP
    }

    fn fold(&self, entry: &Opened<'_>) -> Option<Fold> {
        let name: GroupName = entry.body.parse().ok()?;
        Some(Fold::Register(Register { slot: GROUP, key: name.as_str().into(), value: String::new() }))
    }

    fn sentence(&self, body: &str) -> Option<String> {
        let name: GroupName = body.parse().ok()?;
        Some(format!("created the group {name}"))
    }

    fn changes(&self) -> Lists {
        Lists { groups: true, people: false }
    }

    fn examples(&self) -> &'static [&'static str] {
        &["rust", "a-b_9"]
    }
}
