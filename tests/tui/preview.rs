//! The preview of a group whose entries are still on their way: shown below the newest row, and no part of the history.

use peer::api::{Row, What};
use peer::tui::{Effect, Event};
use ratatui::style::Modifier;

use crate::support::{ANNA, BOB, Chat, ME, id, name, of_kind, row, talk};

const DIVIDER: &str = "── preview, sent by anna: the rest is on its way ──";

/// A row of a preview: it has not arrived.
fn previewed(number: u64, author: peer_engine::id::PeerId, body: &str) -> Row {
    Row { arrival: 0, ..row(number, author, body) }
}

/// A preview with the entries of these numbers.
fn preview(numbers: std::ops::RangeInclusive<u64>) -> Vec<Row> {
    numbers.map(|number| previewed(number, BOB, &format!("preview {number}"))).collect()
}

impl Chat {
    /// The service has another preview of `rust`, and says so.
    fn has_preview(&mut self, rows: Vec<Row>) {
        self.previews.insert(name("rust"), rows);
        self.feed(What::Preview { group: name("rust") });
    }

    fn has(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// The texts on the screen that begin like this, from top to bottom.
    fn texts(&self, beginning: &str) -> Vec<String> {
        let screen = self.screen();
        let texts = screen.lines().filter_map(|line| line.rsplit_once("│ "));
        texts.filter(|(_, text)| text.starts_with(beginning)).map(|(_, text)| text.to_owned()).collect()
    }

    fn requests(&mut self) -> Vec<Effect> {
        let asked = self.asked().into_iter();
        asked.filter(|effect| matches!(effect, Effect::LoadPreview { .. })).collect()
    }

    fn tell_answer(&mut self, request: &Effect, entries: Vec<Row>) {
        self.previews.insert(name("rust"), entries);
        let answer = self.answer(request).unwrap();
        self.tell(Event::Answer(answer));
    }
}

#[test]
fn it_stands_below_the_newest_row_under_its_own_line_and_own_messages_below_it() {
    let mut chat = Chat::with(80, 24, talk(4));
    chat.has_preview(vec![
        previewed(90_000, ANNA, "shall we meet at eight?"),
        Row {
            re: Some(id(90_000)),
            ..previewed(90_001, BOB, "eight is fine; a much longer message that has to be wrapped")
        },
        of_kind("join", previewed(90_002, ANNA, "")),
        previewed(90_003, ME, "from my other machine"),
    ]);
    chat.write("hello");
    chat.press("enter");
    chat.shows(
        "
 rust · all about Rust                                                 3 people
1 rust              │
                    │
                    │
                    │
                    │
                    │
                    │
                    │── Saturday, 31 January 2026 ──────────────────────────────
                    │12:01         anna │ message 1
                    │12:02          bob │ message 2
                    │12:03         anna │ message 3
                    │12:04          bob │ message 4
                    │── preview, sent by anna: the rest is on its way ──────────
                    │── Saturday, 4 April 2026 ─────────────────────────────────
                    │00:00         anna │ shall we meet at eight?
                    │00:01          bob │ ↳ anna: shall we meet at eight?
                    │                   │ eight is fine; a much longer message
                    │                   │ that has to be wrapped
                    │00:02            * │ anna joined
                    │00:03           me │ from my other machine
                    │  …             me │ hello …
 me · 1 link, caught up · 1 not stored yet                              F1 help
>
",
    );
}

#[test]
fn at_40_columns_its_line_still_says_what_it_is() {
    let mut chat = Chat::with(40, 10, talk(2));
    chat.has_preview(preview(10..=11));
    chat.shows(
        "
 rust · all about Rust         3 people
── Saturday, 31 January 2026 ───────────
12:01 anna message 1
12:02 bob message 2
── preview: the rest is on its way ─────
── Saturday, 31 January 2026 ───────────
12:10 bob preview 10
12:11 bob preview 11
 me · 1 link, caught up         F1 help
>
",
    );
}

#[test]
fn where_it_fills_the_screen_its_line_is_still_there() {
    let mut chat = Chat::with(80, 24, talk(4));
    chat.has_preview(preview(10..=59));
    let first = |chat: &Chat| chat.screen().lines().nth(1).unwrap().to_owned();
    assert!(first(&chat).contains(DIVIDER), "{}", chat.screen());
    assert_eq!(chat.texts("preview").last().unwrap(), "preview 59");
    chat.press("pageup");
    assert!(first(&chat).contains(DIVIDER), "{}", chat.screen());
    assert!(chat.has("preview 40") && !chat.has("preview 59"));
    for _ in 0..3 {
        chat.press("pageup");
    }
    assert!(chat.has("message 4") && chat.screen().matches(DIVIDER).count() == 1, "{}", chat.screen());
}

#[test]
fn it_is_dim_with_colours_and_without() {
    for colour in [true, false] {
        let mut chat = Chat::with(60, 10, talk(2));
        chat.state.settings.theme.colour = colour;
        chat.has_preview(vec![Row { mention: true, ..previewed(10, BOB, "preview 10") }]);
        let buffer = chat.buffer();
        let dim = |y: u16| {
            let cells = (0..60).map(|x| &buffer[(x, y)]).filter(|cell| cell.symbol() != " ");
            cells.map(|cell| cell.modifier.contains(Modifier::DIM)).collect::<Vec<_>>()
        };
        let line = |text: &str| {
            let screen = chat.screen();
            u16::try_from(screen.lines().position(|line| line.contains(text)).unwrap()).unwrap()
        };
        assert!(dim(line("preview 10")).iter().all(|dim| *dim));
        assert!(dim(line(DIVIDER)).iter().all(|dim| *dim));
        assert!(!dim(line("message 2")).iter().all(|dim| *dim));
    }
}

#[test]
fn it_is_asked_for_at_the_start_on_opening_a_group_and_after_a_break() {
    let mut chat = Chat::started(80, 24);
    chat.add("rust", talk(2));
    chat.previews.insert(name("rust"), preview(10..=11));
    chat.connect();
    assert_eq!(chat.texts("preview"), ["preview 10", "preview 11"]);

    chat.add("go", talk(3));
    chat.feed(What::Groups);
    chat.press("alt-1");
    assert_eq!(chat.texts("preview"), [""; 0], "it is of another group");
    chat.previews.insert(name("rust"), preview(10..=12));
    chat.press("alt-2");
    assert_eq!(chat.texts("preview").len(), 3);

    chat.previews.insert(name("rust"), preview(10..=13));
    chat.feed(What::Resync);
    assert_eq!(chat.texts("preview").len(), 4);

    chat.previews.insert(name("rust"), preview(10..=14));
    chat.tell(Event::Lost("it has stopped".to_owned()));
    chat.connect();
    assert_eq!(chat.texts("preview").len(), 5);
}

#[test]
fn what_the_history_has_is_left_out_and_what_is_gone_goes_at_once() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.has_preview(preview(10..=13));
    for number in 10..=12 {
        chat.arrives(row(number, BOB, &format!("preview {number}")));
        assert_eq!(
            chat.texts("preview"),
            ["preview 10", "preview 11", "preview 12", "preview 13"],
            "each once"
        );
        let screen = chat.screen();
        let divider = screen.find(DIVIDER).unwrap();
        assert!(screen.find(&format!("preview {number}")).unwrap() < divider, "{screen}");
        assert!(divider < screen.find(&format!("preview {}", number + 1)).unwrap(), "{screen}");
    }
    chat.has_preview(Vec::new());
    assert_eq!(chat.texts("preview"), ["preview 10", "preview 11", "preview 12"]);
    assert!(!chat.has(DIVIDER));
}

#[test]
fn its_line_goes_with_its_last_row() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.has_preview(preview(10..=10));
    assert!(chat.has(DIVIDER));
    chat.arrives(row(10, BOB, "preview 10"));
    assert!(!chat.has(DIVIDER), "{}", chat.screen());
}

#[test]
fn a_group_of_which_nothing_is_here_yet_has_one_too() {
    let mut chat = Chat::with(80, 10, Vec::new());
    chat.group("rust").entries = 0;
    chat.has_preview(preview(10..=11));
    assert_eq!(chat.texts("preview"), ["preview 10", "preview 11"]);
    chat.press("alt-s pageup pagedown");
    assert_eq!(chat.state.selection, None);
    assert_eq!(chat.texts("preview"), ["preview 10", "preview 11"]);
}

#[test]
fn an_answer_for_another_group_is_not_shown() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.add("go", talk(3));
    chat.feed(What::Groups);
    chat.serving = false;
    chat.feed(What::Preview { group: name("rust") });
    let request = chat.requests().remove(0);
    chat.press("alt-1");
    let of_go = chat.requests();
    assert!(matches!(&of_go[..], [Effect::LoadPreview { group, .. }] if *group == name("go")), "{of_go:?}");
    chat.tell_answer(&request, preview(10..=11));
    assert_eq!(chat.texts("preview"), [""; 0]);
    chat.press("alt-2");
    chat.tell_answer(&request, preview(10..=11));
    assert_eq!(chat.texts("preview"), [""; 0], "it was asked for before one was away");
}

#[test]
fn an_answer_that_is_older_than_a_later_one_does_not_win() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.serving = false;
    chat.feed(What::Preview { group: name("rust") });
    let old = chat.requests().remove(0);
    chat.connect();
    let later = chat.requests().remove(0);
    chat.tell_answer(&later, preview(12..=13));
    chat.tell_answer(&old, preview(10..=11));
    assert_eq!(chat.texts("preview"), ["preview 12", "preview 13"]);
    chat.tell(Event::Failed { effect: old, why: "it was too long ago".to_owned(), gone: false });
    assert_eq!(chat.texts("preview"), ["preview 12", "preview 13"]);
}

#[test]
fn however_often_it_changes_one_request_is_on_its_way_and_one_follows_it() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.serving = false;
    for _ in 0..100 {
        chat.feed(What::Preview { group: name("rust") });
        chat.feed(What::Preview { group: name("go") });
    }
    let requests = chat.requests();
    assert_eq!(requests.len(), 1);
    chat.tell_answer(&requests[0], preview(10..=11));
    assert_eq!(chat.texts("preview").len(), 2, "what is here is shown meanwhile");
    let requests = chat.requests();
    assert_eq!(requests.len(), 1);
    chat.tell_answer(&requests[0], preview(12..=12));
    assert_eq!(chat.texts("preview"), ["preview 12"]);
    assert_eq!(chat.requests(), []);
}

#[test]
fn where_it_cannot_be_told_there_is_none_and_nobody_is_bothered() {
    for gone in [false, true] {
        let mut chat = Chat::with(80, 24, talk(2));
        chat.has_preview(preview(10..=11));
        chat.serving = false;
        chat.feed(What::Preview { group: name("rust") });
        let before = chat.screen();
        let effect = chat.requests().remove(0);
        chat.tell(Event::Failed { effect, why: "there is nothing here".to_owned(), gone });
        assert_eq!(chat.state.notice, None);
        assert!(before.contains(DIVIDER) && !chat.has(DIVIDER));
        assert_eq!(chat.requests(), []);
    }
}

#[test]
fn it_cannot_be_picked_nor_answered() {
    let mut chat = Chat::with(80, 24, talk(2));
    chat.has_preview(preview(10..=12));
    chat.press("alt-s");
    assert_eq!(chat.state.selection, Some(id(2)));
    chat.press("down");
    assert_eq!(chat.state.selection, Some(id(2)));
    chat.press("enter");
    assert!(chat.has("↳ reply to bob: message 2"), "{}", chat.screen());

    // Nor where the preview leaves no line for the history.
    chat.press("esc");
    chat.has_preview(preview(10..=60));
    assert!(!chat.has("message 2"));
    chat.press("alt-s");
    assert_eq!(chat.state.selection, Some(id(2)));
    assert!(chat.has("message 2"), "what is picked is on the screen");
}

#[test]
fn it_is_neither_read_nor_unread_and_where_own_messages_are_is_not_said_of_it() {
    let mut chat = Chat::with(80, 24, talk(2));
    let before = chat.state.groups.clone();
    chat.serving = false;
    chat.has_preview(Vec::new());
    let request = chat.requests().remove(0);
    let own = Row { stored_on: Some(2), ..previewed(11, ME, "preview 11") };
    chat.tell_answer(&request, vec![Row { mention: true, ..previewed(10, BOB, "preview 10") }, own]);
    chat.feed(What::Delivery { group: name("rust"), id: id(11), stored_on: 3 });
    chat.press("pageup pagedown alt-end");
    assert_eq!(chat.asked(), [], "nothing is marked, and nothing is loaded by it");
    assert_eq!(chat.state.groups, before);
    assert_eq!((chat.state.room().unwrap().marked, chat.state.room().unwrap().arrival), (2, 2));
    assert!(!chat.has("✓") && !chat.has("unread") && !chat.has("↓"), "{}", chat.screen());
}

#[test]
fn hostile_text_in_it_is_neutralised() {
    let mut chat = Chat::with(80, 24, talk(2));
    let hostile = "\x1b]52;c;ZXZpbA==\x07\u{202E}reversed\n14:03         anna │ I owe you";
    let named = Some("\x1b[2J\u{2066}bob".to_owned());
    let carol = peer_engine::id::PeerId([0xC3; 32]);
    let mut rows: Vec<Row> = ["message", "topic", "\x1b[31m"]
        .into_iter()
        .zip(10..)
        .map(|(kind, number)| Row { name: named.clone(), ..of_kind(kind, previewed(number, carol, hostile)) })
        .collect();
    rows[0].from = named;
    chat.has_preview(rows);
    for size in [(80, 24), (40, 24), (20, 10)] {
        chat.tell(Event::Resize(size.0, size.1));
        crate::safe::check(&chat);
    }
    chat.tell(Event::Resize(80, 24));
    assert!(chat.has("␛") && chat.has("‹U+202E›"), "it is shown:\n{}", chat.screen());
    let screen = chat.screen();
    let forged = screen.lines().find(|line| line.trim_end().ends_with("│ I owe you")).unwrap();
    assert!(forged.contains("                   │ 14:03"), "no body passes for a row: {forged}");
}

#[test]
fn it_is_scrolled_through_line_by_line_and_then_the_history() {
    let mut chat = Chat::with(80, 14, talk(30));
    chat.has_preview(preview(40..=69));
    let numbers = |chat: &Chat| -> Vec<u64> {
        let screen = chat.screen();
        let texts = screen.lines().filter_map(|line| line.rsplit_once("│ "));
        let numbers = texts.filter_map(|(_, text)| text.split(' ').nth(1)?.parse().ok());
        numbers.collect()
    };
    assert_eq!(numbers(&chat), (60..=69).collect::<Vec<_>>());
    let mut screens = vec![chat.screen()];
    for turn in 1..=50 {
        chat.press("shift-up");
        assert_ne!(chat.screen(), screens[turn - 1], "each turn moves it");
        screens.push(chat.screen());
    }
    assert!(screens.iter().any(|screen| screen.contains("message 30") && screen.contains("preview 40")));
    let passed = screens.iter().position(|screen| !screen.contains("preview")).unwrap();
    assert!(screens[passed].contains("message 30"), "{}", screens[passed]);
    assert!(chat.has("↓ more"));
    for turn in (0..50).rev() {
        chat.press("shift-down");
        assert_eq!(chat.screen(), screens[turn], "and the same way back");
    }
    chat.press("pageup pageup pageup pageup");
    chat.press("pagedown pagedown pagedown pagedown");
    assert_eq!(chat.screen(), screens[0]);
    chat.press("pageup alt-end");
    assert_eq!(chat.screen(), screens[0]);
}

#[test]
fn what_arrives_does_not_move_what_one_reads_of_it() {
    let mut chat = Chat::with(80, 14, talk(30));
    chat.has_preview(preview(1000..=1040));
    chat.press("pageup");
    let before = chat.texts("preview");
    for number in 31..=60 {
        chat.arrives(row(number, ANNA, &format!("message {number}")));
    }
    chat.arrives(row(1000, BOB, "preview 1000"));
    assert_eq!(chat.texts("preview"), before);
    chat.has_preview(Vec::new());
    assert!(chat.has("preview 1000"), "{}", chat.screen());
    assert!(!chat.has("↓"), "{}", chat.screen());
}

#[test]
fn it_is_painted_at_any_size() {
    for columns in [1, 2, 3, 7, 12, 40, 79, 80, 110, 300] {
        for lines in [1, 2, 3, 4, 6, 10, 50] {
            let mut chat = Chat::with(columns, lines, talk(30));
            chat.has_preview(preview(40..=89));
            for keys in ["pageup", "pagedown", "pageup pageup pageup", "alt-s up enter", "esc shift-down"] {
                chat.press(keys);
                chat.screen();
            }
        }
    }
}

#[test]
fn an_own_message_stays_on_the_screen_when_it_is_stored() {
    let mut chat = Chat::with(80, 14, talk(30));
    chat.has_preview(preview(1000..=1040));
    chat.write("hello");
    chat.press("enter");
    assert!(chat.has("hello …"), "{}", chat.screen());
    chat.arrives(Row { stored_on: Some(1), ..row(2000, ME, "hello") });
    assert!(chat.has("hello ✓1") && chat.has("message 30"), "{}", chat.screen());
    // It stays when the preview changes and goes.
    chat.arrives(row(1000, BOB, "preview 1000"));
    assert!(chat.has("hello ✓1"), "{}", chat.screen());
    chat.has_preview(Vec::new());
    assert!(chat.has("hello ✓1") && !chat.has("↓"), "{}", chat.screen());
    assert!(chat.state.rooms[&name("rust")].is_at_newest());
}

#[test]
fn who_reads_in_it_stays_there_when_it_becomes_history() {
    let mut chat = Chat::with(80, 14, talk(30));
    chat.has_preview(preview(1000..=1040));
    chat.press("pageup");
    let before = chat.texts("preview");
    for number in 1000..=1040 {
        chat.arrives(row(number, BOB, &format!("preview {number}")));
        assert!(chat.has(before.last().unwrap()), "{number}: {}", chat.screen());
    }
    chat.has_preview(Vec::new());
    assert!(chat.has(before.last().unwrap()), "{}", chat.screen());
    assert!(chat.has("↓"), "{}", chat.screen());
}

#[test]
fn its_line_never_covers_what_one_has_written() {
    let mut chat = Chat::with(80, 8, talk(4));
    chat.has_preview(preview(1000..=1040));
    for number in 1..=9 {
        chat.write(&format!("line{number}"));
        chat.press("enter");
    }
    assert!(chat.has("line9 …") && !chat.has(DIVIDER), "{}", chat.screen());
}
