//! Starts the user's browser with a login link, which is a secret.
//!
//! Other users of the machine can read the arguments of every process, so the browser gets the path of a
//! private file that redirects to the link.

use std::io;
use std::path::Path;

use super::types::Link;
use crate::node::write_private;

const FILE: &str = "open.html";

/// Returns once the browser has been started. The file stays; its link can be used once, for a short time.
pub fn open_in_browser(data: &Path, link: &Link) -> io::Result<()> {
    let path = std::path::absolute(data)?.join(FILE);
    // The link needs no escaping: an address, `#open=` and hexadecimal digits.
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>peer</title>\
         <meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"refresh\" content=\"0; url={}\">",
        link.url
    );
    write_private(&path, page.as_bytes())?;
    open::that_detached(path)
}
