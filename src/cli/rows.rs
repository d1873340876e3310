//! Formats a row of history for people. All text in it may come from others, so it is cleaned.

use jiff::tz::TimeZone;
use peer_engine::time::Timestamp;

use crate::api::{MESSAGE, Row};
use crate::text;

/// Marks a row that arrived after rows that stand below it.
const LATE: &str = "↥ late  ";
/// Stands before the second and later lines of a body, so that no body looks like a row.
const INDENT: &str = "    ";

/// `2026-01-31 14:03  name  text`.
pub(super) fn row(row: &Row, zone: &TimeZone) -> String {
    let at = local(row.at, zone);
    let late = if row.late { LATE } else { "" };
    let author = author(row);
    let body = row.body.as_deref().unwrap_or_default();
    match row.kind.as_str() {
        MESSAGE if !row.sealed => format!("{at}  {late}{author}  {}", indented(body)),
        MESSAGE => format!("{at}  {late}* {author} sent something sealed"),
        other => match &row.says {
            Some(says) => format!("{at}  {late}* {author} {}", text::line(says)),
            None => format!(
                "{at}  {late}* {author} sent something this version does not know ({})",
                text::line(other)
            ),
        },
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

/// The local time, to the minute.
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
            says: None,
            body: Some("hello".to_owned()),
            sealed: false,
            re: None,
            late: false,
            arrival: 1,
            mention: false,
            stored_on: None,
            marks: Vec::new(),
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
        let says =
            |says: &str| shown(|row| (row.kind, row.says) = ("topic".to_owned(), Some(says.to_owned())));
        assert_eq!(says("set the topic: hello"), "2026-01-31 14:03  * anna set the topic: hello");
        let unknown = shown(|row| row.kind = "poll".to_owned());
        assert_eq!(unknown, "2026-01-31 14:03  * anna sent something this version does not know (poll)");
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
                row.says = (kind == "topic").then(|| evil.clone());
                row.name = Some(evil.clone());
                row.from = Some(evil.clone());
                row.body = Some(evil.trim_end().to_owned());
            });
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202E}'), "{line:?}");
        }
    }
}
