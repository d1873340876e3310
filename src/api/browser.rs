//! Starts the user's browser with a link that is a secret.
//!
//! Other users of the machine can read the arguments of every process, so the browser is given the name of a private
//! file that leads on to the link.

use std::io;
use std::path::Path;

use super::types::Link;
use crate::node::write_private;

const FILE: &str = "open.html";

/// Returns once the browser has been told. The file stays; its link is good once and for a short time.
pub fn open_in_browser(data: &Path, link: &Link) -> io::Result<()> {
    let path = std::path::absolute(data)?.join(FILE);
    // The link is of our own making: an address, `#open=` and hexadecimal digits.
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>peer</title>\
         <meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"refresh\" content=\"0; url={}\">",
        link.url
    );
    write_private(&path, page.as_bytes())?;
    open::that_detached(path)
}
