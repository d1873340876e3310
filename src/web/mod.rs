//! The web page: one more face of the local API, made of files that are in the binary as they are.
//!
//! The page is plain JavaScript in modules, without a build step, a framework, or anything from elsewhere:
//!
//! ```text
//! main                     signs in, takes events, shows the group that the address names
//! history  timeline  row   the conversation: what is on screen, the window of rows behind it, one row
//! preview                  the newest rows, sent ahead of what is still on its way
//! composer  outbox         what one writes: drafts, and messages until the peer has them on disk
//! groups  side  switcher   the panes: groups; members and search; the way to go to, join or create a group
//! dialogs  notice  keys    what opens on top, what is said about the mesh, keys
//! events  api  store       the stream of events, requests, and the one value that all parts show
//! people  text  time  dom  names and colours, other people's text, times, elements
//! theme                    light or dark, before the first paint
//! ```
//!
//! It never parses markup: text becomes text nodes (`tests/page` holds the sources to it, and the API's
//! content security policy the browser). It keeps drafts, and messages that the peer has not taken yet, in the
//! browser's storage for its origin; history, names and the ticket it keeps nowhere.

use crate::api::Asset;

macro_rules! assets {
    ($($content_type:literal: $($path:literal $file:literal),+;)+) => {
        &[$($(Asset {
            path: $path,
            content_type: $content_type,
            body: include_bytes!(concat!("page/", $file)),
        }),+),+]
    };
}

/// Every file of the page, with the path that it is served at.
pub const ASSETS: &[Asset] = assets! {
    "text/html; charset=utf-8": "/" "index.html";
    "image/svg+xml": "/icon.svg" "icon.svg";
    "text/css; charset=utf-8":
        "/css/base.css" "css/base.css",
        "/css/dialog.css" "css/dialog.css",
        "/css/history.css" "css/history.css",
        "/css/layout.css" "css/layout.css";
    "text/javascript; charset=utf-8":
        "/js/api.js" "js/api.js",
        "/js/composer.js" "js/composer.js",
        "/js/dialogs.js" "js/dialogs.js",
        "/js/dom.js" "js/dom.js",
        "/js/events.js" "js/events.js",
        "/js/groups.js" "js/groups.js",
        "/js/history.js" "js/history.js",
        "/js/keys.js" "js/keys.js",
        "/js/main.js" "js/main.js",
        "/js/notice.js" "js/notice.js",
        "/js/outbox.js" "js/outbox.js",
        "/js/people.js" "js/people.js",
        "/js/preview.js" "js/preview.js",
        "/js/row.js" "js/row.js",
        "/js/side.js" "js/side.js",
        "/js/store.js" "js/store.js",
        "/js/switcher.js" "js/switcher.js",
        "/js/text.js" "js/text.js",
        "/js/theme.js" "js/theme.js",
        "/js/time.js" "js/time.js",
        "/js/timeline.js" "js/timeline.js";
};
