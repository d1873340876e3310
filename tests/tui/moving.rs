//! Moving between groups.

use peer::api::{Row, What};
use peer::tui::Effect;

use crate::support::{ANNA, BOB, Chat, name, row, talk};

fn three() -> Chat {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.add("go", talk(3));
    chat.add("zig", talk(3));
    chat.feed(What::Groups);
    chat
}

fn current(chat: &Chat) -> &str {
    chat.state.current.as_ref().unwrap().as_str()
}

#[test]
fn groups_have_places_and_neighbours() {
    let mut chat = three();
    assert_eq!(current(&chat), "rust");
    chat.press("alt-1");
    assert_eq!(current(&chat), "go");
    chat.press("alt-up");
    assert_eq!(current(&chat), "zig");
    chat.press("alt-down alt-down");
    assert_eq!(current(&chat), "rust");
    chat.press("alt-9");
    assert!(chat.screen().contains("there is no group 9"));
}

#[test]
fn unread_is_counted_and_gone_to_mentions_first() {
    let mut chat = three();
    chat.arrives(Row { group: name("go"), ..row(4, ANNA, "hello") });
    chat.arrives(Row { group: name("zig"), mention: true, ..row(4, ANNA, "me: hello") });
    let screen = chat.screen();
    assert!(screen.contains("1 go               1│"), "{screen}");
    assert!(screen.contains("3 zig           @1 1│"), "{screen}");
    chat.press("alt-a");
    assert_eq!(current(&chat), "zig");
    chat.press("alt-a");
    assert_eq!(current(&chat), "go");
    chat.press("alt-a");
    assert!(chat.screen().contains("nothing is unread"));
    assert!(!chat.screen().contains("@1"));
}

#[test]
fn what_is_on_the_screen_is_told_to_be_read_once() {
    let mut chat = three();
    chat.serving = false;
    chat.arrives(row(4, ANNA, "one"));
    chat.arrives(row(5, BOB, "two"));
    let marks: Vec<Effect> =
        chat.asked().into_iter().filter(|effect| matches!(effect, Effect::MarkRead { .. })).collect();
    assert_eq!(marks, [Effect::MarkRead { group: name("rust"), arrival: 4 }], "one at a time");
    chat.press("pageup");
    chat.arrives(Row { group: name("go"), ..row(4, ANNA, "elsewhere") });
    assert!(chat.asked().iter().all(|effect| !matches!(effect, Effect::MarkRead { .. })));
}

#[test]
fn a_draft_stays_with_its_group() {
    let mut chat = three();
    chat.write("for rust");
    chat.press("alt-1");
    assert!(chat.state.editor.is_empty());
    chat.write("for go");
    chat.press("alt-2");
    assert_eq!(chat.state.editor.text(), "for rust");
    chat.press("alt-1");
    assert_eq!(chat.state.editor.text(), "for go");
}

#[test]
fn the_switcher_finds_by_a_part_of_the_name_and_joins() {
    let mut chat = three();
    chat.add("haskell", Vec::new());
    chat.group("haskell").joined = false;
    chat.feed(What::Groups);
    chat.press("ctrl-k");
    chat.write("ig");
    chat.press("enter");
    assert_eq!(current(&chat), "zig");
    chat.press("ctrl-k");
    chat.write("hask");
    assert!(chat.screen().contains("not joined"));
    chat.press("enter");
    assert_eq!(chat.asked(), [Effect::Join(name("haskell"))]);
}
