//! What effects have brought.

use std::collections::HashSet;

use peer_engine::id::GroupName;

use super::super::event::{Answer, Effect, Part};
use super::super::room::Anchor;
use super::super::state::{Overlay, State};
use super::{jump, load_groups, load_members, load_status, open, scroll, take_preview};
use crate::api::{Group, Preview};
use crate::text;

/// Rows outside the window that one page may ask for.
const QUOTES_MAX: usize = 20;

pub fn answer(state: &mut State, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Groups(groups) => {
            if state.refreshes.groups.done() {
                effects.push(Effect::LoadGroups);
            }
            take_groups(state, groups, effects);
        }
        Answer::Status(status) => {
            if state.refreshes.status.done() {
                effects.push(Effect::LoadStatus);
            }
            state.status = Some(*status);
        }
        Answer::People(people) => {
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
        Answer::Members(group, members) => {
            let again = state.refreshes.members.done();
            if let Some(room) = state.rooms.get_mut(&group) {
                room.members = members;
            }
            if let Some(current) = &state.current
                && (again || *current != group)
            {
                state.refreshes.members.failed();
                load_members(state, effects);
            }
        }
        Answer::Page { group, part, page } => {
            let Some(room) = state.rooms.get_mut(&group) else { return };
            room.take(part, page);
            let asked: HashSet<_> = room.rows.iter().filter_map(|row| row.re).collect();
            let missing = asked.into_iter().filter(|id| room.row(id).is_none()).take(QUOTES_MAX);
            effects.extend(missing.map(|id| Effect::LoadQuoted { group: group.clone(), id }));
            let first = room.rows.first().map(|row| row.id);
            let to = match part {
                Part::Around(id) => Some(id),
                Part::Oldest(_) => first,
                _ => None,
            };
            if let Some(id) = to
                && state.current.as_ref() == Some(&group)
            {
                scroll::centre(state, id);
            }
        }
        Answer::Late { group, rows } => {
            let me = state.me;
            if let Some(room) = state.rooms.get_mut(&group) {
                let late = rows.iter().filter(|row| Some(row.author) != me);
                let mut late: Vec<_> = late.map(|row| row.id).collect();
                late.extend(room.late.iter().copied().filter(|id| rows.iter().all(|row| row.id != *id)));
                room.late = late;
            }
        }
        Answer::Quoted { group, row } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                room.quoted.insert(row.id, *row);
            }
        }
        Answer::Preview { number, preview } => take_preview(state, number, preview, effects),
        Answer::Sent { group, key, id, stored_on } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                let shown = room.index(&id).is_some();
                if let Some(index) = room.pending.iter().position(|sent| sent.key == key) {
                    // Its row takes its place, so that it never leaves the screen.
                    room.pending[index].stored = Some(id);
                    if shown {
                        room.pending.remove(index);
                    }
                }
                room.delivered(&id, stored_on);
            }
        }
        Answer::Marked(group) => {
            if let Some(room) = state.rooms.get_mut(&group.name) {
                room.marking = false;
            }
            if let Some(known) = state.groups.iter_mut().find(|known| known.name == group.name) {
                *known = *group;
            }
        }
        Answer::Entered(name) => {
            enter(state, &name, effects);
            load_groups(state, effects);
        }
        Answer::Left(name) => {
            state.say(format!("you have left {name}; what is here stays readable"));
            state.rooms.remove(&name);
            if state.entered.as_ref() == Some(&name) {
                state.entered = None;
            }
            if state.current.as_ref() == Some(&name) {
                state.current = None;
                state.editor.clear();
            }
            if let Some(group) = state.groups.iter_mut().find(|group| group.name == name) {
                group.joined = false;
            }
            choose(state, effects);
            load_groups(state, effects);
        }
        Answer::Found { words, hits } if hits.is_empty() => {
            state.say(format!("nothing found for “{words}”"));
        }
        Answer::Found { words, hits } => {
            state.overlay = Some(Overlay::Found { words, hits, selected: 0 });
        }
        Answer::Whois { user, groups } => {
            let groups: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
            let lines = vec![
                format!(" name    {}", text::line(user.name.as_deref().unwrap_or("none"))),
                format!(" key     {}", user.key),
                format!(
                    " groups  {}",
                    if groups.is_empty() { "none of yours".to_owned() } else { groups.join(", ") }
                ),
                format!(" {}", if user.connected { "connected" } else { "not connected" }),
            ];
            state.overlay = Some(Overlay::Text { title: "who is this".to_owned(), lines, scroll: 0 });
        }
        Answer::Ticket(ticket) => {
            let lines =
                vec!["On the other machine: peer chat --join TICKET".to_owned(), String::new(), ticket];
            state.overlay =
                Some(Overlay::Text { title: "a ticket: keep it secret".to_owned(), lines, scroll: 0 });
        }
        Answer::Done(line) => {
            state.say(line);
            load_status(state, effects);
        }
    }
}

pub fn failed(state: &mut State, effect: Effect, why: &str, gone: bool, effects: &mut Vec<Effect>) {
    match effect {
        Effect::LoadGroups => state.refreshes.groups.failed(),
        Effect::LoadStatus => state.refreshes.status.failed(),
        Effect::LoadPeople => state.refreshes.people.failed(),
        Effect::LoadMembers(_) => state.refreshes.members.failed(),
        Effect::LoadPreview { number, .. } => take_preview(state, number, Preview::default(), effects),
        Effect::LoadQuoted { .. } | Effect::LoadLate { .. } => {}
        Effect::LoadPage { group, part, .. } => {
            if let Some(room) = state.rooms.get_mut(&group)
                && room.loading == Some(part)
            {
                room.loading = None;
                room.stale |= gone && room.loaded;
                if !gone {
                    // Asking the same again would fail the same.
                    match part {
                        Part::Before(_) => room.has_older = false,
                        Part::After(_) => room.has_newer = false,
                        // The row that it begins with may be there no more.
                        Part::Again(_) => (room.anchor, room.stale) = (Anchor::Newest, true),
                        Part::Newest | Part::Around(_) | Part::Oldest(_) => {
                            (room.loaded, room.has_newer) = (true, false);
                        }
                    }
                }
            }
            if !gone {
                state.complain(format!("cannot read {group}: {why}"));
            }
        }
        Effect::MarkRead { group, .. } => {
            if let Some(room) = state.rooms.get_mut(&group) {
                room.marking = false;
            }
        }
        // It is sent again when a service is there.
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

fn take_groups(state: &mut State, mut groups: Vec<Group>, effects: &mut Vec<Effect>) {
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    // What came while the list was on its way is counted on it only if it is older.
    for group in &mut groups {
        if let Some(known) = state.groups.iter().find(|known| known.name == group.name)
            && known.entries > group.entries
        {
            (group.entries, group.unread, group.mentions) = (known.entries, known.unread, known.mentions);
        }
    }
    let before = std::mem::replace(&mut state.groups, groups);
    if let Some(name) = &state.entered {
        // A list from before does not take one out again.
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
        // Left in another face. What was being written was for those in it.
        let name = name.clone();
        state.rooms.remove(&name);
        state.current = None;
        state.editor.clear();
    }
    choose(state, effects);
}

/// Where no group is on the screen: the one in which something was said last.
fn choose(state: &mut State, effects: &mut Vec<Effect>) {
    if state.current.is_none()
        && let Some(name) = state.joined().max_by_key(|group| group.newest).map(|group| group.name.clone())
    {
        open(state, &name, effects);
    }
}

/// Shows a group that was just entered; the list of groups tells the rest of it.
fn enter(state: &mut State, name: &GroupName, effects: &mut Vec<Effect>) {
    state.entered = Some(name.clone());
    if let Some(group) = state.groups.iter_mut().find(|group| group.name == *name) {
        group.joined = true;
    }
    open(state, name, effects);
}

/// Goes to a row of any group.
pub fn go_to(
    state: &mut State,
    group: &GroupName,
    id: peer_engine::id::ChangeHash,
    effects: &mut Vec<Effect>,
) {
    open(state, group, effects);
    jump(state, id, effects);
}
