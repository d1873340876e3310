//! The one change shape: an Automerge change that carries one signed entry, and its exact bytes.
//!
//! A change is a pure function of its [`Header`], its [`Content`] and its signature. This module writes
//! those bytes and reads them back, byte for byte as Automerge would; the genesis of a group is here too.
//! It decides what can be decided about a change by itself: shape, limits, signature. It never looks at
//! other changes, never keeps state, and never hands foreign bytes to the `automerge` library, which
//! panics on some of them.
//!
//! Types carry the proof: [`Unverified`] has the allowed shape, [`Verified`] is signed by its author for
//! one group.

mod check;
mod chunk;
mod columns;
mod content;
mod decode;
mod encode;
mod genesis;
mod leb128;
mod signed;

pub use check::{ContentError, HeaderError};
pub use content::{Body, Change, Content, Header};
pub use decode::DecodeError;
pub use genesis::Genesis;
pub use signed::{SignError, SignatureError, Unverified, Verified};
