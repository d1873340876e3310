//! Applies the service's event stream.

use super::{requests, scroll};
use crate::api::{MESSAGE, Row, What};
use crate::tui::event::Effect;
use crate::tui::room::Room;
use crate::tui::state::State;

/// Counts of unread messages stop at this number.
const COUNT_MAX: u64 = 1000;

pub fn feed(state: &mut State, what: What, effects: &mut Vec<Effect>) {
    match what {
        What::Entry { row } => entry(state, *row, effects),
        What::Groups => requests::groups(state, effects),
        What::Users => requests::people(state, effects),
        What::Status { links, behind, ahead } => {
            state.links = links;
            (state.behind, state.ahead) = (behind, ahead);
            requests::status(state, effects);
        }
        What::Delivery { group, id, stored_on } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                room.delivered(&id, stored_on);
            }
        }
        What::Resync => requests::everything(state, effects),
        What::Preview { group } if state.current.as_ref() == Some(&group) => {
            requests::preview(state, effects)
        }
        What::Preview { .. } | What::Unknown => {}
    }
}

fn entry(state: &mut State, row: Row, effects: &mut Vec<Effect>) {
    let Some(me) = state.me else { return };
    let group = row.group.clone();
    let is_current = state.current.as_ref() == Some(&group);
    let counts = row.kind == MESSAGE && row.author != me;
    let own = row.kind == MESSAGE && row.author == me;
    let mention = row.mention;
    let quoted = row.re;
    let arrival = row.arrival;
    let room = state.rooms.entry(group.clone()).or_insert_with(|| Room::new(group.clone()));
    let new = room.arrived(row, &me);
    if let Some(id) = quoted
        && is_current
        && room.row(&id).is_none()
    {
        effects.push(Effect::LoadQuoted { group: group.clone(), id });
    }
    let read = is_current && room.is_at_newest();
    if own && new && read {
        scroll::show_end_of_history(state);
    }
    let Some(known) = state.groups.iter_mut().find(|known| known.name == group) else {
        requests::groups(state, effects);
        return;
    };
    if new && counts && !read && arrival > known.entries {
        known.unread = (known.unread + 1).min(COUNT_MAX);
        known.mentions = (known.mentions + u64::from(mention)).min(COUNT_MAX);
    }
    known.entries = known.entries.max(arrival);
}
