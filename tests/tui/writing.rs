//! Writing: messages, replies, commands, completion.

use peer::api::Row;
use peer::tui::{Effect, Event};

use crate::support::{ANNA, BOB, Chat, id, name, row, talk};

/// The bodies of the messages to send.
fn sent(chat: &mut Chat) -> Vec<String> {
    let bodies = chat.asked().into_iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(message.body),
        _ => None,
    });
    bodies.collect()
}

#[test]
fn enter_sends_and_alt_enter_breaks_the_line() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("one");
    chat.press("alt-enter");
    chat.write("two");
    chat.press("enter");
    assert_eq!(sent(&mut chat), ["one\ntwo"]);
    assert!(chat.state.editor.is_empty());
    chat.press("up");
    assert_eq!(chat.state.editor.text(), "one\ntwo");
}

#[test]
fn a_paste_is_never_sent_by_itself() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.tell(Event::Paste("rm -rf /\r\nrm -rf ~\r\n\x1b[201~".to_owned()));
    assert!(sent(&mut chat).is_empty());
    assert_eq!(chat.state.editor.text(), "rm -rf /\nrm -rf ~\n[201~");
    assert!(chat.screen().contains("1 control characters were left out"));
}

#[test]
fn a_slash_is_doubled_to_be_sent_and_an_unknown_command_is_kept() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("//etc");
    chat.press("enter");
    chat.write("/me waves");
    chat.press("enter");
    assert_eq!(sent(&mut chat), ["/etc", "/me waves"]);
    chat.write("/jion go");
    chat.press("enter");
    assert!(chat.screen().contains("did you mean /join?"), "{}", chat.screen());
    assert_eq!(chat.state.editor.text(), "/jion go");
}

#[test]
fn commands_become_effects() {
    for (line, effect) in [
        ("/join go", Effect::Join(name("go"))),
        ("/create go", Effect::Create(name("go"))),
        ("/leave", Effect::Leave(name("rust"))),
        (
            "/topic borrow checking",
            Effect::SetTopic { group: name("rust"), topic: "borrow checking".to_owned() },
        ),
        ("/nick carla", Effect::SetName("carla".to_owned())),
        ("/export out.jsonl", Effect::Export { group: name("rust"), file: "out.jsonl".into() }),
        ("/invite ticket.txt", Effect::WriteTicket("ticket.txt".into())),
        ("/quit", Effect::Quit),
    ] {
        let mut chat = Chat::with(80, 14, talk(3));
        chat.write(line);
        chat.press("enter");
        assert_eq!(chat.asked(), [effect], "{line}");
    }
}

#[test]
fn a_ticket_is_shown_only_after_a_warning() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("/invite");
    chat.press("enter");
    assert!(chat.screen().contains("Show it to nobody else") && !chat.screen().contains("peer1secret"));
    chat.press("esc");
    chat.write("/invite");
    chat.press("enter enter");
    assert!(chat.screen().contains("peer1secret"), "{}", chat.screen());
    chat.press("esc");
    assert!(!chat.screen().contains("peer1secret"));
}

#[test]
fn a_reply_picks_its_message() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.write("/reply");
    chat.press("enter up");
    assert_eq!(chat.state.selection, Some(id(2)));
    chat.press("enter");
    assert!(chat.screen().contains("↳ reply to bob: message 2"), "{}", chat.screen());
    chat.write("indeed");
    chat.press("enter");
    let asked = chat.asked();
    let Effect::Send { message, .. } = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((message.re, message.body.as_str()), (Some(id(2)), "indeed"));
    chat.arrives(Row { re: Some(id(2)), ..row(4, ANNA, "so it is") });
    assert!(chat.screen().contains("↳ bob: message 2"), "{}", chat.screen());
    // Esc drops a reply.
    chat.press("alt-s enter esc");
    assert_eq!(chat.state.room().unwrap().reply, None);
}

#[test]
fn an_id_can_be_taken_along() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.press("alt-s y ctrl-y");
    assert_eq!(chat.state.editor.text(), id(3).to_string());
}

#[test]
fn tab_completes_commands_groups_and_names() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.add("haskell", Vec::new());
    chat.group("haskell").joined = false;
    chat.feed(peer::api::What::Groups);
    for (start, completed) in [
        ("/cr", "/create "),
        ("/join ha", "/join haskell"),
        ("/leave r", "/leave rust"),
        ("an", "anna: "),
        ("hi bo", "hi bob "),
        ("hi @an", "hi @anna "),
        ("see #ru", "see #rust "),
        ("/whois B", "/whois bob"),
        ("nothing", "nothing"),
    ] {
        chat.write(start);
        chat.press("tab");
        assert_eq!(chat.state.editor.text(), completed, "{start}");
        chat.press("ctrl-u");
    }
}

#[test]
fn tab_goes_through_the_options() {
    let mut chat = Chat::with(80, 14, vec![row(1, ANNA, "hi"), row(2, BOB, "ho")]);
    chat.write("/n");
    chat.press("tab");
    assert_eq!(chat.state.editor.text(), "/names");
    assert!(chat.screen().contains("/names  /nick"), "{}", chat.screen());
    chat.press("tab");
    assert_eq!(chat.state.editor.text(), "/nick ");
    chat.press("backtab");
    assert_eq!(chat.state.editor.text(), "/names");
    chat.write("x");
    assert!(!chat.screen().contains("/names  /nick"));
}

#[test]
fn two_people_of_one_name_are_told_apart() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.people.push(crate::support::user(peer_engine::id::PeerId([0xEE; 32]), "anna", true));
    chat.feed(peer::api::What::Users);
    assert!(chat.screen().contains("anna~a1a1"), "{}", chat.screen());
    chat.write("/whois anna");
    chat.press("enter");
    assert!(chat.screen().contains("2 people are called anna"), "{}", chat.screen());
}
