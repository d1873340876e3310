//! Two people, each with a page on a peer of their own.

use serde_json::json;

use crate::browser::{Driver, key};
use crate::members::{GROUP, Member, full_mesh};
use crate::support::Desk;

#[test]
fn two_people_talk() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::started("anna", None);
    let ben = Member::started("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    let annas = Desk::new(&driver, &anna);
    let bens = Desk::new(&driver, &ben);

    // Anna makes a group with the switcher; Ben finds it there.
    annas.press(&[key::CONTROL, 'k']);
    annas.until("document.querySelector('dialog [role=combobox]')");
    annas.type_in(GROUP);
    annas.until("document.querySelector('[role=option]')?.textContent.includes('create')");
    annas.press(&[key::ENTER]);
    annas.until("document.getElementById('group-name').textContent === 'rust'");
    bens.press(&[key::CONTROL, 'k']);
    bens.until("document.querySelector('dialog [role=combobox]')");
    bens.type_in("ru");
    bens.until("document.querySelector('[role=option]')?.textContent === 'rustjoin'");
    bens.press(&[key::ENTER]);
    bens.until("document.getElementById('group-name').textContent === 'rust'");
    annas.until("document.getElementById('history').textContent.includes('ben joined')");

    // Ben gets a message, and its author sees that two peers have it.
    annas.say("hello @ben, see https://example.org/a?b=1.");
    bens.sees("hello @ben, see https://example.org/a?b=1.");
    annas.until("document.querySelector('.delivery.spread')?.textContent === 'on 2 peers'");
    let link =
        bens.run("const a = document.querySelector('#history a'); return [a.href, a.rel, a.textContent]");
    assert_eq!(
        link,
        json!(["https://example.org/a?b=1", "noopener noreferrer nofollow", "https://example.org/a?b=1"])
    );
    bens.until("document.querySelector('.message.mention')");

    // Ben replies by keyboard; the quote in his reply leads to Anna's message.
    bens.click("#composer-text");
    bens.press(&[key::UP]);
    bens.until("document.activeElement.matches('.message')");
    bens.press(&['r']);
    bens.until("document.getElementById('reply-text').textContent.startsWith('Reply to anna: hello')");
    bens.type_in("hello anna");
    bens.press(&[key::SHIFT, key::ENTER]);
    bens.type_in("on two lines");
    bens.press(&[key::ENTER]);
    annas.sees("hello anna\non two lines");
    assert!(annas.text(".quote").contains("hello @ben"));
    annas.click(".quote");
    annas.until("document.activeElement.matches('.message.target') && document.activeElement.textContent.includes('hello @ben')");

    // The topic and the list of members.
    annas.click("#topic");
    annas.until("document.querySelector('dialog textarea')");
    annas.type_in("Ferris and friends");
    annas.click("dialog .primary");
    bens.until("document.getElementById('topic-text').textContent === 'Ferris and friends'");
    bens.click("#open-people");
    bens.until("document.querySelectorAll('.person.connected').length === 2");
    assert!(bens.text("#people").contains("you"));

    // From another group, Ben sees how much he has not read; in the group, a line marks the first unread message.
    bens.press(&[key::CONTROL, 'k']);
    bens.until("document.querySelector('dialog [role=combobox]')");
    bens.type_in("garden");
    bens.until("document.querySelector('[role=option]')?.textContent.includes('create')");
    bens.press(&[key::ENTER]);
    bens.until("document.getElementById('group-name').textContent === 'garden'");
    annas.say("one more");
    annas.say("and ben again");
    bens.until("document.querySelector('#group-list a[href=\"#/rust\"] .count:not(.mentions) [aria-hidden]')?.textContent === '2'");
    bens.until("document.querySelector('#group-list a[href=\"#/rust\"] .mentions [aria-hidden]')?.textContent === '@1'");
    assert!(bens.run("return document.title").as_str().unwrap().starts_with("(@1) garden"));
    bens.press(&[key::ALT, key::DOWN]);
    bens.until("document.querySelector('.unread-line')?.closest('li').textContent.includes('one more')");
    bens.until("!document.querySelector('#group-list .mentions')");

    // A search leads to the message.
    bens.press(&[key::ESCAPE]);
    bens.click("#open-search");
    bens.until("document.activeElement.type === 'search'");
    bens.type_in("two lin");
    bens.until("document.querySelectorAll('.hit').length === 1 && document.querySelectorAll('.hit mark').length === 2");
    bens.click(".hit");
    bens.until("document.querySelector('.message.target')?.textContent.includes('on two lines')");

    annas.is_sound();
    bens.is_sound();
}

#[test]
fn a_browser_that_is_not_signed_in_shows_how_to_sign_in() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::started("anna", None);
    let page = driver.page();
    let link = anna.run(&["open", "--print"]).ok();
    let (origin, _) = link.trim().split_once('#').unwrap();
    page.goto(origin);
    page.until("document.getElementById('welcome-text').textContent.includes('peer open')");
    page.goto("about:blank");
    page.goto(link.trim());
    page.until("document.getElementById('mesh').dataset.state === 'alone'");
    assert!(
        !page.run("return location.href").as_str().unwrap().contains("open="),
        "the code stays in the address"
    );
    page.reload();
    page.until("document.getElementById('mesh').dataset.state === 'alone'");
    page.is_sound();
}

#[test]
fn a_ticket_is_shown_only_when_asked_for() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::started("anna", None);
    let desk = Desk::new(&driver, &anna);
    desk.click("#open-invite");
    desk.until("document.querySelector('dialog')");
    let holds = || {
        desk.run("return document.documentElement.outerHTML.includes('peer1') || [...document.querySelectorAll('textarea')].some((area) => area.value.includes('peer1'))")
    };
    assert_eq!(holds(), false);
    desk.click("dialog .dialog-body .primary");
    let shown = desk.until("document.querySelector('.ticket')?.value");
    assert_eq!(shown.as_str().unwrap(), anna.run(&["invite"]).ok().trim());
    desk.until("document.querySelector('.qr').naturalWidth > 0");
    desk.press(&[key::ESCAPE]);
    desk.until("!document.querySelector('dialog')");
    assert_eq!(holds(), false);
    desk.is_sound();
}
