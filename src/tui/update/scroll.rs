//! Scrolls the history by lines of the screen.

use peer_engine::id::ChangeHash;

use super::super::geometry::Geometry;
use super::super::history;
use super::super::room::Anchor;
use super::super::state::State;

/// Lines that stay on the screen when a page is scrolled.
const OVERLAP: usize = 2;

fn area(state: &State) -> (usize, usize) {
    let area = Geometry::of(state).history;
    (area.width.into(), area.height.into())
}

pub fn page(state: &State) -> usize {
    area(state).1.saturating_sub(OVERLAP).max(1)
}

pub fn up(state: &mut State, lines: usize) {
    let (columns, _) = area(state);
    let Some(room) = state.room() else { return };
    let (mut index, mut below) = match room.anchor {
        Anchor::At { id, below } => match room.index(&id) {
            Some(index) => (index, below + lines),
            None => return,
        },
        Anchor::Newest => {
            let below = history::height_below(state, room, columns);
            let hidden = state.preview.below.min(below) + lines;
            let newest = room.rows.len().checked_sub(1);
            if let Some(newest) = newest
                && hidden > below
            {
                (newest, hidden - below)
            } else {
                state.preview.below = hidden.min(below);
                return fill(state);
            }
        }
    };
    loop {
        let taken = history::height(state, room, index, columns);
        if below < taken || index == 0 {
            below = below.min(taken - 1);
            break;
        }
        below -= taken;
        index -= 1;
    }
    set(state, index, below);
    fill(state);
}

/// Scrolls down by the number of blank lines above the first row of the window.
fn fill(state: &mut State) {
    let (columns, height) = area(state);
    let Some(room) = state.room() else { return };
    let shown = history::shown(state, room, columns, height).lines.len();
    if shown < height {
        down(state, height - shown);
    }
}

pub fn down(state: &mut State, lines: usize) {
    let (columns, _) = area(state);
    let Some(room) = state.room() else { return };
    let Anchor::At { id, mut below } = room.anchor else {
        let below = history::height_below(state, room, columns);
        state.preview.below = state.preview.below.min(below).saturating_sub(lines);
        return;
    };
    let Some(mut index) = room.index(&id) else { return };
    let mut left = lines;
    loop {
        if left < below || (left == below && (index + 1 < room.rows.len() || room.has_newer)) {
            set(state, index, below - left);
            return;
        }
        left -= below;
        if index + 1 >= room.rows.len() {
            if room.has_newer {
                set(state, index, 0);
            } else {
                end_of_history(state);
                if left > 0 {
                    down(state, left);
                }
            }
            return;
        }
        index += 1;
        below = history::height(state, room, index, columns);
    }
}

pub fn newest(state: &mut State) {
    state.preview.below = 0;
    if let Some(room) = state.room_mut() {
        room.anchor = Anchor::Newest;
    }
}

/// Puts the newest row at the bottom, with the whole preview hidden below it, and keeps it so when rows arrive.
fn end_of_history(state: &mut State) {
    newest(state);
    state.preview.below = usize::MAX;
}

/// Where there is a preview, shows the end of the history above it, so that an own message that has become a row stays
/// on the screen.
pub fn show_end_of_history(state: &mut State) {
    if state.room().is_some_and(|room| !state.preview.of(room).is_empty()) {
        end_of_history(state);
    }
}

/// Where rows of the preview have become rows of the history, keeps the same rows on the screen.
pub fn keep_place(state: &mut State) {
    let hidden = state.preview.below;
    if hidden == 0 || hidden == usize::MAX {
        return;
    }
    let (columns, _) = area(state);
    let Some(room) = state.room().filter(|room| room.is_at_newest()) else { return };
    let gone = hidden.saturating_sub(history::height_below(state, room, columns));
    if gone > 0 {
        up(state, gone);
    }
}

/// Scrolls a row of the window to the middle of the screen.
pub fn centre(state: &mut State, id: ChangeHash) {
    let (_, height) = area(state);
    let Some(room) = state.room() else { return };
    let Some(index) = room.index(&id) else { return };
    set(state, index, 0);
    down(state, height / 2);
    fill(state);
}

/// Scrolls a row to the middle of the screen unless the whole row is on the screen.
pub fn reveal(state: &mut State, id: ChangeHash) {
    let (columns, height) = area(state);
    let Some(room) = state.room() else { return };
    let Some(index) = room.index(&id) else { return };
    let shown = history::shown(state, room, columns, height).rows;
    let whole = |(top, bottom)| index > top && (index < bottom || room.anchor == Anchor::Newest);
    if !shown.is_some_and(whole) {
        centre(state, id);
    }
}

fn set(state: &mut State, index: usize, below: usize) {
    let Some(room) = state.room_mut() else { return };
    if index + 1 == room.rows.len() && below == 0 && !room.has_newer {
        end_of_history(state);
    } else {
        room.anchor = Anchor::At { id: room.rows[index].id, below };
        state.preview.below = 0;
    }
}
