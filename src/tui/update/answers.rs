//! Takes in what effects have brought.

use std::collections::HashSet;

use peer_engine::id::{ChangeHash, GroupName};

use super::super::event::{Answer, Effect, Part};
use super::super::room::Anchor;
use super::super::state::{Overlay, State};
use super::{groups, requests, scroll};
use crate::api::{Group, History, Hit, Preview, Row, Status, User};
use crate::text;

/// Maximum number of quoted rows to request after a page.
const QUOTES_MAX: usize = 20;

pub fn answer(state: &mut State, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Groups(groups) => take_groups(state, groups, effects),
        Answer::Status(status) => take_status(state, *status, effects),
        Answer::People(people) => take_people(state, people, effects),
        Answer::Members(group, members) => take_members(state, &group, members, effects),
        Answer::Page { group, part, page } => take_page(state, group, part, page, effects),
        Answer::Late { group, rows } => take_late(state, &group, &rows),
        Answer::Quoted { group, row } => take_quoted(state, &group, *row),
        Answer::Preview { number, preview } => requests::take_preview(state, number, preview, effects),
        Answer::Sent { group, key, id, stored_on } => take_sent(state, &group, &key, id, stored_on),
        Answer::Marked(group) => take_marked(state, *group),
        Answer::Entered(name) => groups::enter(state, &name, effects),
        Answer::Left(name) => groups::left(state, &name, effects),
        Answer::Found { words, hits } => take_found(state, words, hits),
        Answer::Whois { user, groups } => take_whois(state, &user, &groups),
        Answer::Ticket(ticket) => take_ticket(state, ticket),
        Answer::Done(line) => {
            state.say(line);
            requests::status(state, effects);
        }
    }
}

fn take_groups(state: &mut State, groups: Vec<Group>, effects: &mut Vec<Effect>) {
    if state.refreshes.groups.done() {
        effects.push(Effect::LoadGroups);
    }
    groups::take(state, groups, effects);
}

fn take_status(state: &mut State, status: Status, effects: &mut Vec<Effect>) {
    if state.refreshes.status.done() {
        effects.push(Effect::LoadStatus);
    }
    state.status = Some(status);
}

fn take_people(state: &mut State, people: Vec<User>, effects: &mut Vec<Effect>) {
    if state.refreshes.people.done() {
        effects.push(Effect::LoadPeople);
    }
    let mut seen = HashSet::new();
    let names = people.iter().filter_map(|user| user.name.clone());
    state.ambiguous = names.filter(|name| !seen.insert(name.clone())).collect();
    let named = people.iter().filter_map(|user| Some((user.key, user.name.clone()?)));
    state.names = named.collect();
    state.people = people;
}

fn take_members(state: &mut State, group: &GroupName, members: Vec<User>, effects: &mut Vec<Effect>) {
    let again = state.refreshes.members.done();
    if let Some(room) = state.rooms.get_mut(group) {
        room.members = members;
    }
    if let Some(current) = &state.current
        && (again || current != group)
    {
        state.refreshes.members.failed();
        requests::members(state, effects);
    }
}

fn take_page(state: &mut State, group: GroupName, part: Part, page: History, effects: &mut Vec<Effect>) {
    let Some(room) = state.rooms.get_mut(&group) else { return };
    room.take(part, page);
    let quoted: HashSet<_> = room.rows.iter().filter_map(|row| row.re).collect();
    let missing = quoted.into_iter().filter(|id| room.row(id).is_none()).take(QUOTES_MAX);
    effects.extend(missing.map(|id| Effect::LoadQuoted { group: group.clone(), id }));
    let centred = match part {
        Part::Around(id) => Some(id),
        Part::Oldest(_) => room.rows.first().map(|row| row.id),
        _ => None,
    };
    if let Some(id) = centred
        && state.current == Some(group)
    {
        scroll::centre(state, id);
    }
}

fn take_late(state: &mut State, group: &GroupName, rows: &[Row]) {
    let me = state.me;
    let Some(room) = state.rooms.get_mut(group) else { return };
    let of_others = rows.iter().filter(|row| Some(row.author) != me);
    let mut late: Vec<_> = of_others.map(|row| row.id).collect();
    late.extend(room.late.iter().copied().filter(|id| rows.iter().all(|row| row.id != *id)));
    room.late = late;
}

fn take_quoted(state: &mut State, group: &GroupName, row: Row) {
    if let Some(room) = state.rooms.get_mut(group) {
        room.quoted.insert(row.id, row);
    }
}

fn take_sent(state: &mut State, group: &GroupName, key: &str, id: ChangeHash, stored_on: u32) {
    let Some(room) = state.rooms.get_mut(group) else { return };
    let shown = room.index(&id).is_some();
    if let Some(index) = room.pending.iter().position(|sent| sent.key == key) {
        // It stays on the screen until its row takes its place.
        room.pending[index].stored = Some(id);
        if shown {
            room.pending.remove(index);
        }
    }
    room.delivered(&id, stored_on);
}

fn take_marked(state: &mut State, group: Group) {
    if let Some(room) = state.rooms.get_mut(&group.name) {
        room.marking = false;
    }
    if let Some(known) = state.groups.iter_mut().find(|known| known.name == group.name) {
        *known = group;
    }
}

fn take_found(state: &mut State, words: String, hits: Vec<Hit>) {
    if hits.is_empty() {
        state.say(format!("nothing found for “{words}”"));
    } else {
        state.overlay = Some(Overlay::Found { words, hits, selected: 0 });
    }
}

fn take_whois(state: &mut State, user: &User, groups: &[GroupName]) {
    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    let groups = if names.is_empty() { "none of yours".to_owned() } else { names.join(", ") };
    let lines = vec![
        format!(" name    {}", text::line(user.name.as_deref().unwrap_or("none"))),
        format!(" key     {}", user.key),
        format!(" groups  {groups}"),
        format!(" {}", if user.connected { "connected" } else { "not connected" }),
    ];
    state.overlay = Some(Overlay::Text { title: "who is this".to_owned(), lines, scroll: 0 });
}

fn take_ticket(state: &mut State, ticket: String) {
    let lines = vec!["On the other machine: peer chat --join TICKET".to_owned(), String::new(), ticket];
    state.overlay = Some(Overlay::Text { title: "a ticket: keep it secret".to_owned(), lines, scroll: 0 });
}

/// An effect has failed. `gone`: no service answered, so it may be tried again once one does.
pub fn failed(state: &mut State, effect: Effect, why: &str, gone: bool, effects: &mut Vec<Effect>) {
    match effect {
        Effect::LoadGroups => state.refreshes.groups.failed(),
        Effect::LoadStatus => state.refreshes.status.failed(),
        Effect::LoadPeople => state.refreshes.people.failed(),
        Effect::LoadMembers(_) => state.refreshes.members.failed(),
        Effect::LoadPreview { number, .. } => {
            requests::take_preview(state, number, Preview::default(), effects);
        }
        Effect::LoadQuoted { .. } | Effect::LoadLate { .. } => {}
        Effect::LoadPage { group, part } => page_failed(state, &group, part, why, gone),
        Effect::MarkRead { group, .. } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                room.marking = false;
            }
        }
        // It is sent again once a service answers.
        Effect::Send { .. } if gone => {}
        Effect::Send { group, message } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                room.pending.retain(|sent| Some(&sent.key) != message.key.as_ref());
            }
            if state.current.as_ref() == Some(&group) && state.editor.is_empty() {
                state.editor.set(message.body);
            }
            state.complain(format!("not sent: {why}"));
        }
        Effect::Join(name) if !gone => {
            let hint = format!("; /create {name} makes it");
            let known = state.group(&name).is_some();
            state.complain(format!("{why}{}", if known { "" } else { &hint }));
        }
        _ => state.complain(why),
    }
}

fn page_failed(state: &mut State, group: &GroupName, part: Part, why: &str, gone: bool) {
    if let Some(room) = state.rooms.get_mut(group)
        && room.loading == Some(part)
    {
        room.loading = None;
        match part {
            _ if gone => room.stale |= room.loaded,
            // The same request would fail again: do not repeat it.
            Part::Before(_) => room.has_older = false,
            Part::After(_) => room.has_newer = false,
            // The row that it was to be read around may no longer exist.
            Part::Again(_) => (room.anchor, room.stale) = (Anchor::Newest, true),
            Part::Newest | Part::Around(_) | Part::Oldest(_) => {
                (room.loaded, room.has_newer) = (true, false);
            }
        }
    }
    if !gone {
        state.complain(format!("cannot read {group}: {why}"));
    }
}
