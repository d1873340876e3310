//! Where a peer keeps everything on disk: the change log, which is the truth, and what is derived from it.
//!
//! The engine writes through `peer_engine::store::Store`; user interfaces read through [`Reader`], on
//! connections of their own.

mod error;
pub mod export;
mod sqlite;
mod view;

pub use error::StoreError;
pub use sqlite::{Bytes, Reader, Salvaged, SqliteStore};
pub use view::{
    Attention, Entry, FeedItem, FeedPlace, FeedWhat, GroupSummary, Hit, MarkOn, Page, PageOf, Snapshot, User,
};
