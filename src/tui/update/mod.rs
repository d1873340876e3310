//! Changes the state on each event, and returns the effects that the shell is to run.

mod answers;
mod commands;
mod complete;
mod feed;
mod groups;
mod keys;
mod requests;
mod scroll;
mod select;

use peer_engine::id::PeerId;

use super::event::{Effect, Event};
use super::geometry::Geometry;
use super::state::{Connection, State};

/// Applies one event. The shell runs the returned effects in their order.
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

fn connected(state: &mut State, peer: PeerId, own: bool, effects: &mut Vec<Effect>) {
    state.connection = Connection::Open { own };
    state.me = Some(peer);
    state.refreshes = Default::default();
    state.preview.forget();
    requests::everything(state, effects);
    for room in state.rooms.values_mut() {
        room.loading = None;
        room.marking = false;
        // The service stores one message for each key, so sending again stores nothing twice.
        room.pending.retain(|sent| sent.stored.is_none());
        effects.extend(room.pending.iter().map(|sent| sent.send(&room.name)));
    }
}

fn lost(state: &mut State, why: String) {
    state.connection = Connection::Lost(why);
    (state.links, state.behind, state.ahead) = (0, Vec::new(), Vec::new());
}

/// Loads the rows near the screen, and tells the service what has been read.
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
        room.ask(part);
        effects.push(Effect::LoadPage { group: name.clone(), part });
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
