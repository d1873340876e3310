//! `peer chat`: the terminal UI. It uses only the local API, and starts a peer in its own process where none runs.
//!
//! The state is one value, [`State`]. [`update()`] applies an [`Event`] to it and returns the [`Effect`]s to run;
//! [`view()`] paints it. Neither does I/O, so both are tested without a terminal. [`run`] is the loop around them: it
//! reads the terminal and the service's event stream, runs the effects, and draws, at most 60 times a second and only
//! after a change.
//!
//! ```text
//! shell      terminal, service, effects                          I/O
//! update/    keys, select, commands, complete, feed, answers     one file for each source of events
//!            groups, requests, scroll                            what these share
//! view/      panes, status, overlay                              on the layout of history and geometry
//! state      room, preview, refresh, editor, keys, theme, config
//! ```

pub mod commands;
pub mod config;
pub mod editor;
mod effects;
pub mod event;
mod geometry;
mod history;
pub mod keys;
mod preview;
mod refresh;
pub mod room;
mod service;
mod shell;
pub mod state;
pub mod terminal;
pub mod theme;
mod update;
mod view;
mod wrap;

pub use event::{Effect, Event};
pub use service::ServiceError;
pub use shell::{ChatError, run};
pub use state::{Settings, State};
pub use update::update;
pub use view::view;
