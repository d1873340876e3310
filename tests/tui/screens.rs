//! Whole screens, line by line.

use peer::api::{Row, What};
use peer::tui::Event;

use crate::support::{ANNA, BOB, Chat, ME, id, name, of_kind, row, talk};

fn conversation() -> Vec<Row> {
    vec![
        of_kind("join", row(1, ANNA, "")),
        row(2, ANNA, "hello"),
        row(
            3,
            BOB,
            "a much longer message that does not fit on one line of this terminal, so that it has to be wrapped",
        ),
        Row { stored_on: Some(3), ..row(4, ME, "two\nlines") },
        Row { re: Some(id(2)), late: true, ..row(5, BOB, "welcome") },
        row(700, ANNA, "日本語 👍🏽 e\u{301}"),
        of_kind("topic", row(800, ANNA, "all about Rust")),
        row(801, ANNA, "/me waves"),
        Row { from: Some("irc-carl".to_owned()), mention: true, ..row(802, BOB, "me: look") },
        of_kind("poll", row(803, BOB, "?")),
    ]
}

#[test]
fn before_there_is_a_group() {
    let mut chat = Chat::started(60, 12);
    chat.shows(
        "
 peer








 starting…
 starting                                           F1 help
>
",
    );
    chat.connect();
    chat.shows(
        "
 peer

 You are in no group yet.

 /create GROUP makes one.
 /nick NAME tells others what to call you.
 /invite shows a ticket for a newcomer; `peer chat --join
 TICKET` joins a mesh.
 F1 lists keys and commands.

 me · alone; /invite somebody                       F1 help
>
",
    );
}

#[test]
fn a_conversation_at_80_columns() {
    let mut chat = Chat::with(80, 20, conversation());
    chat.write("hi 日");
    chat.shows(
        "
 rust · all about Rust                                                 3 people
1 rust              │── Saturday, 31 January 2026 ──────────────────────────────
                    │12:01            * │ anna joined
                    │12:02         anna │ hello
                    │12:03          bob │ a much longer message that does not
                    │                   │ fit on one line of this terminal, so
                    │                   │ that it has to be wrapped
                    │12:04           me │ two
                    │                   │ lines ✓3
                    │12:05          bob │ ↳ anna: hello
                    │                   │ welcome ↥ late
                    │23:40         anna │ 日本語 👍🏽 e\u{301}
                    │── Sunday, 1 February 2026 ────────────────────────────────
                    │01:20            * │ anna set the topic: all about Rust
                    │01:21            * │ anna waves
                    │01:22          bob │ ‹irc-carl› me: look
                    │01:23            * │ bob sent something this version does
                    │                   │ not know (poll)
 me · 1 link, caught up                                                 F1 help
> hi 日
",
    );
}

#[test]
fn a_narrow_one() {
    let chat = Chat::with(40, 16, conversation()[..6].to_vec());
    chat.shows(
        "
 rust · all about Rust         3 people

── Saturday, 31 January 2026 ───────────
12:01 * anna joined
12:02 anna hello
12:03 bob a much longer message that
      does not fit on one line of this
      terminal, so that it has to be
      wrapped
12:04 me two
      lines ✓3
12:05 bob ↳ anna: hello
      welcome ↥ late
23:40 anna 日本語 👍🏽 e\u{301}
 me · 1 link, caught up         F1 help
>
",
    );
}

#[test]
fn a_wide_one_has_members() {
    let chat = Chat::with(120, 8, talk(2));
    chat.shows("
 rust · all about Rust                                                                                         3 people
1 rust              │                                                                              │● me
                    │                                                                              │● anna
                    │── Saturday, 31 January 2026 ─────────────────────────────────────────────────│○ bob
                    │12:01         anna │ message 1                                                │
                    │12:02          bob │ message 2                                                │
 me · 1 link, caught up                                                                                         F1 help
>
");
}

#[test]
fn unread_elsewhere_is_in_the_bar_where_there_is_no_pane() {
    let mut chat = Chat::with(60, 8, talk(2));
    chat.add("go", talk(2));
    chat.feed(What::Groups);
    chat.arrives(Row { group: name("go"), mention: true, ..row(3, ANNA, "me: hello") });
    chat.shows(
        "
 rust · all about Rust                             3 people


── Saturday, 31 January 2026 ───────────────────────────────
12:01         anna │ message 1
12:02          bob │ message 2
 me · 1 link, caught up · 1:go @1 1                 F1 help
>
",
    );
}

#[test]
fn the_input_grows_and_hints_stand_above_it() {
    let mut chat = Chat::with(60, 11, talk(9));
    chat.tell(Event::Paste("three\nlines\nof text".to_owned()));
    chat.press("alt-s up enter");
    chat.shows(
        "
 rust · all about Rust                             3 people
12:05         anna │ message 5
12:06          bob │ message 6
12:07         anna │ message 7
12:08          bob │ message 8
12:09         anna │ message 9
 me · 1 link, caught up                             F1 help
↳ reply to bob: message 8
> three
  lines
  of text
",
    );
}

#[test]
fn the_switcher_lists_own_groups_first() {
    let mut chat = Chat::with(60, 7, talk(2));
    chat.add("go", talk(2));
    chat.group("go").joined = false;
    chat.feed(What::Groups);
    chat.press("ctrl-k");
    chat.shows(
        "
 go to:                       Enter goes there · Esc closes
 rust                           all about Rust
 go                  not joined


 me · 1 link, caught up                             F1 help
>
",
    );
}

#[test]
fn what_a_search_found() {
    let mut chat = Chat::with(60, 9, talk(20));
    chat.write("/search message 1");
    chat.press("enter");
    chat.shows(
        "
 found for “message 1”: 11    Enter goes there · Esc closes
 2026-01-31 12:19 rust anna
   message 19
 2026-01-31 12:18 rust bob
   message 18
 2026-01-31 12:17 rust anna
   message 17
 me · 1 link, caught up                             F1 help
>
",
    );
}

#[test]
fn help_names_every_key_and_command() {
    let mut chat = Chat::with(100, 120, talk(1));
    chat.press("f1");
    let screen = chat.screen();
    for (_, action, keys, about) in peer::tui::keys::ACTIONS {
        assert!(
            screen.contains(action)
                && screen.contains(keys[0])
                && screen.contains(&about[..20.min(about.len())]),
            "{action}"
        );
    }
    for (command, ..) in peer::tui::commands::COMMANDS {
        assert!(screen.contains(&format!("/{command}")), "{command}");
    }
}
