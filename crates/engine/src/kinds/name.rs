//! `name`, in the directory: what the author is called. The body is the name, 1 to [`NAME_BYTES_MAX`] bytes.

use super::{Fold, Kind, Lists, Opened, Register};
use crate::limits::NAME_BYTES_MAX;

/// The kind's name, and the slot of display names: the key is the author's public key, the value the name.
pub const NAME: &str = "name";

/// The kind `name`, by which its author sets a display name.
pub struct Name;

/// The display name is empty or longer than [`NAME_BYTES_MAX`]. No state changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a name is 1 to {NAME_BYTES_MAX} bytes long; this one is {bytes}")]
pub struct WrongLength {
    /// Length in bytes of the refused name.
    pub bytes: usize,
}

/// Checks that a display name is 1 to [`NAME_BYTES_MAX`] bytes long.
pub fn check(name: &str) -> Result<(), WrongLength> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        bytes => Err(WrongLength { bytes }),
    }
}

impl Kind for Name {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fold(&self, entry: &Opened<'_>) -> Option<Fold> {
        check(entry.body).ok()?;
        let key = entry.author.as_bytes().to_vec();
        Some(Fold::Register(Register { slot: NAME, key, value: entry.body.to_owned() }))
    }

    fn sentence(&self, body: &str) -> Option<String> {
        check(body).ok()?;
        Some(format!("is called {body}"))
    }

    fn changes(&self) -> Lists {
        Lists { groups: false, people: true }
    }

    fn examples(&self) -> &'static [&'static str] {
        &["Ann", "Анна", "x"]
    }
}
