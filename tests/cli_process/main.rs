//! The program as people and scripts use it: real processes, real files, real sockets.

mod api;
mod bot;
mod commands;
mod described;
mod events;
mod follow;
mod grows;
mod hostile_text;
mod limits;
mod login;
mod peer;
mod preview;
mod private;
mod refusals;
