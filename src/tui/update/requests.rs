//! Requests for what the service may have changed: the lists, and the preview of the current group.

use super::super::event::Effect;
use super::super::room::Room;
use super::super::state::State;
use crate::api::Preview;

/// Requests all of it, after events were missed.
pub fn everything(state: &mut State, effects: &mut Vec<Effect>) {
    groups(state, effects);
    people(state, effects);
    status(state, effects);
    preview(state, effects);
    state.groups.iter_mut().for_each(|group| group.entries = 0);
    state.rooms.values_mut().for_each(Room::missed_events);
}

pub fn groups(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.groups.ask() {
        effects.push(Effect::LoadGroups);
    }
}

pub fn status(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.status.ask() {
        effects.push(Effect::LoadStatus);
    }
}

pub fn people(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.people.ask() {
        effects.push(Effect::LoadPeople);
    }
    members(state, effects);
}

pub fn members(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(group) = &state.current
        && state.refreshes.members.ask()
    {
        effects.push(Effect::LoadMembers(group.clone()));
    }
}

pub fn preview(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(group) = &state.current
        && let Some(number) = state.preview.ask()
    {
        effects.push(Effect::LoadPreview { group: group.clone(), number });
    }
}

/// Takes in a preview of the current group; an empty one where the request failed.
pub fn take_preview(state: &mut State, number: u64, preview: Preview, effects: &mut Vec<Effect>) {
    if let Some(number) = state.preview.take(number, preview)
        && let Some(group) = &state.current
    {
        effects.push(Effect::LoadPreview { group: group.clone(), number });
    }
}
