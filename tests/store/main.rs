//! The stores, on real files.

mod behaviour;
mod support;
