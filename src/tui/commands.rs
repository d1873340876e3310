//! Parses the input: a message, or a command that starts with `/`.

use std::path::PathBuf;

use peer_engine::id::GroupName;

/// `/me waves` is sent as a message with this body. It is not a kind of entry, since a peer does not show the text of a
/// kind that it does not know.
pub const ACTION: &str = "/me ";

/// Minimum similarity of a word to a command for that command to be suggested.
const ALIKE: f64 = 0.7;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    Nothing,
    Message(String),
    Command(Command),
    /// Not a valid command, with what to do instead.
    Wrong(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    Join(GroupName),
    Leave(Option<GroupName>),
    Create(GroupName),
    /// The new topic; `None` shows the present one.
    Topic(Option<String>),
    Names,
    Whois(String),
    Nick(String),
    /// Pick the message to reply to.
    Reply,
    Search(String),
    /// The file to write the ticket to; `None` shows it on the screen.
    Invite(Option<PathBuf>),
    Status,
    Export(PathBuf),
    Help,
    Quit,
}

/// The name of each command, its arguments and what it does, in the order of the help.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("join", "GROUP", "join a group"),
    ("leave", "[GROUP]", "leave this group, or another; its history stays readable"),
    ("create", "GROUP", "create a group, or join the one of this name"),
    ("topic", "[TEXT]", "show or set what this group is about"),
    ("names", "", "who is in this group"),
    ("whois", "NAME", "somebody's key and groups"),
    ("nick", "NAME", "what others call you"),
    ("me", "TEXT", "say what you are doing"),
    ("reply", "", "pick a message to reply to"),
    ("search", "WORDS", "find messages; Enter on one goes there"),
    ("invite", "[FILE]", "a ticket for a newcomer, on the screen or into a file"),
    ("status", "", "this peer, its links, and what either side lacks"),
    ("export", "FILE", "write this group to a file, one JSON object per line"),
    ("help", "", "keys and commands"),
    ("quit", "", "leave"),
];

pub fn parse(text: &str) -> Input {
    let text = text.trim_end();
    if text.trim().is_empty() {
        return Input::Nothing;
    }
    let Some(line) = text.strip_prefix('/') else {
        return Input::Message(text.to_owned());
    };
    if line.starts_with('/') {
        return Input::Message(line.to_owned());
    }
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    command(&name.to_ascii_lowercase(), argument.trim())
}

fn command(name: &str, argument: &str) -> Input {
    let wanted = || match COMMANDS.iter().find(|(known, ..)| *known == name) {
        Some((_, arguments, about)) => Input::Wrong(format!("/{name} {arguments}: {about}")),
        None => unknown(name),
    };
    let group = |then: fn(GroupName) -> Command| match argument.trim_start_matches('#').parse() {
        Ok(group) => Input::Command(then(group)),
        Err(_) if argument.is_empty() => wanted(),
        Err(error) => Input::Wrong(format!("/{name}: {error}")),
    };
    let given = |then: fn(String) -> Command| match argument {
        "" => wanted(),
        text => Input::Command(then(text.to_owned())),
    };
    let alone = |command: Command| if argument.is_empty() { Input::Command(command) } else { wanted() };
    match name {
        "join" => group(Command::Join),
        "create" => group(Command::Create),
        "leave" if argument.is_empty() => Input::Command(Command::Leave(None)),
        "leave" => group(|name| Command::Leave(Some(name))),
        "topic" => Input::Command(Command::Topic((!argument.is_empty()).then(|| argument.to_owned()))),
        "names" => alone(Command::Names),
        "whois" => given(Command::Whois),
        "nick" => given(Command::Nick),
        "me" if argument.is_empty() => wanted(),
        "me" => Input::Message(format!("{ACTION}{argument}")),
        "reply" => alone(Command::Reply),
        "search" => given(Command::Search),
        "invite" => Input::Command(Command::Invite((!argument.is_empty()).then(|| argument.into()))),
        "status" => alone(Command::Status),
        "export" => given(|file| Command::Export(file.into())),
        "help" => alone(Command::Help),
        "quit" => alone(Command::Quit),
        _ => unknown(name),
    }
}

fn unknown(name: &str) -> Input {
    let nearest = COMMANDS
        .iter()
        .map(|(known, ..)| (strsim::jaro_winkler(known, name), *known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let instead = match nearest {
        Some((_, known)) => format!("did you mean /{known}?"),
        None => "/help lists the commands.".to_owned(),
    };
    Input::Wrong(format!("there is no command /{name}; {instead} To send text that starts with /, type //"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        match parse(text) {
            Input::Wrong(why) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_does_not_start_with_a_slash_is_a_message() {
        assert_eq!(parse("hello /join"), Input::Message("hello /join".to_owned()));
        assert_eq!(parse("  indented\nlines  \n"), Input::Message("  indented\nlines".to_owned()));
        assert_eq!(parse("//etc/hosts"), Input::Message("/etc/hosts".to_owned()));
        assert_eq!(parse(" \n "), Input::Nothing);
    }

    #[test]
    fn commands_take_what_they_need() {
        assert_eq!(parse("/JOIN #Rust"), Input::Command(Command::Join("rust".parse().unwrap())));
        assert_eq!(parse("/leave"), Input::Command(Command::Leave(None)));
        assert_eq!(parse("/topic  All of it "), Input::Command(Command::Topic(Some("All of it".to_owned()))));
        assert_eq!(parse("/me waves"), Input::Message("/me waves".to_owned()));
        assert_eq!(parse("/quit"), Input::Command(Command::Quit));
        for (name, arguments, about) in COMMANDS {
            if !arguments.is_empty() && !arguments.starts_with('[') {
                assert_eq!(wrong(&format!("/{name}")), format!("/{name} {arguments}: {about}"));
            } else {
                assert!(matches!(parse(&format!("/{name}")), Input::Command(_)), "{name}");
            }
        }
        assert!(wrong("/join not a group").contains("a group name is"));
    }

    #[test]
    fn an_unknown_command_suggests_the_nearest() {
        assert!(wrong("/jion rust").contains("did you mean /join?"));
        assert!(wrong("/serach x").contains("did you mean /search?"));
        assert!(wrong("/exit").contains("no command /exit"));
        assert!(wrong("/zzz").contains("/help lists the commands"));
    }
}
