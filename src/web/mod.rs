//! The web page: a face on top of the local API, made of files that the binary contains as they are.
//!
//! The page is plain JavaScript in modules, without a build step, a framework or anything from elsewhere:
//!
//! ```text
//! main                             signs in, takes events, shows the group that the address names
//! history  timeline  rowlist  row  the history: what is on screen, the rows that are loaded, their elements
//! walk  quotes  readmark  pills    its keys, quoted messages, the read mark, the buttons for new and late messages
//! preview  queue                   below the history: the preview, and own messages that are not stored yet
//! composer  outbox                 writing: drafts and replies, and messages until the peer has stored them
//! groups  side  switcher           the panes: groups; members and search; the dialog to find, join or create a group
//! dialogs  notice  keys            other dialogs, the state of the peer, keys that work everywhere
//! events  api  store               the stream of events, requests, and the state that all parts share
//! people  text  time  dom          names and colours, other people's text, times, elements
//! announcer  theme                 what screen readers say; light or dark, before the first paint
//! ```
//!
//! It never parses markup: text becomes text nodes. `tests/page` checks the sources for that, and the API's content
//! security policy has the browser enforce it. Drafts, and messages that the peer has not stored yet, are kept in the
//! browser's storage for the peer's address; history, names and the ticket are not.

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

/// Every file of the page, with the path at which it is served.
pub const ASSETS: &[Asset] = assets! {
    "text/html; charset=utf-8": "/" "index.html";
    "image/svg+xml": "/icon.svg" "icon.svg";
    "text/css; charset=utf-8":
        "/css/base.css" "css/base.css",
        "/css/dialog.css" "css/dialog.css",
        "/css/history.css" "css/history.css",
        "/css/layout.css" "css/layout.css";
    "text/javascript; charset=utf-8":
        "/js/announcer.js" "js/announcer.js",
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
        "/js/pills.js" "js/pills.js",
        "/js/preview.js" "js/preview.js",
        "/js/queue.js" "js/queue.js",
        "/js/quotes.js" "js/quotes.js",
        "/js/readmark.js" "js/readmark.js",
        "/js/row.js" "js/row.js",
        "/js/rowlist.js" "js/rowlist.js",
        "/js/side.js" "js/side.js",
        "/js/store.js" "js/store.js",
        "/js/switcher.js" "js/switcher.js",
        "/js/text.js" "js/text.js",
        "/js/theme.js" "js/theme.js",
        "/js/time.js" "js/time.js",
        "/js/timeline.js" "js/timeline.js",
        "/js/walk.js" "js/walk.js";
};
