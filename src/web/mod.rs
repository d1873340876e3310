//! The web page: files that are in the binary as they are, and served by the local API.

use crate::api::Asset;

pub const ASSETS: &[Asset] =
    &[Asset { path: "/", content_type: "text/html; charset=utf-8", body: include_bytes!("index.html") }];
