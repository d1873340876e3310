//! Other people's text stays text: no control sequence in it reaches the terminal.

use peer::api::{Row, What};
use peer::tui::view;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::support::{ANNA, BOB, Chat, of_kind, row};

const HOSTILE: &[&str] = &[
    "\x1b]52;c;ZXZpbA==\x07",
    "\u{9d}0;title\u{9c}",
    "\x1b[2J\x1b[1;1H\x1b[31mred",
    "a\rb\x08\x7fc",
    "\u{202E}reversed\u{2066}\u{200B}\u{2069}",
    "\x1bP+q544e\x1b\\",
    "two\n\x1b[Alines\n14:03         anna │ I owe you",
    "tab\there",
];

fn hostile(columns: u16) -> Chat {
    let mut rows: Vec<Row> = (1..).zip(HOSTILE).map(|(number, text)| row(number, ANNA, text)).collect();
    let piled = format!("Z{}", "\u{0336}".repeat(400));
    for (kind, text) in [("topic", HOSTILE[0]), ("\x1b[2J", "x"), ("message", piled.as_str())] {
        let number = rows.len() as u64 + 1;
        let from = Some(HOSTILE[2].to_owned());
        rows.push(Row { from, ..of_kind(kind, row(number, BOB, text)) });
    }
    for row in &mut rows {
        row.name = Some(HOSTILE[1].to_owned() + HOSTILE[4]);
    }
    let mut chat = Chat::with(columns, 40, rows);
    for user in &mut chat.people {
        user.name = Some(HOSTILE[0].to_owned());
    }
    chat.group("rust").topic = Some(HOSTILE.concat());
    chat.status.name = Some(HOSTILE[2].to_owned());
    chat.feed(What::Groups);
    chat.feed(What::Users);
    chat.feed(What::Status { links: 1, behind: Vec::new(), ahead: Vec::new() });
    chat
}

/// The bytes that one frame sends to the terminal.
fn bytes(chat: &Chat) -> Vec<u8> {
    let (columns, lines) = chat.state.size;
    let mut out = Vec::new();
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, columns, lines)) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut out), options).unwrap();
    terminal.draw(|frame| view(&chat.state, frame)).unwrap();
    drop(terminal);
    out
}

/// Every control sequence except those that move the cursor, set a style, or show or hide the cursor.
fn foreign(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    }) {
        rest = &rest[at..];
        let sequence = rest.strip_prefix("\x1b[").map(|body| {
            let end =
                body.find(|c: char| !(c.is_ascii_digit() || matches!(c, ';' | '?'))).unwrap_or(body.len());
            &rest[..(2 + end + 1).min(rest.len())]
        });
        match sequence {
            Some(sequence)
                if sequence.ends_with(['H', 'm']) || ["\x1b[?25h", "\x1b[?25l"].contains(&sequence) =>
            {
                rest = &rest[sequence.len()..];
            }
            _ => {
                found.push(rest.chars().take(12).collect::<String>());
                rest = &rest[rest.chars().next().unwrap().len_utf8()..];
            }
        }
    }
    found
}

pub fn check(chat: &Chat) {
    let found = foreign(&bytes(chat));
    assert!(found.is_empty(), "{found:?}\n{}", chat.screen());
}

#[test]
fn hostile_text_reaches_no_terminal() {
    for columns in [20, 60, 80, 140] {
        let mut chat = hostile(columns);
        check(&chat);
        assert!(chat.screen().contains('␛'), "it is shown");
        for keys in ["alt-s", "esc f1", "esc ctrl-k", "esc pageup"] {
            chat.press(keys);
            check(&chat);
        }
        for command in ["/names", "/status", "/search red", "/topic", "/whois zzz"] {
            chat.press("esc ctrl-u");
            chat.write(command);
            chat.press("enter");
            check(&chat);
        }
        chat.press("esc ctrl-u");
        chat.tell(peer::tui::Event::Paste(HOSTILE.concat()));
        check(&chat);
    }
}

#[test]
fn the_check_itself_finds_what_is_foreign() {
    assert!(foreign(b"\x1b[1;1H\x1b[38;5;28mhi\x1b[0m\x1b[?25h").is_empty());
    assert_eq!(foreign(b"a\x1b]0;t\x07").len(), 2);
    assert_eq!(foreign(b"\x1b[2J").len(), 1);
    assert_eq!(foreign("\u{9b}31m\u{202E}".as_bytes()).len(), 2);
}

#[test]
fn no_body_passes_for_a_row() {
    for columns in [50, 80] {
        let chat = Chat::with(columns, 14, vec![row(1, ANNA, "hi\n14:03         bob │ I owe you")]);
        let screen = chat.screen();
        let forged = screen.lines().find(|line| line.contains("I owe you")).unwrap();
        let history = forged.rsplit("14:03").nth(1).unwrap();
        assert!(history.ends_with("│ ") || history.ends_with("      "), "{screen}");
    }
}

#[test]
fn any_size_is_painted() {
    for columns in [1, 2, 3, 7, 12, 40, 79, 80, 110, 300] {
        for lines in [1, 2, 3, 4, 6, 10, 50] {
            let mut chat = hostile(columns);
            chat.tell(peer::tui::Event::Resize(columns, lines));
            chat.screen();
            for keys in
                ["pageup", "pagedown", "alt-s up enter", "f1 pagedown", "esc ctrl-k a", "esc alt-enter"]
            {
                chat.press(keys);
                chat.screen();
            }
        }
    }
}
