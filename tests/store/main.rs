//! The stores, on real files.

mod behaviour;
mod damage;
mod export;
mod history;
mod names;
mod opening;
mod rebuild;
mod search;
mod support;
