//! A ticket as a QR code, for the camera of another machine.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

/// The width of the light border around the code, in modules, as scanners expect it.
const MARGIN: i32 = 4;

/// An SVG of black squares on white. `None` when the ticket is longer than a code can hold.
///
/// Tickets are not case-sensitive, and upper-case letters take a third less space.
pub(super) fn svg(ticket: &str) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(ticket.to_ascii_uppercase());
    let code = QrCode::encode_text(&text, QrCodeEcc::Low).ok()?;
    let size = code.size() + 2 * MARGIN;
    let mut svg = Zeroizing::new(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\""
    ));
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            // Writing to a string does not fail.
            let _ = write!(svg, "M{} {}h1v1h-1z", x + MARGIN, y + MARGIN);
        }
    }
    svg.push_str("\"/></svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_modules_of_its_text() {
        let svg = svg("peer1abc").unwrap();
        let code = QrCode::encode_text("PEER1ABC", QrCodeEcc::Low).unwrap();
        let dark = (0..code.size() * code.size())
            .filter(|place| code.get_module(place % code.size(), place / code.size()))
            .count();
        assert_eq!(svg.matches("h1v1h-1z").count(), dark);
        assert!(svg.contains("viewBox=\"0 0 29 29\""), "{}", &svg[..100]);
    }

    #[test]
    fn the_longest_ticket_fits_and_what_is_longer_is_refused() {
        assert!(svg(&"a".repeat(peer_engine::limits::TICKET_CHARS_MAX)).is_some());
        assert!(svg(&"a".repeat(5000)).is_none());
    }
}
