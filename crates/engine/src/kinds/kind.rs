//! What each kind says of itself.

use super::fold::{Fold, Opened};

/// One kind of entry.
pub trait Kind: Sync {
    /// As it stands in the change: at most `KIND_BYTES_MAX` of lower-case ASCII.
    fn name(&self) -> &'static str;

    /// What the entry sets. `None` where its body makes no sense: the entry stays in the history and sets nothing.
    fn fold(&self, entry: &Opened<'_>) -> Option<Fold>;

    /// What its author did, to be shown after the author's name: "joined". `None` where the body makes no sense. Holds text
    /// of others as it was written.
    fn sentence(&self, body: &str) -> Option<String>;

    /// Which lists may look different once an entry of this kind has come.
    fn changes(&self) -> Lists;

    /// Bodies that make sense, for tests.
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
