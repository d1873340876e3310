//! Whole peers in one process, over real sockets and files.

mod any_damage;
mod clocks;
mod damage;
mod many_groups;
mod mesh;
mod snapshots;
mod stopping;
mod support;
