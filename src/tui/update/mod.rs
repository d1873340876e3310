//! What happens on each event: the state changes, and effects say what shall be done in the world.

mod answers;
mod commands;
mod complete;
mod feed;
mod keys;
mod scroll;

use peer_engine::id::{ChangeHash, GroupName};

use super::event::{Effect, Event, Part};
use super::geometry::Geometry;
use super::room::Room;
use super::state::{Connection, State};
use crate::api::{NewMessage, Preview};

/// Takes one event in. The effects are to be run in their order.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    match event {
        Event::Key(key) => keys::key(state, key, &mut effects),
        Event::Mouse(mouse) => keys::mouse(state, mouse, &mut effects),
        Event::Paste(text) => keys::paste(state, &text),
        Event::Resize(columns, lines) => state.size = (columns, lines),
        Event::Connected { peer, own } => connected(state, peer, own, &mut effects),
        Event::Lost(why) => lost(state, why),
        Event::Feed(what) => feed::feed(state, what, &mut effects),
        Event::Answer(answer) => answers::answer(state, answer, &mut effects),
        Event::Failed { effect, why, gone } => answers::failed(state, effect, &why, gone, &mut effects),
    }
    scroll::keep_place(state);
    follow_up(state, &mut effects);
    effects
}

fn connected(state: &mut State, peer: peer_engine::id::PeerId, own: bool, effects: &mut Vec<Effect>) {
    state.connection = Connection::Open { own };
    state.me = Some(peer);
    state.refreshes = Default::default();
    state.preview.forget();
    refetch(state, effects);
    for room in state.rooms.values_mut() {
        room.loading = None;
        room.marking = false;
        // Under the same keys: what had been stored is not stored twice.
        room.pending.retain(|sent| sent.stored.is_none());
        effects.extend(room.pending.iter().map(|sent| send(&room.name, sent)));
    }
}

fn lost(state: &mut State, why: String) {
    state.connection = Connection::Lost(why);
    (state.links, state.behind, state.ahead) = (0, Vec::new(), Vec::new());
}

/// Everything that may have changed unseen.
fn refetch(state: &mut State, effects: &mut Vec<Effect>) {
    load_groups(state, effects);
    load_people(state, effects);
    load_status(state, effects);
    load_preview(state, effects);
    // A service that was set back to a backup, or whose database was made anew, counts from there.
    state.groups.iter_mut().for_each(|group| group.entries = 0);
    for room in state.rooms.values_mut() {
        room.stale = room.loaded;
        (room.arrival, room.marked) = (0, 0);
    }
}

fn load_groups(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.groups.ask() {
        effects.push(Effect::LoadGroups);
    }
}

fn load_status(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.status.ask() {
        effects.push(Effect::LoadStatus);
    }
}

fn load_people(state: &mut State, effects: &mut Vec<Effect>) {
    if state.refreshes.people.ask() {
        effects.push(Effect::LoadPeople);
    }
    load_members(state, effects);
}

fn load_members(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(group) = &state.current
        && state.refreshes.members.ask()
    {
        effects.push(Effect::LoadMembers(group.clone()));
    }
}

fn load_preview(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(group) = &state.current
        && let Some(number) = state.preview.ask()
    {
        effects.push(Effect::LoadPreview { group: group.clone(), number });
    }
}

/// What was sent ahead in the current group, or nothing where that cannot be told.
fn take_preview(state: &mut State, number: u64, preview: Preview, effects: &mut Vec<Effect>) {
    if let Some(number) = state.preview.take(number, preview)
        && let Some(group) = &state.current
    {
        effects.push(Effect::LoadPreview { group: group.clone(), number });
    }
}

fn send(group: &GroupName, sent: &super::room::Pending) -> Effect {
    let message =
        NewMessage { key: Some(sent.key.clone()), re: sent.re, ..NewMessage::text(sent.body.clone()) };
    Effect::Send { group: group.clone(), message }
}

/// Makes `name` the group on the screen. What is being written stays with the group that it was written in.
fn open(state: &mut State, name: &GroupName, effects: &mut Vec<Effect>) {
    if state.current.as_ref() == Some(name) {
        return;
    }
    let draft = state.editor.text().to_owned();
    let written_nowhere = state.current.is_none() && !draft.is_empty();
    if let Some(room) = state.room_mut() {
        room.draft = draft;
        // What was read while it was on the screen is unread no more.
        room.unread = None;
    }
    state.selection = None;
    state.completion = None;
    let counted = state.group(name).map(|group| (group.read, group.entries));
    state.current = Some(name.clone());
    let room = state.rooms.entry(name.clone()).or_insert_with(|| Room::new(name.clone()));
    // What was written before there was a group to write in stays.
    if !written_nowhere || !room.draft.is_empty() {
        state.editor.set(std::mem::take(&mut room.draft));
    }
    room.found = None;
    if let Some((read, entries)) = counted {
        room.arrival = if room.loaded { room.arrival } else { room.arrival.max(entries) };
        room.unread = Some((read, room.arrival.max(entries)));
        room.read_at_opening = read;
        room.marked = room.marked.max(read);
        if read < entries {
            effects.push(Effect::LoadLate { group: name.clone(), after: read });
        }
    }
    load_members(state, effects);
    state.preview.forget();
    load_preview(state, effects);
}

/// Brings a row to the middle of the screen, loading what is around it where needed.
fn jump(state: &mut State, id: ChangeHash, effects: &mut Vec<Effect>) {
    let Some(room) = state.room_mut() else { return };
    room.found = Some(id);
    if room.loaded && room.index(&id).is_some() {
        scroll::centre(state, id);
        return;
    }
    let (group, part) = (room.name.clone(), Part::Around(id));
    room.ask(part);
    effects.push(Effect::LoadPage { group, part, again: false });
}

/// What follows from where one is now: loading what is near, and telling that it was read.
fn follow_up(state: &mut State, effects: &mut Vec<Effect>) {
    if !matches!(state.connection, Connection::Open { .. }) {
        return;
    }
    let Some(name) = state.current.clone() else { return };
    if !state.group(&name).is_some_and(|group| group.joined || group.entries > 0) {
        return;
    }
    let lines = Geometry::of(state).history.height.into();
    let Some(room) = state.room_mut() else { return };
    if let Some(part) = room.missing(lines) {
        let again = room.stale;
        room.ask(part);
        effects.push(Effect::LoadPage { group: name.clone(), part, again });
    }
    if room.is_at_newest() {
        room.new_below = 0;
        if !room.marking && room.arrival > room.marked {
            room.marking = true;
            room.marked = room.arrival;
            effects.push(Effect::MarkRead { group: name, arrival: room.arrival });
        }
    }
}
