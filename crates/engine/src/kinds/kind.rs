//! What each kind says of itself.

use super::fold::{Fold, Opened};

/// One kind of entry.
pub trait Kind: Sync {
    /// The value of `kind` in a change: at most `KIND_BYTES_MAX` bytes of lower-case ASCII.
    fn name(&self) -> &'static str;

    /// What the entry sets. `None` if its body is invalid: the entry stays in the history and sets nothing.
    fn fold(&self, entry: &Opened<'_>) -> Option<Fold>;

    /// What the author did, to be shown after the author's name: "joined". `None` if the body is invalid. May hold
    /// text of others unescaped.
    fn sentence(&self, body: &str) -> Option<String>;

    /// The lists that an entry of this kind may change.
    fn changes(&self) -> Lists;

    /// Valid bodies, for tests.
    fn examples(&self) -> &'static [&'static str];
}

/// Lists that a face shows beside the history.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Lists {
    /// The groups, with their topics and members' counts.
    pub groups: bool,
    /// The people and their names.
    pub people: bool,
}
