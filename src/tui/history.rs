//! Lays out a group's history as lines. The view paints these lines and scrolling counts them, so the two agree.
//!
//! All text in a history may come from other people, so it is cleaned here.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use peer_engine::id::{ChangeHash, PeerId};
use peer_engine::time::Timestamp;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::commands::ACTION;
use super::room::{Anchor, Pending, Room};
use super::state::State;
use super::wrap::{pad, truncate, width, wrap};
use crate::api::{MESSAGE, Row};
use crate::text;

/// Minimum width of a history with a column for names.
const COLUMNS_WIDE: usize = 56;
const NAME_COLUMNS: usize = 12;
/// Stands before the second and later lines of a message on a narrow screen, so that no body looks like a row.
const INDENT: &str = "      ";

/// The part of a group's history that is on the screen.
pub struct Shown {
    pub lines: Vec<Line<'static>>,
    /// The first and the last row that are shown at least in part.
    pub rows: Option<(usize, usize)>,
}

/// The lines of `room` that fit on the screen, with the anchor at the bottom.
pub fn shown(state: &State, room: &Room, columns: usize, height: usize) -> Shown {
    let unread = first_unread(state, room);
    let mut blocks: Vec<Vec<Line<'static>>> = Vec::new();
    let (mut total, mut top, mut preview_fills) = (0, None, false);
    let (bottom, below) = match room.anchor {
        Anchor::At { id, below } => (room.index(&id), below),
        Anchor::Newest => {
            let preview = state.preview.of(room);
            let below = if preview.is_empty() { 0 } else { state.preview.below };
            let mut blocks_below = blocks_below(state, room, &preview, columns);
            while total < height.saturating_add(below)
                && let Some(block) = blocks_below.next()
            {
                total += block.len();
                blocks.push(block);
            }
            let pending_here = if room.has_newer { 0 } else { room.pending.len() };
            preview_fills = blocks.len() > pending_here && total >= height + below.min(total);
            // The preview may have shrunk since it was scrolled.
            (room.rows.len().checked_sub(1), below.min(total))
        }
    };
    let mut next = bottom;
    while let Some(index) = next
        && total < height + below
    {
        let block = block(state, room, index, columns, unread);
        total += block.len();
        blocks.push(block);
        top = Some(index);
        next = index.checked_sub(1);
    }
    let mut lines: Vec<_> = blocks.into_iter().rev().flatten().collect();
    lines.truncate(lines.len().saturating_sub(below));
    lines.drain(..lines.len().saturating_sub(height));
    // Where the preview fills the screen, its rule still stands above it.
    if preview_fills
        && top.is_none()
        && height > 1
        && let Some(first) = lines.first_mut()
    {
        *first = preview_rule(state, columns);
    }
    Shown { lines, rows: top.zip(bottom) }
}

/// How many lines stand below the newest row and can be scrolled through: none without a preview.
pub fn height_below(state: &State, room: &Room, columns: usize) -> usize {
    match state.preview.of(room).as_slice() {
        [] => 0,
        preview => blocks_below(state, room, preview, columns).map(|block| block.len()).sum(),
    }
}

/// What stands below the newest row, lowest first: pending messages, then the preview.
fn blocks_below<'a>(
    state: &'a State,
    room: &'a Room,
    preview: &'a [&Row],
    columns: usize,
) -> impl Iterator<Item = Vec<Line<'static>>> + 'a {
    let pending_here: &[Pending] = if room.has_newer { &[] } else { &room.pending };
    let pending = pending_here.iter().rev().map(move |sent| pending(state, room, sent, columns));
    pending
        .chain((0..preview.len()).rev().map(move |index| preview_row(state, room, preview, index, columns)))
}

/// A row of the preview, with the rule above the first one and above the first of a day.
fn preview_row(
    state: &State,
    room: &Room,
    preview: &[&Row],
    index: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    let quiet = state.settings.theme.quiet();
    let previous = index.checked_sub(1).map(|before| preview[before]);
    let mut lines = Vec::new();
    if previous.is_none() {
        lines.push(preview_rule(state, columns));
    }
    lines.extend(day(state, preview[index], previous, columns));
    lines.extend(said(state, room, preview[index]).lines(columns, quiet));
    // Over whatever style the row's parts have.
    lines.iter_mut().flat_map(|line| &mut line.spans).for_each(|span| span.style = span.style.patch(quiet));
    lines
}

/// The rule above the preview.
fn preview_rule(state: &State, columns: usize) -> Line<'static> {
    let by = state.preview.from().map_or_else(String::new, |from| format!(" by {}", name(state, None, from)));
    let whole = format!("preview, sent{by}: the rest is on its way");
    let fits = width(&whole) + 4 <= columns;
    rule(if fits { &whole } else { "preview: the rest is on its way" }, columns, state.settings.theme.quiet())
}

/// How many lines a row takes, with the rules above it.
pub fn height(state: &State, room: &Room, index: usize, columns: usize) -> usize {
    block(state, room, index, columns, first_unread(state, room)).len()
}

fn first_unread(state: &State, room: &Room) -> Option<usize> {
    room.first_unread(state.me.as_ref()?)
}

/// The lines of a row, with a rule above them where a day or the unread rows begin.
fn block(
    state: &State,
    room: &Room,
    index: usize,
    columns: usize,
    unread: Option<usize>,
) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let row = &room.rows[index];
    let mut lines = Vec::new();
    if index > 0 || !room.has_older {
        let previous = index.checked_sub(1).map(|before| &room.rows[before]);
        lines.extend(day(state, row, previous, columns));
    }
    if unread == Some(index) {
        lines.push(rule("unread", columns, theme.notable()));
    }
    lines.extend(entry(state, room, row, columns));
    lines
}

/// The rule with the date of a row, if the row above it has another date.
fn day(state: &State, row: &Row, previous: Option<&Row>, columns: usize) -> Option<Line<'static>> {
    let day = date(row.at, &state.settings.zone)?;
    let begins = previous.is_none_or(|previous| date(previous.at, &state.settings.zone) != Some(day));
    begins.then(|| {
        let name = day.strftime("%A, %-d %B %Y").to_string();
        rule(&name, columns, state.settings.theme.quiet())
    })
}

/// The parts of a row, without those that only rows of the history have.
fn said(state: &State, room: &Room, row: &Row) -> Said {
    let theme = state.settings.theme;
    let time = time(row.at, &state.settings.zone);
    let own = name(state, row.name.as_deref(), &row.author);
    let body = row.body.as_deref().unwrap_or_default();
    let mut said = Said {
        time: (time, theme.quiet()),
        name: (own.clone(), theme.author(&row.author)),
        quote: row.re.as_ref().map(|re| quote(state, room, re)),
        text: text::block(body).into_owned(),
        style: Style::new(),
        notes: Vec::new(),
    };
    let star = |said: &mut Said, text: String| {
        said.name = ("*".to_owned(), theme.quiet());
        (said.text, said.style) = (text, theme.quiet());
    };
    match row.kind.as_str() {
        MESSAGE if row.sealed => star(&mut said, format!("{own} sent something sealed")),
        MESSAGE => {
            if let Some(does) = body.strip_prefix(ACTION) {
                said.name = ("*".to_owned(), theme.author(&row.author));
                said.text = format!("{own} {}", text::block(does));
                said.style = theme.author(&row.author);
            }
            if let Some(from) = &row.from {
                said.text = format!("‹{}› {}", text::line(from), said.text);
            }
        }
        other => match &row.says {
            Some(says) => star(&mut said, format!("{own} {}", text::line(says))),
            None => star(
                &mut said,
                format!("{own} sent something this version does not know ({})", text::line(other)),
            ),
        },
    }
    if row.mention {
        said.name.1 = said.name.1.add_modifier(Modifier::REVERSED);
        said.style = theme.mention();
    }
    said
}

/// The lines of one row of the history.
fn entry(state: &State, room: &Room, row: &Row, columns: usize) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut said = said(state, room, row);
    if row.late {
        said.notes.push((" ↥ late".to_owned(), theme.notable()));
    }
    if let Some(stored_on) = room.stored_on(row)
        && row.kind == MESSAGE
    {
        let style = if stored_on > 1 { theme.good() } else { theme.quiet() };
        said.notes.push((format!(" ✓{stored_on}"), style));
    }
    if room.found == Some(row.id) {
        said.time.1 = theme.reverse();
    }
    let mut lines = said.lines(columns, theme.quiet());
    if state.selection == Some(row.id) {
        for line in &mut lines {
            let missing = columns.saturating_sub(line.width());
            line.push_span(" ".repeat(missing));
            *line = std::mem::take(line).style(theme.reverse());
        }
    }
    lines
}

/// The lines of an own message that is not acknowledged yet, so it has no time.
fn pending(state: &State, room: &Room, sent: &Pending, columns: usize) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let own = state.status.as_ref().and_then(|status| status.name.as_deref());
    let said = Said {
        time: ("  …  ".to_owned(), theme.quiet()),
        name: match &state.me {
            Some(me) => (name(state, own, me), theme.author(me)),
            None => (String::new(), theme.quiet()),
        },
        quote: sent.re.as_ref().map(|re| quote(state, room, re)),
        text: text::block(&sent.body).into_owned(),
        style: theme.quiet(),
        notes: vec![(" …".to_owned(), theme.quiet())],
    };
    said.lines(columns, theme.quiet())
}

/// The parts of one row, cleaned.
struct Said {
    time: (String, Style),
    name: (String, Style),
    quote: Option<String>,
    text: String,
    style: Style,
    notes: Vec<(String, Style)>,
}

impl Said {
    fn lines(self, columns: usize, quiet: Style) -> Vec<Line<'static>> {
        let wide = columns >= COLUMNS_WIDE;
        let (head, rest) = if wide {
            let name = truncate(&self.name.0, NAME_COLUMNS);
            let blank = " ".repeat(NAME_COLUMNS - width(&name));
            let head = vec![
                Span::styled(self.time.0, self.time.1),
                Span::raw(format!(" {blank}")),
                Span::styled(name, self.name.1),
                Span::styled(" │ ", quiet),
            ];
            (head, Span::styled(format!("{}│ ", " ".repeat(NAME_COLUMNS + 7)), quiet))
        } else {
            let name = truncate(&self.name.0, NAME_COLUMNS);
            let head = vec![
                Span::styled(self.time.0, self.time.1),
                Span::raw(" "),
                Span::styled(name, self.name.1),
                Span::raw(" "),
            ];
            (head, Span::raw(INDENT))
        };
        let taken: usize = head.iter().map(Span::width).sum();
        let others = rest.width();
        let mut pieces: Vec<(String, Style)> = Vec::new();
        if let Some(quote) = self.quote {
            pieces.push((truncate(&quote, columns.saturating_sub(taken)), quiet));
        }
        // On a narrow screen the first line is shorter than the others by the name.
        let first =
            if pieces.is_empty() { columns.saturating_sub(taken) } else { columns - others.min(columns) };
        for piece in wrap_after(&self.text, first, columns.saturating_sub(others)) {
            pieces.push((piece, self.style));
        }
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut head = Some(head);
        for (piece, style) in pieces {
            let mut spans = head.take().unwrap_or_else(|| vec![rest.clone()]);
            spans.push(Span::styled(piece, style));
            lines.push(Line::from(spans));
        }
        let notes: usize = self.notes.iter().map(|(note, _)| width(note)).sum();
        if notes > 0 {
            if lines.last().is_some_and(|line| line.width() + notes > columns) {
                lines.push(Line::from(rest));
            }
            if let Some(last) = lines.last_mut() {
                last.extend(self.notes.into_iter().map(|(note, style)| Span::styled(note, style)));
            }
        }
        lines
    }
}

/// `text` on lines of the width `others`, but for the first line, which has the width `first`.
fn wrap_after(text: &str, first: usize, others: usize) -> Vec<String> {
    if first == others {
        return wrap(text, others).into_iter().map(str::to_owned).collect();
    }
    let line_end = text.find('\n').unwrap_or(text.len());
    let head = wrap(&text[..line_end], first)[0];
    let rest = text[head.len()..line_end].trim_start_matches(' ');
    let mut lines = vec![head.to_owned()];
    if !rest.is_empty() {
        lines.extend(wrap(rest, others).into_iter().map(str::to_owned));
    }
    if line_end < text.len() {
        lines.extend(wrap(&text[line_end + 1..], others).into_iter().map(str::to_owned));
    }
    lines
}

/// `↳ name: first line` of the row that another refers to.
fn quote(state: &State, room: &Room, re: &ChangeHash) -> String {
    match room.row(re).or_else(|| state.preview.row(re)) {
        Some(row) => format!("↳ {}", excerpt(state, row)),
        None => "↳ an earlier message".to_owned(),
    }
}

/// `name: first line` of a row.
pub fn excerpt(state: &State, row: &Row) -> String {
    let body = row.body.as_deref().unwrap_or_default();
    let first = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("{}: {}", name(state, row.name.as_deref(), &row.author), text::line(first))
}

/// A person's name, with the beginning of the key if several people have that name.
pub fn name(state: &State, name: Option<&str>, key: &PeerId) -> String {
    // A row has the name that its author had when the row was loaded.
    match state.names.get(key).map(String::as_str).or(name) {
        Some(name) if state.ambiguous.contains(name) => format!("{}~{}", text::line(name), &key.short()[..4]),
        Some(name) => text::line(name).into_owned(),
        None => key.short(),
    }
}

fn rule(label: &str, columns: usize, style: Style) -> Line<'static> {
    let label = format!("── {label} ");
    let rest = columns.saturating_sub(width(&label));
    Line::styled(truncate(&format!("{label}{}", "─".repeat(rest)), columns), style)
}

fn date(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    Some(jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.clone()).date())
}

/// `14:03`, in local time.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%H:%M").to_string(),
        Err(_) => pad("??:??", 5),
    }
}

/// `2026-01-31 14:03`, in local time.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.to_string(),
    }
}
