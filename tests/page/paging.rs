//! The page loads a part of a long history at a time: the document stays small, no row is left out, and nothing jumps.

use crate::browser::{Driver, key};
use crate::members::{GROUP, Member};
use crate::support::Desk;

const MESSAGES: usize = 100_000;
/// As in `timeline.js`.
const ROWS_MAX: u64 = 320;

#[test]
fn a_hundred_thousand_messages_are_scrolled_through() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let lines: String = (0..MESSAGES)
        .map(|number| {
            let (hours, minutes) = (number / 60 % 24, number % 60);
            let day = 1 + number / 1440 % 28;
            let month = 1 + number / 1440 / 28;
            let at = format!("20{:02}-{month:02}-{day:02}T{hours:02}:{minutes:02}:00Z", 20);
            let tail = "and more of it ".repeat(number % 7);
            format!(
                "{{\"at\":\"{at}\",\"author\":\"writer {}\",\"body\":\"message {number} of many {tail}\"}}\n",
                number % 50
            )
        })
        .collect();
    let file = anna.file("long.jsonl", lines);
    let done = anna.run(&["import", GROUP, &file]);
    assert_eq!(done.code, 0, "{done:?}");
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    desk.until(&format!(
        "document.querySelector('#history li:last-child')?.textContent.includes('message {} ')",
        MESSAGES - 1
    ));
    assert!(desk.count("#history li") <= ROWS_MAX);

    // Up through a thousand messages, in steps as a wheel makes them. A message that is on screen before and after a
    // step must move by exactly that step.
    let report = desk.run_async(
        r#"
        const [rowsMax] = given;
        const scroller = document.getElementById('scroller');
        const list = document.getElementById('history');
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        const number = (item) => Number(/message (\d+)/.exec(item.querySelector('.body').textContent)?.[1]);
        const seen = new Set();
        let most = 0, jumps = [], gaps = 0, slowest = 0;
        for (let turn = 0; seen.size < 1200 && turn < 4000; turn += 1) {
            const items = [...list.children];
            most = Math.max(most, items.length);
            const numbers = items.map(number).filter((value) => !Number.isNaN(value));
            for (let place = 1; place < numbers.length; place += 1) if (numbers[place] !== numbers[place - 1] + 1) gaps += 1;
            numbers.forEach((value) => seen.add(value));
            const edge = scroller.getBoundingClientRect();
            const item = items.find((candidate) => candidate.querySelector('.message').getBoundingClientRect().top > edge.top + 20);
            const { id } = item.dataset;
            const before = item.querySelector('.message').getBoundingClientRect().top;
            const step = Math.min(240, scroller.scrollTop);
            if (step === 0) { await frame(); continue; }
            const start = performance.now();
            scroller.scrollTop -= step;
            await frame();
            await frame();
            slowest = Math.max(slowest, performance.now() - start);
            // The element may have been replaced: the topmost row of the window loses its day when rows come above it.
            const after = list.querySelector(`[data-id="${id}"] .message`);
            const moved = after ? after.getBoundingClientRect().top - before : NaN;
            if (!(Math.abs(moved - step) <= 2)) jumps.push([turn, step, moved]);
        }
        return { most, jumps, gaps, seen: seen.size, slowest };
        "#,
        &[ROWS_MAX.into()],
    );
    eprintln!("{report}");
    assert!(report["most"].as_u64().unwrap() <= ROWS_MAX, "{report}");
    assert!(report["seen"].as_u64().unwrap() >= 1200, "{report}");
    assert_eq!((&report["gaps"], &report["jumps"]), (&0.into(), &serde_json::json!([])), "{report}");

    // To the first message and back, by one key each.
    desk.run("document.getElementById('scroller').focus()");
    desk.press(&[key::HOME]);
    desk.until("document.getElementById('scroller').scrollTop === 0 && [...document.querySelectorAll('#history .body')].some((body) => body.textContent.startsWith('message 0 '))");
    desk.press(&[key::END]);
    desk.until(&format!(
        "document.querySelector('#history li:last-child')?.textContent.includes('message {} ')",
        MESSAGES - 1
    ));
    assert!(desk.count("#history li") <= ROWS_MAX);

    // A search leads into the middle, and the button from there to the end.
    desk.click("#open-search");
    desk.type_in("51234");
    desk.until("document.querySelectorAll('.hit').length === 1 && document.querySelector('.hit').textContent.includes('51234')");
    desk.click(".hit");
    desk.until("document.querySelector('.message.target')?.textContent.includes('message 51234 ')");
    assert!(!desk.run("return document.getElementById('new-pill').hidden").as_bool().unwrap());
    desk.click("#new-pill");
    desk.until(&format!(
        "document.querySelector('#history li:last-child')?.textContent.includes('message {} ')",
        MESSAGES - 1
    ));
    desk.is_sound();
}

#[test]
fn new_messages_below_the_screen_are_counted_and_move_nothing() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    let lines: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    ben.send_lines(&lines);
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    desk.sees("line 199");
    // The page scrolls to the first unread message by itself.
    desk.until("document.querySelector('.unread-line') !== null");
    desk.run("const scroller = document.getElementById('scroller'); scroller.scrollTop = scroller.scrollHeight - 2000");
    desk.until("!document.getElementById('new-pill').hidden");
    let place = "(() => { const item = [...document.querySelectorAll('#history .message')].find((message) => message.getBoundingClientRect().top > 200); return [item.textContent, item.getBoundingClientRect().top] })()";
    let before = desk.run(&format!("return {place}"));
    let more: Vec<String> = (0..7).map(|number| format!("meanwhile {number}")).collect();
    ben.send_lines(&more);
    desk.until("document.getElementById('new-pill').textContent.startsWith('7 new')");
    assert_eq!(desk.run(&format!("return {place}")), before);
    desk.click("#new-pill");
    desk.sees("meanwhile 6");
    desk.until("document.getElementById('new-pill').hidden");
    desk.is_sound();
}
