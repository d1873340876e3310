//! Enter: sends the message, or runs the command.

use super::super::commands::{Command, Input, parse};
use super::super::event::Effect;
use super::super::history;
use super::super::room::Pending;
use super::super::state::{Connection, Overlay, State};
use super::super::view::{self, duration};
use super::{groups, scroll, select};
use crate::api::{NewMessage, Status};
use crate::text;

pub fn submit(state: &mut State, effects: &mut Vec<Effect>) {
    match parse(state.editor.text()) {
        Input::Nothing => {}
        Input::Message(body) => message(state, body, effects),
        // The input stays, so that it can be corrected.
        Input::Wrong(why) => state.complain(why),
        Input::Command(command) => {
            state.editor.submit();
            follow(state, command, effects);
        }
    }
}

fn message(state: &mut State, body: String, effects: &mut Vec<Effect>) {
    let Some(name) = state.current.clone() else {
        state.complain("you are in no group; /join GROUP or /create GROUP first");
        return;
    };
    if state.entered.as_ref() != Some(&name) && !state.group(&name).is_some_and(|group| group.joined) {
        state.complain(format!("you have left {name}; /join {name} to write there"));
        return;
    }
    if let Err(error) = NewMessage::text(body.clone()).check() {
        state.complain(error.to_string());
        return;
    }
    state.editor.submit();
    let key = format!("{:016x}-{}", state.settings.run, state.sent);
    state.sent += 1;
    let Some(room) = state.room_mut() else { return };
    let sent = Pending { key, body, re: room.reply.take(), stored: None };
    effects.push(sent.send(&name));
    room.pending.push(sent);
    scroll::newest(state);
}

fn follow(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    let current = state.current.clone();
    match command {
        Command::Join(name) if state.group(&name).is_some_and(|group| group.joined) => {
            groups::open(state, &name, effects);
        }
        Command::Join(name) => effects.push(Effect::Join(name)),
        Command::Create(name) => effects.push(Effect::Create(name)),
        Command::Leave(name) => match name.or(current) {
            Some(name) => effects.push(Effect::Leave(name)),
            None => no_group(state),
        },
        Command::Topic(topic) => match (current, topic) {
            (Some(group), Some(topic)) => effects.push(Effect::SetTopic { group, topic }),
            (Some(group), None) => {
                let topic = state.group(&group).and_then(|group| group.topic.clone());
                state.say(topic.unwrap_or_else(|| format!("{group} has no topic; /topic TEXT sets one")));
            }
            (None, _) => no_group(state),
        },
        Command::Names => names(state),
        Command::Whois(name) => whois(state, &name, effects),
        Command::Nick(name) => effects.push(Effect::SetName(name)),
        Command::Reply => select::start(state),
        Command::Search(words) => effects.push(Effect::Search(words)),
        Command::Invite(None) => state.overlay = Some(Overlay::TicketWarning),
        Command::Invite(Some(file)) => effects.push(Effect::WriteTicket(file)),
        Command::Status => status(state),
        Command::Export(file) => match current {
            Some(group) => effects.push(Effect::Export { group, file }),
            None => no_group(state),
        },
        Command::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Command::Quit => quit(state, effects),
    }
}

/// Quits. While messages are not stored, it first warns, and quits when it is repeated.
pub fn quit(state: &mut State, effects: &mut Vec<Effect>) {
    match state.waiting() {
        0 => effects.push(Effect::Quit),
        waiting => {
            state.leaving = true;
            state.complain(format!("{waiting} not stored yet, and lost if you leave; do it again to leave"));
        }
    }
}

fn no_group(state: &mut State) {
    state.complain("you are in no group; /join GROUP or /create GROUP first");
}

fn names(state: &mut State) {
    let Some(room) = state.room() else {
        no_group(state);
        return;
    };
    let lines = room.members.iter().filter(|user| user.joined).map(|user| {
        let dot = if user.connected { '●' } else { '○' };
        format!(" {dot} {}", history::name(state, user.name.as_deref(), &user.key))
    });
    let title = format!("in {}", room.name);
    state.overlay = Some(Overlay::Text { title, lines: lines.collect(), scroll: 0 });
}

fn whois(state: &mut State, name: &str, effects: &mut Vec<Effect>) {
    let lower = name.to_lowercase();
    let named = |known: &str| known.to_lowercase() == lower;
    let found: Vec<_> = state
        .people
        .iter()
        .filter(|user| {
            user.name.as_deref().is_some_and(named)
                || (lower.len() >= 4 && user.key.to_string().starts_with(&lower))
        })
        .cloned()
        .collect();
    match found.as_slice() {
        [] => state.complain(format!("nobody here is called {name}")),
        [user] => effects.push(Effect::Whois(user.clone())),
        // Several people may have one name. The key says which of them is meant.
        several => {
            let lines = several.iter().map(|user| {
                let connected = if user.connected { "connected" } else { "not connected" };
                format!(" {}  {connected}", user.key)
            });
            let lines = lines.chain([String::new(), " /whois KEY shows one of them".to_owned()]);
            let title = format!("{} people are called {}", several.len(), text::line(name));
            state.overlay = Some(Overlay::Text { title, lines: lines.collect(), scroll: 0 });
        }
    }
}

fn status(state: &mut State) {
    let (connection, _) = view::connection(state);
    let mut lines = vec![format!(" {connection}")];
    match &state.connection {
        Connection::Open { own: true } => {
            lines.push(" this window runs the peer: other commands work while it is open".to_owned());
        }
        Connection::Open { own: false } => {
            lines.push(" the peer runs on its own: it stays when this window closes".to_owned());
        }
        Connection::Lost(why) => lines.push(format!(" {}", text::line(why))),
        Connection::Starting => {}
    }
    if let Some(status) = &state.status {
        lines.extend(status_lines(state, status));
    }
    state.overlay = Some(Overlay::Text { title: "status".to_owned(), lines, scroll: 0 });
}

fn status_lines(state: &State, status: &Status) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(" name  {}", text::line(status.name.as_deref().unwrap_or("none yet; /nick NAME sets one"))),
        format!(" key   {}", status.peer),
        format!(" mesh  {}", status.mesh),
        format!(" disk  {:.1} MiB", status.disk_bytes as f64 / 1_048_576.0),
    ];
    for link in &status.links {
        let rtt = link.rtt_ms.map_or(String::new(), |ms| format!(", {ms:.1} ms"));
        let skew = match link.skew_ms {
            Some(ms) if ms.unsigned_abs() >= 2_000 => {
                let direction = if ms > 0 { "ahead" } else { "behind" };
                format!(", its clock is {} {direction}", duration(ms.unsigned_abs()))
            }
            _ => String::new(),
        };
        let missing: Vec<String> = link.behind.iter().map(ToString::to_string).collect();
        let sync = if missing.is_empty() { "in sync".to_owned() } else { missing.join(", ") };
        let name = history::name(state, link.name.as_deref(), &link.peer);
        lines.push(format!(" ● {name}  {}{rtt}, {sync}{skew}", text::line(&link.address)));
    }
    for other in &status.unreachable {
        let who = other.peer.map_or_else(|| "?".to_owned(), |key| key.short());
        lines.push(format!(" ○ {who}  {}: {}", text::line(&other.address), text::line(&other.reason)));
    }
    for flagged in &status.flagged {
        let name = history::name(state, flagged.name.as_deref(), &flagged.peer);
        lines.push(format!(" not to be trusted: {name}, {}", text::line(&flagged.reason)));
    }
    for file in &status.set_aside {
        lines.push(format!(" a damaged database was replaced, and kept as {}", text::line(file)));
    }
    lines
}
