//! The program as people and scripts meet it: real processes, real files, real sockets.

mod api;
mod commands;
mod follow;
mod hostile_text;
mod peer;
mod private;
mod refusals;
