//! When the peer is killed, the page reloaded or an answer lost, every message is stored once.

use crate::browser::Driver;
use crate::members::{GROUP, Member};
use crate::support::Desk;

#[test]
fn a_killed_peer_and_a_reload_lose_nothing() {
    let Some(driver) = Driver::start() else { return };
    let mut anna = Member::in_group("anna", None);
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    desk.say("before");
    desk.sees("before");

    anna.kill();
    desk.until("document.getElementById('mesh').dataset.state === 'gone'");
    for number in 0..3 {
        desk.say(&format!("while it is gone {number}"));
    }
    desk.until("document.querySelectorAll('#outbox li').length === 3");
    desk.until("document.getElementById('notice').textContent.includes('3 messages wait')");
    desk.click("#composer-text");
    desk.type_in("half a thou");

    anna.start();
    desk.until("document.getElementById('mesh').dataset.state === 'alone'");
    desk.until("document.querySelectorAll('#outbox li').length === 0");
    let wanted = ["before", "while it is gone 0", "while it is gone 1", "while it is gone 2"];
    desk.sees(wanted[3]);
    assert_eq!(desk.bodies(), wanted);
    assert_eq!(anna.bodies(GROUP), wanted);

    // Messages that wait, and the draft, are still there after a reload.
    anna.kill();
    desk.until("document.getElementById('mesh').dataset.state === 'gone'");
    assert_eq!(desk.run("return document.getElementById('composer-text').value"), "half a thou");
    desk.type_in("ght");
    desk.run("dispatchEvent(new Event('pagehide'))");
    desk.click("#composer-text");
    let waiting = "return Object.keys(localStorage).filter((key) => key.includes(':outbox:')).length";
    assert_eq!(desk.run(waiting), 0);
    desk.press(&[crate::browser::key::ENTER]);
    desk.until("document.querySelectorAll('#outbox li').length === 1");
    desk.type_in("and a draft");
    desk.run("dispatchEvent(new Event('pagehide'))");
    assert_eq!(desk.run(waiting), 1);
    anna.start();
    desk.reload();
    desk.sees("half a thought");
    desk.until("document.getElementById('composer-text').value === 'and a draft'");
    let rows = anna.bodies(GROUP);
    assert_eq!(rows.iter().filter(|body| *body == "half a thought").count(), 1, "{rows:?}");
    desk.until("Object.keys(localStorage).every((key) => !key.includes(':outbox:'))");
    desk.until("document.querySelectorAll('#outbox li').length === 0");
}

#[test]
fn an_answer_that_is_lost_does_not_double_the_message() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    // The peer handles the first request, but the page does not get the answer.
    desk.run(
        "const real = window.fetch;
         let lost = 0;
         window.fetch = async (path, request) => {
             const answer = await real(path, request);
             if (String(path).endsWith('/messages') && lost++ === 0) throw new TypeError('lost');
             return answer;
         };
         window.lostAnswers = () => lost;",
    );
    desk.say("only once");
    desk.until("lostAnswers() >= 2 && document.querySelectorAll('#outbox li').length === 0");
    desk.sees("only once");
    assert_eq!(desk.bodies(), ["only once"]);
    assert_eq!(anna.bodies(GROUP), ["only once"]);
}
