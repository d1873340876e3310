//! The stores, on real files.

mod attention;
mod behaviour;
mod by_hash;
mod checkpoint;
mod damage;
mod export;
mod feed;
mod folds;
mod history;
mod names;
mod opening;
mod rebuild;
mod salvage;
mod salvage_cost;
mod search;
mod support;
mod unindexed;
mod upgrade;
