//! `peer chat`: the terminal UI. It knows the local API only, and starts a peer in its own process where none runs.
//!
//! The whole of it is one value, [`State`]: [`update()`] takes an [`Event`] in and says which [`Effect`]s shall follow,
//! [`view()`] paints. Neither does any I/O, so that both are tested without a terminal. [`run`] is the thin shell
//! around them: it reads the terminal and the service's event stream, does the effects, and draws, at most 60 times
//! a second and only when something changed.
//!
//! ```text
//! shell      terminal, service, effects    what touches the world
//! update/    keys, commands, feed, answers, scroll, complete
//! view/      panes, status, overlay        on the layout of history and geometry
//! state      room, preview, editor, keys, commands, theme, wrap, config
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
