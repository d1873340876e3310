//! The views over the screen: help, texts, the switcher, and the results of a search.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::panes;
use crate::api::Hit;
use crate::text;
use crate::tui::commands::COMMANDS;
use crate::tui::geometry::Geometry;
use crate::tui::history;
use crate::tui::keys::ACTIONS;
use crate::tui::state::{Overlay, State};
use crate::tui::wrap::{pad, truncate, width, wrap};

const TICKET_WARNING: &str = "Anyone who has a ticket can join this mesh, and read and write in every group. Show it to nobody else than the newcomer, and check who sees this screen.\n\nEnter shows it. Esc does not. /invite FILE writes it to a file instead.";

pub fn overlay(state: &State, overlay: &Overlay, frame: &mut Frame, geometry: Geometry) {
    let area = geometry.title.union(geometry.history).union(geometry.status);
    let area = Rect { height: area.height.saturating_sub(1).max(1), ..area };
    let area = Rect { x: 0, width: geometry.title.width, ..area };
    let columns = usize::from(area.width);
    frame.render_widget(Clear, area);
    match overlay {
        Overlay::Help { scroll } => {
            text_page(state, frame, area, "keys and commands", help(state, columns), *scroll)
        }
        Overlay::Text { title, lines, scroll } => {
            let lines =
                lines.iter().flat_map(|line| wrap(line, columns)).map(|line| Line::from(line.to_owned()));
            text_page(state, frame, area, title, lines.collect(), *scroll);
        }
        Overlay::TicketWarning => {
            let lines = wrap(TICKET_WARNING, columns).into_iter().map(|line| Line::from(line.to_owned()));
            text_page(state, frame, area, "invite", lines.collect(), 0);
        }
        Overlay::Switcher { filter, selected } => {
            let theme = state.settings.theme;
            let rows = state.switchable(filter.text()).into_iter().map(|group| {
                let note = if group.joined { panes::counts(group) } else { " not joined".to_owned() };
                let topic = text::line(group.topic.as_deref().unwrap_or_default()).into_owned();
                Line::from(vec![
                    Span::raw(pad(&format!(" {}", group.name), 20)),
                    Span::styled(pad(&note, 12), theme.strong()),
                    Span::styled(topic, theme.quiet()),
                ])
            });
            let title = format!("go to: {}", filter.layout(columns.saturating_sub(10)).0.concat());
            list_page(state, frame, area, &title, rows.collect(), *selected, 1);
            let x = area.x + u16::try_from(width(&title) + 1).unwrap_or(0);
            frame.set_cursor_position((x.min(area.right().saturating_sub(1)), area.y));
        }
        Overlay::Found { words, hits, selected } => {
            let rows: Vec<_> = hits.iter().flat_map(|hit| found(state, hit, columns)).collect();
            let title = format!("found for “{}”: {}", text::line(words), hits.len());
            list_page(state, frame, area, &title, rows, *selected, 2);
        }
    }
}

/// A hit on two lines: time, group and author, then the text.
fn found(state: &State, hit: &Hit, columns: usize) -> [Line<'static>; 2] {
    let theme = state.settings.theme;
    let row = &hit.row;
    let moment = history::moment(row.at, &state.settings.zone);
    let name = history::name(state, row.name.as_deref(), &row.author);
    let body = text::line(row.body.as_deref().unwrap_or_default()).into_owned();
    [
        Line::from(vec![
            Span::styled(format!(" {moment} {} ", row.group), theme.quiet()),
            Span::styled(name, theme.author(&row.author)),
        ]),
        Line::from(truncate(&format!("   {body}"), columns)),
    ]
}

/// The lines of the help.
pub fn help(state: &State, columns: usize) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = vec![Line::styled("Commands", theme.strong())];
    for (name, arguments, about) in COMMANDS {
        lines.extend(explained(&format!("/{name} {arguments}"), about, columns));
    }
    lines.extend(explained("//TEXT", "send a text that starts with /", columns));
    lines.push(Line::default());
    lines
        .push(Line::styled("Keys, and the names of their actions in the configuration file", theme.strong()));
    lines.extend(explained("alt-1 … alt-9", "go to the group at this place in the list", columns));
    for (action, name, _, about) in ACTIONS {
        let keys = state.settings.keys.keys_of(*action).join(" ");
        lines.extend(explained(&keys, &format!("{about} ({name})"), columns));
    }
    lines.push(Line::default());
    lines.push(Line::styled("Signs", theme.strong()));
    for (sign, about) in [
        ("…", "not stored here yet"),
        ("✓1 ✓2 ✓n", "your message is stored on so many peers, this one included"),
        ("↥ late", "arrived after the messages below it"),
        ("● ○", "connected, not connected"),
        ("name~1a2b", "several people have this name; 1a2b is the beginning of the key"),
    ] {
        lines.extend(explained(sign, about, columns));
    }
    lines
}

fn explained(what: &str, about: &str, columns: usize) -> Vec<Line<'static>> {
    let left = (columns / 3).clamp(10, 28);
    let right = columns.saturating_sub(left + 2).max(10);
    let whats = wrap(what, left - 1);
    let abouts = wrap(about, right);
    let line = |index: usize| {
        let what = whats.get(index).copied().unwrap_or_default();
        let about = abouts.get(index).copied().unwrap_or_default();
        Line::from(format!(" {} {about}", pad(what, left)))
    };
    (0..whats.len().max(abouts.len())).map(line).collect()
}

fn text_page(
    state: &State,
    frame: &mut Frame,
    area: Rect,
    title: &str,
    lines: Vec<Line<'static>>,
    scroll: usize,
) {
    let height = usize::from(area.height).saturating_sub(1);
    let first = scroll.min(lines.len().saturating_sub(height));
    let more = lines.len() > first + height;
    bar(state, frame, area, title, if more { "↓ more · Esc closes " } else { "Esc closes " });
    let shown: Vec<_> = lines.into_iter().skip(first).take(height).collect();
    frame.render_widget(Paragraph::new(shown), below(area));
}

/// A list whose rows have `each` lines, scrolled so that the selected row is on the screen.
fn list_page(
    state: &State,
    frame: &mut Frame,
    area: Rect,
    title: &str,
    lines: Vec<Line<'static>>,
    selected: usize,
    each: usize,
) {
    bar(state, frame, area, title, "Enter goes there · Esc closes ");
    let height = usize::from(area.height).saturating_sub(1);
    let first = ((selected + 1) * each).saturating_sub(height);
    let columns = usize::from(area.width);
    let shown = lines.into_iter().enumerate().skip(first).take(height).map(|(index, mut line)| {
        if index / each == selected {
            let missing = columns.saturating_sub(line.width());
            line.push_span(" ".repeat(missing));
            line = line.style(state.settings.theme.reverse());
        }
        line
    });
    frame.render_widget(Paragraph::new(shown.collect::<Vec<_>>()), below(area));
}

fn below(bar: Rect) -> Rect {
    Rect { y: bar.y + 1, height: bar.height.saturating_sub(1), ..bar }
}

fn bar(state: &State, frame: &mut Frame, area: Rect, title: &str, hint: &str) {
    let columns = usize::from(area.width);
    let hint = if width(title) + width(hint) + 2 > columns { "" } else { hint };
    let line = format!("{}{hint}", pad(&format!(" {title}"), columns.saturating_sub(width(hint))));
    frame.render_widget(Line::styled(line, state.settings.theme.reverse()), Rect { height: 1, ..area });
}
