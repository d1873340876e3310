//! Keys, pastes and the mouse.

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use peer_engine::id::GroupName;
use ratatui::layout::Position;

use super::super::editor::Editor;
use super::super::event::{Effect, Part};
use super::super::geometry::Geometry;
use super::super::keys::Action;
use super::super::state::{Overlay, State};
use super::super::view::help_height;
use super::{commands, complete, groups, scroll, select};

/// Lines that one turn of the wheel scrolls.
const WHEEL: usize = 3;

pub fn key(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    let action = state.settings.keys.action(key);
    state.notice = None;
    let leaving = std::mem::take(&mut state.leaving);
    if !matches!(action, Some(Action::Complete | Action::CompleteBack)) {
        state.completion = None;
    }
    if matches!(action, Some(Action::Redraw)) {
        effects.push(Effect::Redraw);
    } else if matches!(action, Some(Action::Suspend)) {
        effects.push(Effect::Suspend);
    } else if state.overlay.is_some() {
        over(state, key, action, effects);
    } else if state.selection.is_some() {
        select::key(state, key, action);
    } else {
        main(state, key, action, leaving, effects);
    }
}

fn main(state: &mut State, key: KeyEvent, action: Option<Action>, leaving: bool, effects: &mut Vec<Effect>) {
    let Some(action) = action else {
        match key.code {
            KeyCode::Char(digit @ '1'..='9') if key.modifiers == KeyModifiers::ALT => {
                let place = digit as usize - '1' as usize;
                let group = state.joined().nth(place).map(|group| group.name.clone());
                match group {
                    Some(name) => groups::open(state, &name, effects),
                    None => state.say(format!("there is no group {digit}")),
                }
            }
            KeyCode::Char(c) if (key.modifiers - KeyModifiers::SHIFT).is_empty() => {
                state.editor.insert(c.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
        return;
    };
    let page = scroll::page(state);
    let waiting = state.waiting();
    let editor = &mut state.editor;
    match action {
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Switcher => {
            state.overlay = Some(Overlay::Switcher { filter: Editor::default(), selected: 0 });
        }
        Action::NextUnread => next_unread(state, effects),
        Action::PreviousGroup => step(state, -1, effects),
        Action::NextGroup => step(state, 1, effects),
        Action::PageUp => scroll::up(state, page),
        Action::PageDown => scroll::down(state, page),
        Action::LineUp => scroll::up(state, 1),
        Action::LineDown => scroll::down(state, 1),
        Action::Oldest => oldest(state, effects),
        Action::Newest => scroll::newest(state),
        Action::Unread => unread(state),
        Action::Late => late(state, effects),
        Action::Select => select::start(state),
        Action::Close => close(state),
        Action::Send => commands::submit(state, effects),
        Action::NewLine => drop(editor.insert("\n")),
        Action::Complete => complete::complete(state, true),
        Action::CompleteBack => complete::complete(state, false),
        Action::Up => editor.up(),
        Action::Down => editor.down(),
        Action::Previous => editor.previous(),
        Action::Next => editor.next(),
        Action::DeleteOrQuit | Action::Clear if editor.is_empty() && leaving => effects.push(Effect::Quit),
        Action::DeleteOrQuit if editor.is_empty() => commands::quit(state, effects),
        Action::Clear if editor.is_empty() && waiting > 0 => commands::quit(state, effects),
        Action::Clear if editor.is_empty() => {
            state.leaving = true;
            state.say("Ctrl+C again leaves");
        }
        Action::Clear => drop(editor.submit()),
        Action::Redraw | Action::Suspend => {}
        action => edit(editor, action),
    }
}

/// The actions that work in every input line.
fn edit(editor: &mut Editor, action: Action) {
    match action {
        Action::Left => editor.left(),
        Action::Right => editor.right(),
        Action::WordLeft => editor.word_left(),
        Action::WordRight => editor.word_right(),
        Action::LineStart => editor.line_start(),
        Action::LineEnd => editor.line_end(),
        Action::Backspace => editor.backspace(),
        Action::Delete | Action::DeleteOrQuit => editor.delete(),
        Action::CutWordLeft => editor.cut_word_left(),
        Action::CutWordRight => editor.cut_word_right(),
        Action::CutToStart => editor.cut_to_start(),
        Action::CutToEnd => editor.cut_to_end(),
        Action::PasteCut => editor.paste_cut(),
        _ => {}
    }
}

pub fn paste(state: &mut State, text: &str) {
    state.completion = None;
    state.notice = None;
    state.leaving = false;
    if let Some(Overlay::Switcher { filter, selected }) = &mut state.overlay {
        filter.insert(text.lines().next().unwrap_or_default());
        *selected = 0;
        return;
    }
    if state.overlay.is_some() || state.selection.is_some() {
        return;
    }
    let left_out = state.editor.insert(text);
    if left_out.too_long {
        state.complain("the paste is longer than a message may be; its end was left out");
    } else if left_out.controls > 0 {
        state.say(format!("{} control characters were left out of the paste", left_out.controls));
    }
}

pub fn mouse(state: &mut State, mouse: MouseEvent, effects: &mut Vec<Effect>) {
    match mouse.kind {
        MouseEventKind::ScrollUp if state.overlay.is_none() => scroll::up(state, WHEEL),
        MouseEventKind::ScrollDown if state.overlay.is_none() => scroll::down(state, WHEEL),
        MouseEventKind::Down(MouseButton::Left) if state.overlay.is_none() => {
            let geometry = Geometry::of(state);
            if let Some(area) = geometry.groups
                && area.contains(Position::new(mouse.column, mouse.row))
            {
                let place = usize::from(mouse.row - area.y);
                let group = state.joined().nth(place).map(|group| group.name.clone());
                if let Some(name) = group {
                    groups::open(state, &name, effects);
                }
            }
        }
        _ => {}
    }
}

fn over(state: &mut State, key: KeyEvent, action: Option<Action>, effects: &mut Vec<Effect>) {
    let page = scroll::page(state);
    let Some(overlay) = state.overlay.take() else { return };
    if matches!(action, Some(Action::Close | Action::Clear)) {
        return;
    }
    state.overlay = match overlay {
        Overlay::Help { .. } if matches!(action, Some(Action::Help | Action::Send)) => None,
        Overlay::Text { .. } if action == Some(Action::Send) => None,
        Overlay::Help { scroll } => {
            let lines = help_height(state);
            Some(Overlay::Help { scroll: scrolled(scroll, action, page, lines) })
        }
        Overlay::Text { title, lines, scroll } => {
            let scroll = scrolled(scroll, action, page, lines.len());
            Some(Overlay::Text { title, lines, scroll })
        }
        Overlay::TicketWarning => {
            if action == Some(Action::Send) {
                effects.push(Effect::ShowTicket);
            }
            None
        }
        Overlay::Switcher { filter, selected } => switcher(state, filter, selected, key, action, effects),
        Overlay::Found { words, hits, selected } => {
            if action == Some(Action::Send) {
                if let Some(hit) = hits.get(selected) {
                    groups::go_to(state, &hit.row.group, hit.row.id, effects);
                }
                None
            } else {
                let selected = moved(selected, action, page / 2, hits.len());
                Some(Overlay::Found { words, hits, selected })
            }
        }
    };
}

fn switcher(
    state: &mut State,
    mut filter: Editor,
    selected: usize,
    key: KeyEvent,
    action: Option<Action>,
    effects: &mut Vec<Effect>,
) -> Option<Overlay> {
    let groups = state.switchable(filter.text());
    match (action, key.code) {
        (Some(Action::Switcher), _) => return None,
        (Some(Action::Send), _) => {
            let group = groups.get(selected)?;
            let (name, joined) = (group.name.clone(), group.joined);
            if joined {
                groups::open(state, &name, effects);
            } else {
                effects.push(Effect::Join(name));
            }
            return None;
        }
        (Some(Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::Complete), _) => {
            let action = if action == Some(Action::Complete) { Some(Action::Down) } else { action };
            let selected = moved(selected, action, 10, groups.len());
            return Some(Overlay::Switcher { filter, selected });
        }
        (Some(action), _) => edit(&mut filter, action),
        (None, KeyCode::Char(c)) if (key.modifiers - KeyModifiers::SHIFT).is_empty() => {
            filter.insert(c.encode_utf8(&mut [0; 4]));
        }
        (None, _) => {}
    }
    Some(Overlay::Switcher { filter, selected: 0 })
}

fn scrolled(scroll: usize, action: Option<Action>, page: usize, lines: usize) -> usize {
    moved(scroll, action, page, lines)
}

fn moved(at: usize, action: Option<Action>, page: usize, count: usize) -> usize {
    let last = count.saturating_sub(1);
    match action {
        Some(Action::Up | Action::LineUp | Action::Previous) => at.saturating_sub(1),
        Some(Action::Down | Action::LineDown | Action::Next) => (at + 1).min(last),
        Some(Action::PageUp) => at.saturating_sub(page),
        Some(Action::PageDown) => (at + page).min(last),
        Some(Action::LineStart | Action::Oldest) => 0,
        Some(Action::LineEnd | Action::Newest) => last,
        _ => at,
    }
}

/// Drops the reply; without one, goes to the newest message.
fn close(state: &mut State) {
    let Some(room) = state.room_mut() else { return };
    if room.reply.take().is_none() {
        room.found = None;
        scroll::newest(state);
    }
}

fn step(state: &mut State, by: isize, effects: &mut Vec<Effect>) {
    let joined: Vec<GroupName> = state.joined().map(|group| group.name.clone()).collect();
    let Some(at) = joined.iter().position(|name| Some(name) == state.current.as_ref()) else { return };
    let next = (at + joined.len()).saturating_add_signed(by) % joined.len();
    groups::open(state, &joined[next], effects);
}

/// Opens the next group with mentions, or without one the next group with unread messages.
fn next_unread(state: &mut State, effects: &mut Vec<Effect>) {
    let joined: Vec<_> = state.joined().collect();
    let at = joined.iter().position(|group| Some(&group.name) == state.current.as_ref()).unwrap_or(0);
    let from_here = || joined.iter().cycle().skip(at + 1).take(joined.len().saturating_sub(1));
    let next =
        from_here().find(|group| group.mentions > 0).or_else(|| from_here().find(|group| group.unread > 0));
    match next.map(|group| group.name.clone()) {
        Some(name) => groups::open(state, &name, effects),
        None => state.say("nothing is unread"),
    }
}

fn oldest(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(name) = state.current.clone() else { return };
    let Some(genesis) = state.group(&name).map(|group| group.id.genesis()) else { return };
    let Some(room) = state.room_mut() else { return };
    if room.has_older {
        let part = Part::Oldest(genesis);
        room.ask(part);
        effects.push(Effect::LoadPage { group: name, part });
    } else if let Some(first) = room.rows.first() {
        let id = first.id;
        scroll::centre(state, id);
    }
}

fn unread(state: &mut State) {
    let (Some(me), Some(room)) = (state.me, state.room()) else { return };
    match room.first_unread(&me).map(|index| room.rows[index].id) {
        Some(id) => scroll::centre(state, id),
        None => state.say("nothing was unread when you opened this group, or it begins further up"),
    }
}

fn late(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(room) = state.room_mut() else { return };
    if room.late.is_empty() {
        state.say("nothing arrived late");
        return;
    }
    let id = room.late.remove(0);
    groups::jump(state, id, effects);
}
