//! Which key does what. Each action has a name, by which the configuration file gives it other keys, and a line in the
//! help.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key as the configuration file writes it: `ctrl-k`, `alt-up`, `f1`, `alt-shift-a`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Debug)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// The text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key; keys are written as ctrl-k, alt-up, f1, pageup")]
pub struct KeyError(String);

macro_rules! actions {
    ($($action:ident $name:literal [$($key:literal),*] $about:literal)*) => {
        /// What a key can do.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Action { $($action),* }

        /// Each action with its name, its default keys, and what it does.
        pub const ACTIONS: &[(Action, &str, &[&str], &str)] =
            &[$((Action::$action, $name, &[$($key),*], $about)),*];
    };
}

actions! {
    Help "help" ["f1"] "show or hide this help"
    Switcher "switcher" ["ctrl-k"] "go to a group by a part of its name"
    NextUnread "next-unread" ["alt-a"] "go to the next group with unread messages"
    PreviousGroup "previous-group" ["alt-up", "ctrl-pageup"] "go to the group above"
    NextGroup "next-group" ["alt-down", "ctrl-pagedown"] "go to the group below"
    PageUp "page-up" ["pageup"] "older messages"
    PageDown "page-down" ["pagedown"] "newer messages"
    LineUp "line-up" ["shift-up", "ctrl-up"] "one line up in the history"
    LineDown "line-down" ["shift-down", "ctrl-down"] "one line down in the history"
    Oldest "oldest" ["ctrl-home", "alt-home"] "the beginning of the group"
    Newest "newest" ["ctrl-end", "alt-end"] "the newest message"
    Unread "unread" ["alt-u"] "the first unread message"
    Late "late" ["alt-l"] "the next message that arrived late"
    Select "select" ["alt-s"] "pick a message: Enter replies, y keeps its id for ctrl-y"
    Close "close" ["esc"] "close what is open, drop the reply, go to the newest message"
    Send "send" ["enter"] "send, or run the command"
    NewLine "new-line" ["alt-enter", "shift-enter", "ctrl-j"] "a line break in the message"
    Complete "complete" ["tab"] "complete a name, a group or a command"
    CompleteBack "complete-back" ["backtab"] "the previous completion"
    Up "up" ["up"] "a line up, then the previous input"
    Down "down" ["down"] "a line down, then the next input"
    Previous "previous-input" ["ctrl-p"] "the previous input"
    Next "next-input" ["ctrl-n"] "the next input"
    Left "left" ["left", "ctrl-b"] "a character back"
    Right "right" ["right", "ctrl-f"] "a character forward"
    WordLeft "word-left" ["alt-b", "ctrl-left", "alt-left"] "a word back"
    WordRight "word-right" ["alt-f", "ctrl-right", "alt-right"] "a word forward"
    LineStart "line-start" ["home", "ctrl-a"] "the start of the line"
    LineEnd "line-end" ["end", "ctrl-e"] "the end of the line"
    Backspace "backspace" ["backspace", "ctrl-h"] "delete backwards"
    Delete "delete" ["delete"] "delete forwards"
    DeleteOrQuit "delete-or-quit" ["ctrl-d"] "delete forwards; quit if there is no input"
    CutWordLeft "cut-word" ["ctrl-w", "alt-backspace"] "cut the word before"
    CutWordRight "cut-word-after" ["alt-d", "alt-delete"] "cut the word after"
    CutToStart "cut-to-start" ["ctrl-u"] "cut to the start of the line"
    CutToEnd "cut-to-end" ["alt-k"] "cut to the end of the line"
    PasteCut "paste-cut" ["ctrl-y"] "bring back what was cut"
    Clear "clear" ["ctrl-c"] "clear the input; twice without input quits"
    Redraw "redraw" ["ctrl-l"] "redraw the screen"
    Suspend "suspend" ["ctrl-z"] "suspend, where the system supports it"
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|(_, known, ..)| *known == name).map(|(action, ..)| *action)
    }
}

/// The action of each key. Alt with a digit goes to a group, and cannot be given another action.
#[derive(Clone, Debug)]
pub struct KeyMap {
    keys: Vec<(Key, Action)>,
}

impl Default for KeyMap {
    fn default() -> Self {
        let keys = ACTIONS.iter().flat_map(|(action, _, keys, _)| {
            keys.iter().filter_map(move |key| Some((key.parse().ok()?, *action)))
        });
        Self { keys: keys.collect() }
    }
}

/// Why the actions of keys cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyMapError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("there is no action `{0}`; F1 lists the actions, and `none` takes the key's action away")]
    Action(String),
}

impl KeyMap {
    /// Gives each key its new action, or no action for `none`.
    pub fn remap(&mut self, changes: &BTreeMap<String, String>) -> Result<(), KeyMapError> {
        for (key, name) in changes {
            let key: Key = key.parse()?;
            self.keys.retain(|(known, _)| *known != key);
            if name != "none" {
                let action = Action::named(name).ok_or_else(|| KeyMapError::Action(name.clone()))?;
                self.keys.push((key, action));
            }
        }
        Ok(())
    }

    pub fn action(&self, event: KeyEvent) -> Option<Action> {
        let key = Key::from(event);
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, action)| *action)
    }

    /// The keys of an action, as the configuration file writes them.
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        self.keys.iter().filter(|(_, known)| *known == action).map(|(key, _)| key.to_string()).collect()
    }
}

impl From<Key> for KeyEvent {
    fn from(key: Key) -> Self {
        Self::new(key.code, key.modifiers)
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers =
            event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        // The codes of a capital letter and of Shift+Tab already imply Shift.
        if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code: event.code, modifiers }
    }
}

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("space", KeyCode::Char(' ')),
];

const MODIFIERS: &[(&str, KeyModifiers)] =
    &[("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)];

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        while let Some((prefix, modifier)) = MODIFIERS.iter().find(|(prefix, _)| rest.starts_with(prefix)) {
            modifiers |= *modifier;
            rest = &rest[prefix.len()..];
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => Some(KeyCode::Char(c)),
            _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).or_else(|| {
                let number = rest.strip_prefix('f')?.parse().ok()?;
                (1..=24).contains(&number).then_some(KeyCode::F(number))
            }),
        };
        let code = code.ok_or_else(|| KeyError(text.to_owned()))?;
        Ok(Self::from(KeyEvent::new(code, modifiers)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (prefix, modifier) in MODIFIERS {
            if self.modifiers.contains(*modifier) {
                f.write_str(prefix)?;
            }
        }
        match (self.code, NAMED.iter().find(|(_, code)| *code == self.code)) {
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::F(number), None) => write!(f, "f{number}"),
            (KeyCode::Char(c), None) => write!(f, "{c}"),
            (other, None) => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(map: &KeyMap, key: &str) -> Option<Action> {
        map.action(key.parse::<Key>().unwrap().into())
    }

    #[test]
    fn every_key_is_written_as_it_is_read_and_does_one_thing() {
        let mut seen = Vec::new();
        for (action, name, keys, _) in ACTIONS {
            assert_eq!(Action::named(name), Some(*action));
            for key in *keys {
                assert_eq!(key.parse::<Key>().unwrap().to_string(), *key);
                assert!(!seen.contains(key), "{key} does two things");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn keys_can_be_given_other_actions() {
        let mut map = KeyMap::default();
        let changes = [("ctrl-k", "cut-to-end"), ("alt-x", "switcher"), ("f1", "none")];
        map.remap(&changes.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect())
            .unwrap();
        assert_eq!(pressed(&map, "ctrl-k"), Some(Action::CutToEnd));
        assert_eq!(pressed(&map, "alt-x"), Some(Action::Switcher));
        assert_eq!(pressed(&map, "f1"), None);
        assert_eq!(map.keys_of(Action::Switcher), ["alt-x"]);
    }

    #[test]
    fn what_is_no_key_and_no_action_is_told() {
        let one = |key: &str, name: &str| {
            let changes = BTreeMap::from([(key.to_owned(), name.to_owned())]);
            KeyMap::default().remap(&changes).unwrap_err().to_string()
        };
        assert!(one("hyper-k", "help").contains("`hyper-k` is not a key"));
        assert!(one("", "help").contains("is not a key"));
        assert!(one("f99", "help").contains("`f99`"));
        assert!(one("f2", "fly").contains("no action `fly`"));
    }

    #[test]
    fn a_capital_is_told_by_the_letter() {
        let event = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT | KeyModifiers::ALT);
        assert_eq!(Key::from(event).to_string(), "alt-A");
    }
}
