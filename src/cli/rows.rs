//! A row of history as a person reads it. All text in it is somebody else's, so all of it is cleaned.

use jiff::tz::TimeZone;
use peer_engine::time::Timestamp;

use crate::api::{MESSAGE, Row, kind};
use crate::text;

/// Marks what arrived after newer rows were already there.
const LATE: &str = "↥ late  ";
/// Before the second and later lines of a body, so that no body passes for a row.
const INDENT: &str = "    ";

/// `2026-01-31 14:03  name  text`.
pub(super) fn row(row: &Row, zone: &TimeZone) -> String {
    let at = local(row.at, zone);
    let late = if row.late { LATE } else { "" };
    let author = author(row);
    let body = row.body.as_deref().unwrap_or_default();
    match row.kind.as_str() {
        MESSAGE if !row.sealed => format!("{at}  {late}{author}  {}", indented(body)),
        kind::JOIN => format!("{at}  {late}* {author} joined"),
        kind::LEAVE => format!("{at}  {late}* {author} left"),
        kind::TOPIC => format!("{at}  {late}* {author} set the topic: {}", text::line(body)),
        MESSAGE => format!("{at}  {late}* {author} sent something sealed"),
        other => format!(
            "{at}  {late}* {author} sent something this version does not know ({})",
            text::line(other)
        ),
    }
}

/// `name`, or `from (via name)` where the author relays for somebody.
fn author(row: &Row) -> String {
    let own = match &row.name {
        Some(name) => text::line(name).into_owned(),
        None => row.author.short(),
    };
    match &row.from {
        Some(from) => format!("{} (via {own})", text::line(from)),
        None => own,
    }
}

/// To the minute: what people compare at a glance.
fn local(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.to_string(),
    }
}

fn indented(body: &str) -> String {
    text::block(body).replace('\n', &format!("\n{INDENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer_engine::id::{ChangeHash, GroupId, PeerId};

    fn base() -> Row {
        Row {
            id: ChangeHash([1; 32]),
            group: "rust".parse().unwrap(),
            group_id: GroupId([2; 32]),
            at: Timestamp::parse("2026-01-31T14:03:59.999Z").unwrap(),
            eff: 0,
            author: PeerId([0xAB; 32]),
            name: Some("anna".to_owned()),
            from: None,
            kind: MESSAGE.to_owned(),
            body: Some("hello".to_owned()),
            sealed: false,
            re: None,
            late: false,
            arrival: 1,
            mention: false,
            stored_on: None,
        }
    }

    fn shown(change: impl FnOnce(&mut Row)) -> String {
        let mut it = base();
        change(&mut it);
        row(&it, &TimeZone::UTC)
    }

    #[test]
    fn a_message_is_a_time_a_name_and_a_text() {
        assert_eq!(shown(|_| ()), "2026-01-31 14:03  anna  hello");
        assert_eq!(shown(|row| row.name = None), "2026-01-31 14:03  abababab  hello");
        assert_eq!(
            shown(|row| row.from = Some("irc-bob".to_owned())),
            "2026-01-31 14:03  irc-bob (via anna)  hello"
        );
        assert_eq!(shown(|row| row.late = true), "2026-01-31 14:03  ↥ late  anna  hello");
    }

    #[test]
    fn times_are_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        assert!(row(&base(), &zone).starts_with("2026-01-31 09:03  "));
        let last = Row { at: Timestamp::MAX, ..base() };
        // A local time may lie beyond the last year that can be written.
        assert!(row(&last, &TimeZone::fixed(jiff::tz::offset(14))).ends_with("  anna  hello"));
    }

    #[test]
    fn other_kinds_are_told() {
        let kind = |name: &str| shown(|row| row.kind = name.to_owned());
        assert_eq!(kind("join"), "2026-01-31 14:03  * anna joined");
        assert_eq!(kind("leave"), "2026-01-31 14:03  * anna left");
        assert_eq!(kind("topic"), "2026-01-31 14:03  * anna set the topic: hello");
        assert_eq!(kind("poll"), "2026-01-31 14:03  * anna sent something this version does not know (poll)");
        let sealed = shown(|row| (row.body, row.sealed) = (None, true));
        assert_eq!(sealed, "2026-01-31 14:03  * anna sent something sealed");
    }

    #[test]
    fn no_body_passes_for_a_row() {
        let forged = shown(|row| row.body = Some("hi\n2026-01-31 14:04  bob  I owe you\r\x1b[2J".to_owned()));
        assert_eq!(forged, "2026-01-31 14:03  anna  hi\n    2026-01-31 14:04  bob  I owe you␍␛[2J");
    }

    #[test]
    fn every_field_of_others_is_cleaned() {
        let evil = "\x1b]52;c;eA==\x07\u{202E}\n".to_owned();
        for kind in ["message", "topic", "join", "x\x1b"] {
            let line = shown(|row| {
                row.kind = kind.to_owned();
                row.name = Some(evil.clone());
                row.from = Some(evil.clone());
                row.body = Some(evil.trim_end().to_owned());
            });
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202E}'), "{line:?}");
        }
    }
}
