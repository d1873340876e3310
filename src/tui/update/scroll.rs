//! Moving in the history, by lines as they are on the screen.

use super::super::geometry::Geometry;
use super::super::history;
use super::super::room::Anchor;
use super::super::state::State;
use crate::id::ChangeHash;

/// Lines that a page leaves of the one before.
const OVERLAP: usize = 2;

fn area(state: &State) -> (usize, usize) {
    let area = Geometry::of(state).history;
    (area.width.into(), area.height.into())
}

pub fn page(state: &State) -> usize {
    area(state).1.saturating_sub(OVERLAP).max(1)
}

pub fn up(state: &mut State, lines: usize) {
    let (columns, height) = area(state);
    let Some(room) = state.room() else { return };
    let (mut index, mut below) = match room.anchor {
        Anchor::At { id, below } => match room.index(&id) {
            Some(index) => (index, below + lines),
            None => return,
        },
        Anchor::Newest if room.rows.is_empty() => return,
        Anchor::Newest => (room.rows.len() - 1, lines),
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
    // No blank lines above the first row that is held.
    let Some(room) = state.room() else { return };
    let shown = history::shown(state, room, columns, height).lines.len();
    if shown < height {
        down(state, height - shown);
    }
}

pub fn down(state: &mut State, lines: usize) {
    let (columns, _) = area(state);
    let Some(room) = state.room() else { return };
    let Anchor::At { id, mut below } = room.anchor else { return };
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
                newest(state);
            }
            return;
        }
        index += 1;
        below = history::height(state, room, index, columns);
    }
}

pub fn newest(state: &mut State) {
    if let Some(room) = state.room_mut() {
        room.anchor = Anchor::Newest;
    }
}

/// Puts a row that is held into the middle.
pub fn centre(state: &mut State, id: ChangeHash) {
    let (_, height) = area(state);
    let Some(room) = state.room() else { return };
    let Some(index) = room.index(&id) else { return };
    set(state, index, 0);
    down(state, height / 2);
    // The beginning of the window leaves no lines above.
    let (columns, height) = area(state);
    let Some(room) = state.room() else { return };
    let shown = history::shown(state, room, columns, height).lines.len();
    if shown < height {
        down(state, height - shown);
    }
}

/// Scrolls only where the row is not wholly in sight.
pub fn reveal(state: &mut State, id: ChangeHash) {
    let (columns, height) = area(state);
    let Some(room) = state.room() else { return };
    let (Some(index), Some((top, bottom))) =
        (room.index(&id), history::shown(state, room, columns, height).rows)
    else {
        return;
    };
    if index <= top || index >= bottom && room.anchor != Anchor::Newest {
        centre(state, id);
    }
}

fn set(state: &mut State, index: usize, below: usize) {
    if let Some(room) = state.room_mut() {
        let last = index + 1 == room.rows.len() && below == 0 && !room.has_newer;
        room.anchor = if last { Anchor::Newest } else { Anchor::At { id: room.rows[index].id, below } };
    }
}
