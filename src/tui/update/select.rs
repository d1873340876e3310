//! Picks a message on the screen, to reply to it or to keep its id.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::geometry::Geometry;
use super::super::history;
use super::super::keys::Action;
use super::super::state::State;
use super::scroll;
use crate::api::MESSAGE;

/// Picks the lowest message on the screen.
pub fn start(state: &mut State) {
    let area = Geometry::of(state).history;
    let Some(room) = state.room() else { return };
    let shown = history::shown(state, room, area.width.into(), area.height.into());
    // A preview cannot be picked, and may fill the screen.
    let Some(bottom) = shown.rows.map(|(_, bottom)| bottom).or(room.rows.len().checked_sub(1)) else {
        state.say("there is no message to pick");
        return;
    };
    let message = room.rows[..=bottom].iter().rfind(|row| row.kind == MESSAGE).map(|row| row.id);
    state.selection = message;
    if let (Some(message), None) = (message, shown.rows) {
        scroll::reveal(state, message);
    }
}

/// Handles a key while a message is picked: picks another, replies to it, keeps its id, or ends picking.
pub fn key(state: &mut State, key: KeyEvent, action: Option<Action>) {
    let Some(id) = state.selection else { return };
    let step = match action {
        Some(Action::Up | Action::LineUp | Action::Previous) => -1,
        Some(Action::Down | Action::LineDown | Action::Next) => 1,
        Some(Action::PageUp) => -10,
        Some(Action::PageDown) => 10,
        Some(Action::Send) => {
            state.selection = None;
            if let Some(room) = state.room_mut() {
                room.reply = Some(id);
            }
            scroll::newest(state);
            return;
        }
        _ if key.code == KeyCode::Char('y') => {
            state.selection = None;
            state.editor.keep(id.to_string());
            state.say("Ctrl+Y puts the id of the message into the input");
            return;
        }
        _ => {
            state.selection = None;
            return;
        }
    };
    let Some(room) = state.room() else { return };
    let messages: Vec<_> = room.rows.iter().filter(|row| row.kind == MESSAGE).map(|row| row.id).collect();
    let Some(at) = messages.iter().position(|known| *known == id) else { return };
    let next = messages[at.saturating_add_signed(step).min(messages.len() - 1)];
    state.selection = Some(next);
    scroll::reveal(state, next);
}
