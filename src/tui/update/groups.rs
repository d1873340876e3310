//! Which group is on the screen.

use peer_engine::id::{ChangeHash, GroupName};

use super::super::event::{Effect, Part};
use super::super::room::Room;
use super::super::state::State;
use super::{requests, scroll};
use crate::api::Group;

pub fn take(state: &mut State, mut groups: Vec<Group>, effects: &mut Vec<Effect>) {
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    // Entries may have arrived since the list was read. Then the counts held are right.
    for group in &mut groups {
        if let Some(known) = state.groups.iter().find(|known| known.name == group.name)
            && known.entries > group.entries
        {
            (group.entries, group.unread, group.mentions) = (known.entries, known.unread, known.mentions);
        }
    }
    let before = std::mem::replace(&mut state.groups, groups);
    if let Some(name) = &state.entered {
        // A list that was read before the join does not undo it.
        match state.groups.iter_mut().find(|group| group.name == *name) {
            Some(group) if !group.joined => group.joined = true,
            Some(_) => state.entered = None,
            None => {}
        }
    }
    if let Some(name) = &state.current
        && state.entered.as_ref() != Some(name)
        && before.iter().any(|group| group.name == *name && group.joined)
        && !state.group(name).is_some_and(|group| group.joined)
    {
        // The group was left in another face. The input was meant for its members, so it goes too.
        let name = name.clone();
        state.rooms.remove(&name);
        state.current = None;
        state.editor.clear();
    }
    choose(state, effects);
}

/// If no group is open, opens the joined group with the newest entry.
fn choose(state: &mut State, effects: &mut Vec<Effect>) {
    if state.current.is_none()
        && let Some(name) = state.joined().max_by_key(|group| group.newest).map(|group| group.name.clone())
    {
        open(state, &name, effects);
    }
}

/// Opens the group `name`. The input is kept as a draft of the group that was open.
pub fn open(state: &mut State, name: &GroupName, effects: &mut Vec<Effect>) {
    if state.current.as_ref() == Some(name) {
        return;
    }
    let draft = state.editor.text().to_owned();
    let written_nowhere = state.current.is_none() && !draft.is_empty();
    if let Some(room) = state.room_mut() {
        room.draft = draft;
        // What was unread has been shown.
        room.unread = None;
    }
    state.selection = None;
    state.completion = None;
    let counted = state.group(name).map(|group| (group.read, group.entries));
    state.current = Some(name.clone());
    let room = state.rooms.entry(name.clone()).or_insert_with(|| Room::new(name.clone()));
    // Text that was written while no group was open stays in the input.
    if !written_nowhere || !room.draft.is_empty() {
        state.editor.set(std::mem::take(&mut room.draft));
    }
    room.found = None;
    if let Some((read, entries)) = counted {
        room.arrival = if room.loaded { room.arrival } else { room.arrival.max(entries) };
        room.unread = Some((read, room.arrival.max(entries)));
        room.marked = room.marked.max(read);
        if read < entries {
            effects.push(Effect::LoadLate { group: name.clone(), after: read });
        }
    }
    requests::members(state, effects);
    state.preview.forget();
    requests::preview(state, effects);
}

/// Opens a group that was just joined, and requests the list of groups, which has its counts.
pub fn enter(state: &mut State, name: &GroupName, effects: &mut Vec<Effect>) {
    state.entered = Some(name.clone());
    if let Some(group) = state.groups.iter_mut().find(|group| group.name == *name) {
        group.joined = true;
    }
    open(state, name, effects);
    requests::groups(state, effects);
}

/// Removes a group that was left, and opens another in its place.
pub fn left(state: &mut State, name: &GroupName, effects: &mut Vec<Effect>) {
    state.say(format!("you have left {name}; its history stays readable"));
    state.rooms.remove(name);
    if state.entered.as_ref() == Some(name) {
        state.entered = None;
    }
    if state.current.as_ref() == Some(name) {
        state.current = None;
        state.editor.clear();
    }
    if let Some(group) = state.groups.iter_mut().find(|group| group.name == *name) {
        group.joined = false;
    }
    choose(state, effects);
    requests::groups(state, effects);
}

/// Scrolls a row of the open group to the middle of the screen; loads the rows around it if it is not in the window.
pub fn jump(state: &mut State, id: ChangeHash, effects: &mut Vec<Effect>) {
    let Some(room) = state.room_mut() else { return };
    room.found = Some(id);
    if room.loaded && room.index(&id).is_some() {
        scroll::centre(state, id);
        return;
    }
    let (group, part) = (room.name.clone(), Part::Around(id));
    room.ask(part);
    effects.push(Effect::LoadPage { group, part });
}

/// Opens a group at one of its rows.
pub fn go_to(state: &mut State, group: &GroupName, id: ChangeHash, effects: &mut Vec<Effect>) {
    open(state, group, effects);
    jump(state, id, effects);
}
