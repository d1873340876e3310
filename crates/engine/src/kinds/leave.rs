//! `leave`: the author takes no part in the group any more. The body is empty.

use super::{Fold, Kind, Lists, Opened, join};

/// The kind's name, and the value of [`join::MEMBER`] for a former member.
pub const LEFT: &str = "leave";

/// The kind `leave`, by which its author stops being a member.
pub struct Leave;

impl Kind for Leave {
    fn name(&self) -> &'static str {
        LEFT
    }

    fn fold(&self, entry: &Opened<'_>) -> Option<Fold> {
        Some(join::member(entry, LEFT))
    }

    fn sentence(&self, _body: &str) -> Option<String> {
        Some("left".to_owned())
    }

    fn changes(&self) -> Lists {
        Lists { groups: true, people: true }
    }

    fn examples(&self) -> &'static [&'static str] {
        &[""]
    }
}
