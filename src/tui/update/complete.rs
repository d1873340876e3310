//! Tab: completes commands, groups and names.

use super::super::commands::COMMANDS;
use super::super::state::{Completion, State};

/// Maximum number of options to offer.
const OPTIONS_MAX: usize = 50;

/// Completes the word before the cursor, or goes on to the next option.
pub fn complete(state: &mut State, forward: bool) {
    if let Some(mut completion) = state.completion.take() {
        let count = completion.options.len();
        completion.selected = (completion.selected + if forward { 1 } else { count - 1 }) % count;
        let option = completion.options[completion.selected].clone();
        state.editor.replace_before(completion.taken, &option);
        completion.taken = option.len();
        state.completion = Some(completion);
        return;
    }
    let before = state.editor.before_cursor();
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = before[start..].to_owned();
    let options = options(state, &before[..start], &word);
    let Some(first) = options.first().cloned() else { return };
    state.editor.replace_before(word.len(), &first);
    if options.len() > 1 {
        state.completion = Some(Completion { options, selected: 0, taken: first.len() });
    }
}

fn options(state: &State, before: &str, word: &str) -> Vec<String> {
    let lower = word.to_lowercase();
    let matches = |name: &str| name.to_lowercase().starts_with(&lower);
    let mut options: Vec<String> = match (before.trim_end(), word.strip_prefix('/')) {
        ("", Some(name)) if !name.starts_with('/') => COMMANDS
            .iter()
            .filter(|(known, ..)| known.starts_with(&name.to_lowercase()))
            .map(|(known, arguments, _)| format!("/{known}{}", if arguments.is_empty() { "" } else { " " }))
            .collect(),
        ("/join" | "/create" | "/leave", _) => {
            let leaving = before.starts_with("/leave");
            let groups = state.groups.iter().filter(|group| group.joined == leaving);
            groups.map(|group| group.name.to_string()).filter(|name| matches(name)).collect()
        }
        ("/whois", _) => names(state, &lower),
        (_, _) if word.starts_with('#') => {
            let groups = state.groups.iter().map(|group| format!("#{} ", group.name));
            groups.filter(|name| matches(name)).collect()
        }
        (said, _) => {
            let (at, lower) = match lower.strip_prefix('@') {
                Some(rest) => ("@", rest),
                None if lower.is_empty() => return Vec::new(),
                None => ("", lower.as_str()),
            };
            let after = if said.is_empty() && at.is_empty() { ": " } else { " " };
            names(state, lower).into_iter().map(|name| format!("{at}{name}{after}")).collect()
        }
    };
    options.truncate(OPTIONS_MAX);
    options
}

/// Names that begin with `lower`: of people who are connected before others, and of members of this group before
/// others.
fn names(state: &State, lower: &str) -> Vec<String> {
    let members = state.room().map(|room| room.members.as_slice()).unwrap_or_default();
    let mut found: Vec<(bool, &str)> = members
        .iter()
        .chain(&state.people)
        .filter(|user| !state.is_me(&user.key))
        .filter_map(|user| Some((!user.connected, user.name.as_deref()?)))
        .filter(|(_, name)| name.to_lowercase().starts_with(lower))
        .collect();
    found.sort_by_key(|(away, _)| *away);
    let mut names: Vec<String> = Vec::new();
    for (_, name) in found {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
