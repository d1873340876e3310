//! What the screen says of the connection, of what is missing, and of how far own messages have come.

use peer::api::{Hit, Row, What};
use peer::tui::event::{Answer, Part};
use peer::tui::{Effect, Event};

use crate::support::{BOB, Chat, ME, id, link, name, row, talk};

fn says(chat: &Chat, text: &str) {
    let screen = chat.screen();
    assert!(screen.contains(text), "no “{text}” in\n{screen}");
}

#[test]
fn alone_offline_behind_and_caught_up_look_different() {
    let mut alone = Chat::started(80, 14);
    alone.add("rust", talk(1));
    alone.connect();
    says(&alone, "alone; /invite somebody");

    let mut chat = Chat::with(80, 14, talk(3));
    says(&chat, "1 link, caught up");
    chat.feed(What::Status { links: 2, behind: vec![name("rust")], ahead: Vec::new() });
    says(&chat, "2 links, behind in rust");
    chat.feed(What::Status { links: 0, behind: Vec::new(), ahead: Vec::new() });
    says(&chat, "OFFLINE, messages wait here");
    chat.tell(Event::Lost("it has stopped".to_owned()));
    says(&chat, "the server is gone; looking for it");
}

#[test]
fn a_wrong_clock_is_told() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.status.links = vec![link(-300_000, Vec::new()), link(-301_000, Vec::new()), link(5, Vec::new())];
    chat.feed(What::Status { links: 3, behind: Vec::new(), ahead: Vec::new() });
    says(&chat, "your clock is 5 min ahead");
}

#[test]
fn an_own_message_says_how_far_it_has_come() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("hello");
    chat.press("enter");
    says(&chat, "│ hello …");
    says(&chat, "1 not stored yet");
    let asked = chat.asked();
    let Effect::Send { group, message } = asked[0].clone() else { panic!("{asked:?}") };
    let key = message.key.unwrap();
    chat.tell(Event::Answer(Answer::Sent { group: group.clone(), key, id: id(4), stored_on: 1 }));
    says(&chat, "│ hello …");
    chat.arrives(row(4, ME, "hello"));
    says(&chat, "│ hello ✓1");
    assert!(!chat.screen().contains("not stored"));
    chat.feed(What::Delivery { group, id: id(4), stored_on: 3 });
    says(&chat, "│ hello ✓3");
}

#[test]
fn the_stream_may_be_faster_than_the_answer() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("hello");
    chat.press("enter");
    chat.arrives(Row { stored_on: Some(1), ..row(4, ME, "hello") });
    assert_eq!(chat.screen().matches("│ hello").count(), 1, "{}", chat.screen());
}

#[test]
fn a_message_of_one_s_own_is_stored_here_whatever_way_it_comes() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.arrives(row(4, ME, "from the shell"));
    says(&chat, "│ from the shell ✓1");
}

/// A page, an answer and an event come in any order, and not all of them say on how many peers a message is.
#[test]
fn how_far_a_message_has_come_is_never_unsaid() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut chat = Chat::with(80, 14, talk(3));
        chat.serving = false;
        chat.write("hello");
        chat.press("enter");
        let asked = chat.asked();
        let Effect::Send { group, message } = asked[0].clone() else { panic!("{asked:?}") };
        chat.feed(What::Resync);
        chat.rows.get_mut(&group).unwrap().push(Row { stored_on: Some(3), ..row(4, ME, "hello") });
        let page = answers(&mut chat);
        let sent = Answer::Sent { group, key: message.key.unwrap(), id: id(4), stored_on: 1 };
        let mut ways = [
            page.into_iter().map(Event::Answer).collect(),
            vec![Event::Answer(sent)],
            vec![Event::Feed(What::Entry { row: Box::new(row(4, ME, "hello")) })],
        ];
        for way in order {
            for event in std::mem::take(&mut ways[way]) {
                chat.tell(event);
            }
        }
        says(&chat, "│ hello ✓3");
        assert_eq!(chat.screen().matches("│ hello").count(), 1, "{order:?}: {}", chat.screen());
    }
    // The event comes while a page with a lower number is on its way.
    let mut chat = Chat::with(80, 14, vec![Row { stored_on: Some(1), ..row(4, ME, "hello") }]);
    chat.serving = false;
    chat.feed(What::Resync);
    let page = answers(&mut chat);
    chat.feed(What::Delivery { group: name("rust"), id: id(4), stored_on: 3 });
    deliver(&mut chat, page);
    says(&chat, "│ hello ✓3");
}

#[test]
fn what_was_written_while_nobody_answers_is_sent_later_under_the_same_key() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.tell(Event::Lost("it has stopped".to_owned()));
    chat.write("in a tunnel");
    chat.press("enter");
    let first = chat.asked();
    chat.tell(Event::Failed { effect: first[0].clone(), why: "no server answers".to_owned(), gone: true });
    says(&chat, "│ in a tunnel …");
    chat.connect();
    assert_eq!(chat.asked(), first);
}

#[test]
fn what_is_refused_comes_back_into_the_input() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("hello");
    chat.press("enter");
    let effect = chat.asked().remove(0);
    chat.tell(Event::Failed { effect, why: "the disk is full".to_owned(), gone: false });
    assert_eq!(chat.state.editor.text(), "hello");
    says(&chat, "not sent: the disk is full");
    assert!(!chat.screen().contains("│ hello"));
}

#[test]
fn messages_have_keys_of_their_own() {
    let mut chat = Chat::with(80, 14, talk(3));
    for text in ["a", "b", "a"] {
        chat.write(text);
        chat.press("enter");
    }
    let keys: std::collections::HashSet<_> = chat
        .asked()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Send { message, .. } => message.key,
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 3);
}

#[test]
fn after_a_break_everything_is_looked_at_again() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.rows.get_mut(&name("rust")).unwrap().push(row(4, BOB, "while you were away"));
    chat.group("rust").entries = 4;
    chat.feed(What::Resync);
    says(&chat, "while you were away");
}

/// Events and answers come in any order.
#[test]
fn what_is_told_while_a_page_is_on_its_way_is_not_lost() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.serving = false;
    chat.feed(What::Resync);
    let old = answers(&mut chat);
    chat.arrives(row(4, ME, "said meanwhile"));
    deliver(&mut chat, old);
    says(&chat, "message 3");
    says(&chat, "said meanwhile");
}

#[test]
fn what_is_told_while_the_first_page_is_on_its_way_is_not_lost() {
    let mut chat = Chat::started(80, 14);
    chat.add("rust", talk(3));
    chat.serving = false;
    chat.connect();
    let groups = answers(&mut chat);
    deliver(&mut chat, groups);
    let old = answers(&mut chat);
    chat.arrives(row(4, BOB, "said meanwhile"));
    chat.serving = true;
    deliver(&mut chat, old);
    says(&chat, "said meanwhile");
}

#[test]
fn a_page_of_older_messages_hides_none_that_is_told_after_it() {
    let mut chat = Chat::with(80, 14, talk(250));
    chat.serving = false;
    while !chat.asked.iter().any(|effect| matches!(effect, Effect::LoadPage { part: Part::Before(_), .. })) {
        chat.press("pageup");
    }
    chat.rows.get_mut(&name("rust")).unwrap().push(row(251, BOB, "said meanwhile"));
    let older = answers(&mut chat);
    deliver(&mut chat, older);
    chat.feed(What::Entry { row: Box::new(row(251, BOB, "said meanwhile")) });
    chat.serving = true;
    chat.press("alt-end");
    says(&chat, "said meanwhile");
}

#[test]
fn what_is_told_in_another_order_than_it_is_shown_ends_in_its_place() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.arrives(Row { eff: row(2, BOB, "").eff, ..row(4, BOB, "from before") });
    let screen = chat.screen();
    assert!(screen.find("from before").unwrap() < screen.find("message 3").unwrap(), "{screen}");
    assert_eq!(screen.matches("from before").count(), 1, "{screen}");
}

#[test]
fn what_is_written_before_there_is_a_group_stays() {
    let mut chat = Chat::started(80, 14);
    chat.add("rust", talk(3));
    chat.write("early bird");
    chat.connect();
    assert_eq!(chat.state.editor.text(), "early bird");
}

#[test]
fn what_was_read_while_nobody_answered_is_told_later() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.serving = false;
    chat.arrives(row(4, BOB, "the last one"));
    chat.group("rust").entries = 4;
    let asked = chat.asked();
    let mark = asked.into_iter().find(|effect| matches!(effect, Effect::MarkRead { .. })).unwrap();
    chat.tell(Event::Failed { effect: mark.clone(), why: "gone".to_owned(), gone: true });
    chat.tell(Event::Lost("it has stopped".to_owned()));
    chat.connect();
    let again = answers(&mut chat);
    deliver(&mut chat, again);
    assert!(chat.asked().contains(&mark));
}

#[test]
fn a_message_found_in_a_group_that_one_has_left_stays_on_the_screen() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.add("old", vec![row(1, BOB, "the needle")]);
    chat.group("old").joined = false;
    chat.feed(What::Groups);
    chat.tell(Event::Answer(Answer::Found {
        words: "needle".to_owned(),
        hits: vec![Hit { row: chat.rows[&name("old")][0].clone(), before: Vec::new(), after: Vec::new() }],
    }));
    chat.press("enter");
    chat.feed(What::Groups);
    says(&chat, "│ the needle");
}

#[test]
fn everybody_is_called_what_they_are_called_now() {
    let mut chat = Chat::with(80, 14, talk(2));
    says(&chat, "bob │ message 2");
    chat.people.iter_mut().find(|user| user.key == BOB).unwrap().name = Some("robert".to_owned());
    chat.feed(What::Users);
    says(&chat, "robert │ message 2");
}

#[test]
fn nobody_leaves_what_is_not_stored_without_a_word() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.tell(Event::Lost("it has stopped".to_owned()));
    chat.write("in a tunnel");
    chat.press("enter");
    for way in ["ctrl-c", "a backspace ctrl-d", "/ q u i t enter"] {
        chat.press(way);
        assert!(!chat.asked().contains(&Effect::Quit), "{way}");
        says(&chat, "1 not stored yet, and lost if you leave");
    }
    chat.press("ctrl-d");
    assert!(chat.asked().contains(&Effect::Quit));
}

/// What the service answers now to everything that was requested.
fn answers(chat: &mut Chat) -> Vec<Answer> {
    let asked = chat.asked();
    asked.iter().filter_map(|effect| chat.answer(effect)).collect()
}

fn deliver(chat: &mut Chat, answers: Vec<Answer>) {
    for answer in answers {
        chat.tell(Event::Answer(answer));
    }
}
