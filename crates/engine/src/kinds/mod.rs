//! What entries mean: one file for each kind, and the state that the entries of a group add up to.
//!
//! An entry is a message unless it has a `kind`. A kind reads the body of its entries as a type of its own, says what an
//! entry sets (a [`Fold`]), and how it reads in a sentence. Entries of a kind that is not in the list are kept and synced
//! all the same, and shown as unknown: that is how older peers survive newer ones.
//!
//! Folded state is a pure function of the *set* of a group's entries: whatever the order in which they arrive, and however
//! they are split into batches, it comes out the same, because every place holds the value that was set last in display
//! order. `tests/kinds.rs` holds every kind in the list to that. Two rules keep it so:
//!
//! - A fold takes an [`Opened`] entry. One that is sealed is opened first; its key may come long after it, and it is folded
//!   then.
//! - A fold never looks at other entries or at who is a member. A kind whose effect depends on that (may this author take
//!   back another's message?) sets a [`Mark`] under its author, and decides when the marks are read which of them count.
//!
//! To add a kind: write its file, name it in the list below, and give it a sentence in each face that wants another than
//! [`Kind::sentence`].

mod fold;
mod kind;

pub use fold::{Fold, Folded, Mark, Opened, Register};
pub use kind::{Kind, Lists};

/// Declares the modules of the kinds and lists them.
macro_rules! kinds {
    ($($module:ident::$kind:ident),* $(,)?) => {
        $(pub mod $module;)*

        /// All kinds that this version knows, but for messages, which have none.
        pub const KINDS: &[&dyn Kind] = &[$(&$module::$kind),*];
    };
}

kinds![group::Group, join::Join, leave::Leave, name::Name, topic::Topic];

/// The word that stands for the kind of a message. No change may carry it as its kind:
/// [`crate::change::Content::check`] refuses it.
pub const MESSAGE: &str = "message";

/// Finds a kind by name; `None` if this version does not know it.
pub fn of(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}

/// What an entry sets; `None` for messages, unknown kinds and invalid bodies.
pub fn fold(entry: &Opened<'_>) -> Option<Fold> {
    of(entry.kind?)?.fold(entry)
}

/// What the author of an entry of this kind did, see [`Kind::sentence`]. `None` for messages, unknown kinds and
/// invalid bodies.
pub fn sentence(kind: Option<&str>, body: &str) -> Option<String> {
    of(kind?)?.sentence(body)
}

/// The lists that an entry of this kind may change; none for messages and unknown kinds.
pub fn changes(kind: Option<&str>) -> Lists {
    kind.and_then(of).map(|kind| kind.changes()).unwrap_or_default()
}
