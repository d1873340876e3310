//! Paints the state. Only places and styles are decided here.

mod overlay;
mod panes;
mod status;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::geometry::{Geometry, PROMPT, input_columns};
use super::history;
use super::state::State;
use super::wrap::{truncate, wrap};
use crate::text;

pub use status::{connection, duration};

/// How many lines the help has.
pub fn help_height(state: &State) -> usize {
    overlay::help(state, state.size.0.into()).len()
}

/// Paints the whole screen.
pub fn view(state: &State, frame: &mut Frame) {
    let geometry = Geometry::of(state);
    panes::title(state, frame, geometry.title);
    if let Some(area) = geometry.groups {
        panes::groups(state, frame, area);
        separator(state, frame, area.right(), geometry.history);
    }
    if let Some(area) = geometry.members {
        panes::members(state, frame, area);
        separator(state, frame, area.left().saturating_sub(1), geometry.history);
    }
    history_pane(state, frame, geometry.history);
    status::bar(state, frame, geometry.status, geometry.groups.is_none());
    if let Some(area) = geometry.hint {
        hint(state, frame, area);
    }
    input(state, frame, geometry.input);
    if let Some(overlay) = &state.overlay {
        overlay::overlay(state, overlay, frame, geometry);
    }
}

fn separator(state: &State, frame: &mut Frame, x: u16, beside: Rect) {
    let lines = vec![Line::styled("│", state.settings.theme.quiet()); beside.height.into()];
    frame.render_widget(Paragraph::new(lines), Rect::new(x, beside.y, 1, beside.height));
}

fn history_pane(state: &State, frame: &mut Frame, area: Rect) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let lines = match state.room() {
        Some(room) => history::shown(state, room, columns, height).lines,
        None => welcome(state, columns),
    };
    let blank = height.saturating_sub(lines.len());
    let lines = std::iter::repeat_n(Line::default(), blank).chain(lines);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// Says what to do first, while no group is open.
fn welcome(state: &State, columns: usize) -> Vec<Line<'static>> {
    if !matches!(state.connection, super::state::Connection::Open { .. }) {
        return vec![Line::styled(" starting…", state.settings.theme.quiet())];
    }
    let others = state.groups.iter().map(|group| group.name.to_string()).collect::<Vec<_>>().join(", ");
    let mut text = vec!["You are in no group yet.".to_owned(), String::new()];
    if !others.is_empty() {
        text.push(format!("/join GROUP joins one of these: {others}"));
    }
    text.extend([
        "/create GROUP makes one.".to_owned(),
        "/nick NAME tells others what to call you.".to_owned(),
        "/invite shows a ticket for a newcomer; `peer chat --join TICKET` joins a mesh.".to_owned(),
        "F1 lists keys and commands.".to_owned(),
        String::new(),
    ]);
    let lines = text.iter().flat_map(|line| wrap(line, columns.saturating_sub(2)));
    lines.map(|line| Line::from(format!(" {line}"))).collect()
}

/// The line above the input.
fn hint(state: &State, frame: &mut Frame, area: Rect) {
    let theme = state.settings.theme;
    let columns = usize::from(area.width);
    let line = if let Some(notice) = &state.notice {
        let style = if notice.wrong { theme.wrong() } else { theme.strong() };
        Line::styled(truncate(&text::line(&notice.text), columns), style)
    } else if state.selection.is_some() {
        Line::styled(
            truncate("↑↓ pick a message · Enter replies · y keeps its id for Ctrl+Y · Esc", columns),
            theme.strong(),
        )
    } else if let Some(completion) = &state.completion {
        let mut spans = Vec::new();
        for (index, option) in completion.options.iter().enumerate() {
            let style = if index == completion.selected { theme.reverse() } else { theme.quiet() };
            spans.push(Span::styled(text::line(option.trim_end()).into_owned(), style));
            spans.push(Span::raw("  "));
        }
        // Drop options from the left until the selected one is on the screen.
        let before: usize = spans.iter().take(2 * completion.selected + 1).map(Span::width).sum();
        while spans.len() > 2 && before > columns && spans.iter().map(Span::width).sum::<usize>() > columns {
            spans.remove(0);
        }
        Line::from(spans)
    } else if let Some(re) = state.room().and_then(|room| room.reply) {
        let to = state.room().and_then(|room| room.row(&re)).map(|row| history::excerpt(state, row));
        let to = to.unwrap_or_else(|| "an earlier message".to_owned());
        Line::styled(truncate(&format!("↳ reply to {to}"), columns), theme.strong())
    } else {
        Line::default()
    };
    frame.render_widget(line, area);
}

fn input(state: &State, frame: &mut Frame, area: Rect) {
    let (lines, (column, line)) = state.editor.layout(input_columns(area.width));
    let height = usize::from(area.height);
    let first = (line + 1).saturating_sub(height);
    let indent = " ".repeat(PROMPT.len());
    let shown: Vec<Line> = lines
        .into_iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(index, text)| {
            let lead = if index == 0 { PROMPT } else { &indent };
            Line::from(vec![Span::styled(lead.to_owned(), state.settings.theme.quiet()), Span::raw(text)])
        })
        .collect();
    frame.render_widget(Paragraph::new(shown), area);
    if state.overlay.is_none() && state.selection.is_none() {
        let x = area.x.saturating_add(u16::try_from(PROMPT.len() + column).unwrap_or(u16::MAX));
        let y = area.y.saturating_add(u16::try_from(line.saturating_sub(first)).unwrap_or(u16::MAX));
        frame.set_cursor_position((x.min(area.right().saturating_sub(1)), y));
    }
}
