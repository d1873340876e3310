//! The status bar: the connection, what is missing, and unread messages in other groups.

use peer_engine::id::GroupName;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::panes;
use crate::text;
use crate::tui::state::{Connection, State};
use crate::tui::wrap::{pad, truncate, width};

/// A clock that is wrong by at least this many milliseconds is reported.
const SKEW_MS_TOLD: i64 = 2_000;

pub fn bar(state: &State, frame: &mut Frame, area: Rect, with_groups: bool) {
    let theme = state.settings.theme;
    let columns = usize::from(area.width);
    let (connection, fine) = connection(state);
    let style = if fine { Style::new() } else { theme.strong() };
    let mut parts = Vec::new();
    if let Some(name) = state.status.as_ref().and_then(|status| status.name.as_deref()) {
        parts.push((text::line(name).into_owned(), Style::new()));
    }
    parts.push((connection, style));
    if let Some(room) = state.room() {
        if room.new_below > 0 {
            parts.push((format!("↓ {} new", room.new_below), theme.strong()));
        } else if room.loaded
            && !(room.is_at_newest() && (state.preview.below == 0 || state.preview.of(room).is_empty()))
        {
            parts.push(("↓ more".to_owned(), Style::new()));
        }
        if !room.late.is_empty() {
            parts.push((format!("↥ {} late", room.late.len()), theme.strong()));
        }
    }
    let waiting = state.waiting();
    if waiting > 0 {
        parts.push((format!("{waiting} not stored yet"), theme.strong()));
    }
    if let Some(skew) = skew(state) {
        parts.push((skew, theme.strong()));
    }
    if with_groups {
        parts.extend(elsewhere(state).map(|elsewhere| (elsewhere, theme.strong())));
    }
    let help = " F1 help ";
    let free = columns.saturating_sub(width(help) + 1);
    let mut spans = vec![Span::raw(" ")];
    let mut taken = 0;
    for (index, (part, style)) in parts.into_iter().enumerate() {
        let separator = if index == 0 { "" } else { " · " };
        let piece = truncate(&format!("{separator}{part}"), free.saturating_sub(taken));
        taken += width(&piece);
        spans.push(Span::styled(piece, style));
    }
    spans.push(Span::raw(pad("", free.saturating_sub(taken))));
    spans.push(Span::raw(truncate(help, columns)));
    frame.render_widget(Line::from(spans).style(theme.reverse()), area);
}

/// How this peer is connected and what it lacks, and whether that is in order.
pub fn connection(state: &State) -> (String, bool) {
    match &state.connection {
        Connection::Starting => return ("starting".to_owned(), true),
        Connection::Lost(_) => return ("the server is gone; looking for it".to_owned(), false),
        Connection::Open { .. } => {}
    }
    match (state.links, state.behind.as_slice()) {
        (0, _) if state.people.len() <= 1 && !knows_others(state) => {
            ("alone; /invite somebody".to_owned(), false)
        }
        (0, _) => ("OFFLINE, messages wait here".to_owned(), false),
        (links, []) => (format!("{}, caught up", count(links)), true),
        (links, behind) => (format!("{}, behind in {}", count(links), list(behind)), false),
    }
}

fn knows_others(state: &State) -> bool {
    state.status.as_ref().is_some_and(|status| !status.unreachable.is_empty())
}

fn count(links: u32) -> String {
    if links == 1 { "1 link".to_owned() } else { format!("{links} links") }
}

fn list(groups: &[GroupName]) -> String {
    let names: Vec<&str> = groups.iter().take(2).map(GroupName::as_str).collect();
    let more = if groups.len() > names.len() { " …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Reports this peer's clock if it differs from the median of the other peers' clocks.
fn skew(state: &State) -> Option<String> {
    let mut skews: Vec<i64> = state.status.as_ref()?.links.iter().filter_map(|link| link.skew_ms).collect();
    skews.sort_unstable();
    let middle = *skews.get(skews.len() / 2)?;
    if middle.abs() < SKEW_MS_TOLD {
        return None;
    }
    let direction = if middle > 0 { "behind" } else { "ahead" };
    Some(format!("your clock is {} {direction}", duration(middle.unsigned_abs())))
}

pub fn duration(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The groups with unread messages, for a screen that has no pane for groups.
fn elsewhere(state: &State) -> Option<String> {
    let unread = state.joined().enumerate().filter(|(_, group)| group.unread > 0);
    let names: Vec<String> = unread
        .map(|(index, group)| format!("{}:{}{}", index + 1, group.name, panes::counts(group)))
        .collect();
    (!names.is_empty()).then(|| names.join(" "))
}
