//! After a partition, messages from the other side are shown in their place and marked as late.

use crate::browser::Driver;
use crate::members::{GROUP, Member, full_mesh, until};
use crate::support::Desk;

#[test]
fn a_late_message_is_marked_and_a_button_leads_to_it() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    anna.run(&["send", GROUP, "before the cut"]).ok();
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    desk.sees("before the cut");
    desk.until("document.getElementById('mesh').dataset.state === 'level'");

    anna.proxy.cut();
    ben.proxy.cut();
    desk.until("document.getElementById('mesh').dataset.state === 'alone'");
    desk.until("document.getElementById('notice').textContent.startsWith('You are alone')");
    until("ben is alone", || ben.links().is_empty());
    ben.run(&["send", GROUP, "from the other side"]).ok();
    let lines: Vec<String> = (0..60).map(|number| format!("on this side {number}")).collect();
    anna.send_lines(&lines);
    desk.say("written alone");
    desk.sees("written alone");
    desk.until("document.querySelector('.own:last-of-type .delivery.alone, li:last-child .delivery.alone')");

    anna.proxy.heal();
    ben.proxy.heal();
    desk.until("document.getElementById('mesh').dataset.state === 'level'");
    desk.sees("from the other side");
    desk.until("!document.getElementById('late-pill').hidden");
    assert_eq!(desk.text("#late-pill"), "1 late message ↑");
    // The page is still at the end.
    desk.until("(() => { const s = document.getElementById('scroller'); return s.scrollHeight - s.clientHeight - s.scrollTop < 2 })()");
    let bodies = desk.bodies();
    let place = |text: &str| bodies.iter().position(|body| body == text).unwrap();
    assert!(place("before the cut") < place("from the other side"));
    assert!(place("from the other side") < place("on this side 0"));
    assert_eq!(desk.count("#history .late-mark"), 1);
    desk.until("[...document.querySelectorAll('.delivery.spread')].at(-1)?.textContent === 'on 2 peers'");

    desk.click("#late-pill");
    desk.until("document.querySelector('.message.target.late')?.textContent.includes('from the other side')");
    desk.until("document.getElementById('late-pill').hidden");
    desk.is_sound();
}
