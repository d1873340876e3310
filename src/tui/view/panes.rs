//! The title bar, and the panes of groups and of members.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::api::{Group, User};
use crate::text;
use crate::tui::history;
use crate::tui::state::State;
use crate::tui::wrap::{pad, truncate, width};

pub fn title(state: &State, frame: &mut Frame, area: Rect) {
    let columns = usize::from(area.width);
    let group = state.current.as_ref().and_then(|name| state.group(name));
    let line = match group {
        Some(group) => {
            let topic = group.topic.as_deref().map(text::line).unwrap_or_default();
            let separator = if topic.is_empty() { "" } else { " · " };
            let people =
                state.room().map_or(0, |room| room.members.iter().filter(|user| user.joined).count());
            let right = match people {
                0 => String::new(),
                1 => "1 person ".to_owned(),
                people => format!("{people} people "),
            };
            let left = format!(" {}{separator}{topic}", group.name);
            format!("{}{right}", pad(&left, columns.saturating_sub(width(&right))))
        }
        None => pad(" peer", columns),
    };
    frame.render_widget(Line::styled(line, state.settings.theme.reverse()), area);
}

pub fn groups(state: &State, frame: &mut Frame, area: Rect) {
    let joined: Vec<&Group> = state.joined().collect();
    let height = usize::from(area.height);
    let current = joined.iter().position(|group| Some(&group.name) == state.current.as_ref());
    let first = (current.unwrap_or(0) + 1).saturating_sub(height);
    let lines: Vec<Line> = joined
        .into_iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(index, group)| row(state, index, group, usize::from(area.width)))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn row(state: &State, index: usize, group: &Group, columns: usize) -> Line<'static> {
    let theme = state.settings.theme;
    let counts = counts(group);
    let number = if index < 9 { format!("{} ", index + 1) } else { "  ".to_owned() };
    let name = pad(&format!("{number}{}", group.name), columns.saturating_sub(width(&counts)));
    let (name_style, count_style) = match (group.mentions, group.unread) {
        (0, 0) => (ratatui::style::Style::new(), theme.quiet()),
        (0, _) => (theme.strong(), theme.strong()),
        _ => (theme.strong(), theme.mention()),
    };
    let line = Line::from(vec![Span::styled(name, name_style), Span::styled(counts, count_style)]);
    if Some(&group.name) == state.current.as_ref() { line.style(theme.reverse()) } else { line }
}

/// ` 12`, or ` @2 12` with mentions.
pub fn counts(group: &Group) -> String {
    let count = |count: u64| if count >= 1000 { "999+".to_owned() } else { count.to_string() };
    match (group.mentions, group.unread) {
        (0, 0) => String::new(),
        (0, unread) => format!(" {}", count(unread)),
        (mentions, unread) => format!(" @{} {}", count(mentions), count(unread)),
    }
}

pub fn members(state: &State, frame: &mut Frame, area: Rect) {
    let Some(room) = state.room() else { return };
    let joined: Vec<&User> = room.members.iter().filter(|user| user.joined).collect();
    let height = usize::from(area.height);
    let more = (joined.len() > height).then(|| format!("  and {} more", joined.len() - height + 1));
    let shown = if more.is_some() { height.saturating_sub(1) } else { height };
    let mut lines: Vec<Line> =
        joined.into_iter().take(shown).map(|user| member(state, user, usize::from(area.width))).collect();
    lines.extend(more.map(|more| Line::styled(more, state.settings.theme.quiet())));
    frame.render_widget(Paragraph::new(lines), area);
}

/// `● name` for a person who is connected, `○ name` for one who is not.
fn member(state: &State, user: &User, columns: usize) -> Line<'static> {
    let theme = state.settings.theme;
    let name = truncate(&history::name(state, user.name.as_deref(), &user.key), columns.saturating_sub(2));
    let (dot, style) = match user.connected {
        true => (Span::styled("● ", theme.good()), theme.author(&user.key)),
        false => (Span::styled("○ ", theme.quiet()), theme.quiet()),
    };
    Line::from(vec![dot, Span::styled(name, style)])
}
