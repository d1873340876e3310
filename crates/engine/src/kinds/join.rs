//! `join`: the author takes part in the group from here on. The body is empty.

use super::{Fold, Kind, Lists, Opened, Register};

/// The slot of memberships: the key is the member's public key, the value [`JOINED`] or [`super::leave::LEFT`].
pub const MEMBER: &str = "member";

/// The kind's name, and the value of [`MEMBER`] for a member.
pub const JOINED: &str = "join";

/// The kind `join`, by which its author becomes a member.
pub struct Join;

impl Kind for Join {
    fn name(&self) -> &'static str {
        JOINED
    }

    fn fold(&self, entry: &Opened<'_>) -> Option<Fold> {
        Some(member(entry, JOINED))
    }

    fn sentence(&self, _body: &str) -> Option<String> {
        Some("joined".to_owned())
    }

    fn changes(&self) -> Lists {
        Lists { groups: true, people: true }
    }

    fn examples(&self) -> &'static [&'static str] {
        &[""]
    }
}

/// The author's membership, set to `value`.
pub(super) fn member(entry: &Opened<'_>, value: &str) -> Fold {
    let key = entry.author.as_bytes().to_vec();
    Fold::Register(Register { slot: MEMBER, key, value: value.to_owned() })
}
