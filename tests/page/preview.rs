//! What was sent ahead while the rest is still on its way: shown below the newest message, and looked at only.
//!
//! The peers here have nothing to send ahead, so what the page asks for it is answered within the page.

use serde_json::{Value, json};

use crate::browser::Driver;
use crate::hostile::{PAYLOADS, shown};
use crate::members::{GROUP, Member};
use crate::support::Desk;

/// Answers with `previews[group]` of the time of asking: at once, or where `waiting` is a list, when what is in it is
/// called. `tell` is one more event of the peer's.
pub const FAKE: &str = r"
    window.previews = {};
    window.waiting = null;
    window.asked = [];
    window.read = [];
    window.arrived = [];
    const real = window.fetch;
    window.fetch = (path, request) => {
        if (path.endsWith('/read')) read.push(JSON.parse(request.body).arrival);
        // Whoever reads the end of the history again has what has arrived.
        if (/\/history\?/.test(path) && !/[?&](before|around)=/.test(path)) {
            const more = (answer) => new Response(JSON.stringify({ ...answer, entries: [...answer.entries, ...arrived] }));
            return real(path, request).then((answer) => answer.json()).then(more);
        }
        const group = /\/v1\/groups\/([^/]+)\/preview$/.exec(path)?.[1];
        if (!group) return real(path, request);
        asked.push(group);
        const answer = new Response(JSON.stringify(previews[group] ?? { from: null, entries: [] }));
        return new Promise((resolve) => (waiting ? waiting.push(() => resolve(answer)) : resolve(answer)));
    };
    window.WebSocket = class extends WebSocket {
        constructor(...given) { super(...given); window.socket = this; }
    };
    window.tell = (event) => socket.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ cursor: null, ...event }) }));
    window.preview = (group, from, entries) => {
        previews[group] = { from, entries };
        tell({ event: 'preview', group });
    };
";

const AHEAD: &str =
    "[...document.querySelectorAll('#preview:not([hidden]) .message .body')].map((body) => body.textContent)";

fn carol() -> String {
    "c".repeat(64)
}

/// A row that has not arrived, of an author whom nobody here knows.
pub fn ahead(number: usize, body: &str) -> Value {
    json!({
        "id": format!("{number:064x}"), "group": GROUP, "at": format!("2031-05-01T12:{:02}:{:02}Z", number / 60, number % 60),
        "author": carol(), "name": "carol", "from": null, "kind": "message", "body": body, "sealed": false,
        "re": null, "late": false, "arrival": 0, "mention": false, "stored_on": null,
    })
}

fn newest(count: usize) -> Vec<Value> {
    (0..count).map(|number| ahead(number, &format!("newest {number}"))).collect()
}

fn with(mut row: Value, field: &str, value: impl Into<Value>) -> Value {
    row[field] = value.into();
    row
}

impl Desk {
    /// The peer has this preview now, and tells so.
    fn sent_ahead(&self, entries: &[Value]) {
        self.call("preview(...arguments)", &[json!(GROUP), json!(carol()), json!(entries)]);
    }

    /// More of it than there is room for, and its end is on screen.
    fn is_filled(&self) {
        self.sent_ahead(&newest(50));
        self.until(&format!("{AHEAD}.length === 50"));
        self.until("document.getElementById('scroller').scrollTop > 300");
    }

    fn arrives(&self, row: Value, arrival: u64) {
        let row = with(row, "arrival", arrival);
        self.call("arrived.push(arguments[0]); tell({ event: 'entry', row: arguments[0] })", &[row]);
    }

    #[track_caller]
    fn shows_ahead(&self, texts: &[&str]) {
        self.until(&format!("JSON.stringify({AHEAD}) === JSON.stringify({})", json!(texts)));
    }
}

/// A page on a peer with three messages of its own, and the fake in it.
fn desk(driver: &Driver, anna: &Member) -> Desk {
    anna.send_lines(&["one".to_owned(), "two".to_owned(), "three".to_owned()]);
    let desk = Desk::new(driver, anna);
    desk.enter(GROUP);
    desk.sees("three");
    desk.shows_ahead(&[]);
    desk.is_sound();
    desk.beforehand(FAKE);
    desk.reload();
    desk.sees("three");
    desk.until("document.getElementById('mesh').dataset.state === 'alone' && asked.includes('rust')");
    desk
}

#[test]
fn it_stands_below_the_newest_message_until_it_is_gone() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let rows = newest(3);
    desk.sent_ahead(&rows);
    desk.shows_ahead(&["newest 0", "newest 1", "newest 2"]);
    assert_eq!(
        desk.text("#preview-title"),
        "The newest messages, sent ahead by cccccccc. What comes before them is still on its way."
    );
    assert_eq!(desk.bodies(), ["one", "two", "three"], "it is no part of the history");
    assert_eq!(
        desk.run("return [...document.getElementById('scroller').children].map((child) => child.id)"),
        json!(["beginning", "history", "preview", "outbox"]),
        "own messages that wait are below it"
    );

    // What arrives takes its place in the history and leaves the preview, without another word of the peer.
    desk.arrives(rows[0].clone(), 1000);
    desk.sees("newest 0");
    desk.shows_ahead(&["newest 1", "newest 2"]);
    desk.sent_ahead(&[]);
    desk.until("document.getElementById('preview').hidden && document.getElementById('preview-list').children.length === 0");
    assert_eq!(desk.bodies(), ["one", "two", "three", "newest 0"]);
    desk.is_sound();
}

#[test]
fn it_is_asked_for_anew_after_a_break_and_an_old_answer_is_not_shown() {
    let Some(driver) = Driver::start() else { return };
    let mut anna = Member::in_group("anna", None);
    anna.run(&["groups", "create", "garden"]).ok();
    let desk = desk(&driver, &anna);

    // It changes twice while it is on its way: the last one is what stays.
    desk.run("window.waiting = []");
    desk.sent_ahead(&newest(1));
    desk.sent_ahead(&newest(2));
    desk.sent_ahead(&newest(3));
    desk.until("waiting.length === 1");
    desk.run("waiting.shift()()");
    desk.shows_ahead(&["newest 0"]);
    desk.until("waiting.length === 1");
    desk.run("waiting.shift()()");
    desk.shows_ahead(&["newest 0", "newest 1", "newest 2"]);

    // It is on its way when one goes to another group, and when one has come back.
    desk.sent_ahead(&[ahead(70, "too old")]);
    desk.until("waiting.length === 1");
    desk.enter("garden");
    desk.until("waiting.length === 2");
    desk.run("waiting.shift()()");
    desk.run("previews.rust.entries = []");
    desk.run("waiting.shift()()");
    desk.until("!document.getElementById('beginning').hidden");
    assert_eq!(desk.run(&format!("return {AHEAD}")), json!([]));
    desk.enter(GROUP);
    desk.sees("three");
    desk.until("waiting.length === 1");
    assert_eq!(desk.run(&format!("return {AHEAD}")), json!([]));
    desk.run("waiting.shift()(); waiting = null");

    desk.call("previews.rust.entries = arguments[0]", &[json!(newest(2))]);
    desk.run("tell({ event: 'resync' })");
    desk.shows_ahead(&["newest 0", "newest 1"]);
    anna.kill();
    desk.until("document.getElementById('mesh').dataset.state === 'gone'");
    desk.call("previews.rust.entries = arguments[0]", &[json!(newest(1))]);
    anna.start();
    desk.shows_ahead(&["newest 0"]);
    desk.is_sound();
}

#[test]
fn it_is_not_answered_not_read_and_not_read_out() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let own = with(ahead(2, "newest 2"), "author", anna.key());
    let rows = [
        with(ahead(0, "newest 0"), "arrival", 9000),
        with(ahead(1, "newest 1"), "re", ahead(0, "")["id"].clone()),
        with(own, "stored_on", 3),
    ];
    desk.sent_ahead(&rows);
    desk.shows_ahead(&["newest 0", "newest 1", "newest 2"]);
    assert_eq!(desk.count("#preview .tools, #preview .delivery, #preview .unread-line"), 0);
    assert!(desk.text("#preview .quote").contains("newest 0"), "what it answers is here");
    desk.click("#preview li:nth-child(1) .body");
    for keys in ["r", "d"] {
        desk.type_in(keys);
        desk.until("new Promise(requestAnimationFrame)");
    }
    assert_eq!(desk.count("#reply-to:not([hidden]), dialog[open]"), 0);
    // Keys walk through the history alone.
    desk.type_in("k");
    desk.until("document.activeElement.closest('#history li')?.textContent.includes('three')");
    desk.type_in("j");
    desk.until("document.activeElement.closest('#history li')?.textContent.includes('three')");
    assert_eq!(desk.text("#announcer"), "");
    assert_eq!(desk.run("return read.filter((arrival) => arrival >= 9000)"), json!([]));
    assert_eq!(
        desk.run("const section = document.getElementById('preview'); return [section.tagName, document.getElementById(section.getAttribute('aria-labelledby')).id]"),
        json!(["SECTION", "preview-title"])
    );
    desk.is_sound();
}

#[test]
fn who_reads_it_is_not_moved_by_what_arrives_above() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let rows: Vec<Value> = (0..50).map(|number| ahead(1000 + number, &format!("newest {number}"))).collect();
    desk.sent_ahead(&rows);
    desk.until(&format!("{AHEAD}.length === 50"));
    desk.until("document.getElementById('scroller').scrollTop > 300");
    desk.run("document.getElementById('scroller').scrollTop -= 200");
    desk.until("!document.getElementById('new-pill').hidden");
    let place = "return document.querySelector('#preview li:nth-last-child(15)').getBoundingClientRect().top";
    let before = desk.run(place);
    for number in 0..400 {
        desk.arrives(ahead(number, &format!("between {number}")), 1000 + u64::try_from(number).unwrap());
    }
    desk.sees("between 399");
    desk.arrives(rows[0].clone(), 2000);
    desk.sees("newest 0");
    desk.until(&format!("{AHEAD}.length === 49"));
    assert_eq!(desk.run(place), before);
    assert_eq!(desk.text("#new-pill"), "Newest ↓");
    desk.click("#new-pill");
    desk.until("document.getElementById('new-pill').hidden");
    desk.is_sound();
}

#[test]
fn where_it_fills_the_screen_what_it_is_still_stands_above_it() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    desk.is_filled();
    let top = |id: &str| {
        desk.run(&format!("return document.getElementById('{id}').getBoundingClientRect().top"))
            .as_f64()
            .unwrap()
    };
    assert!(
        (top("preview-title") - top("scroller")).abs() <= 1.0,
        "{} {}",
        top("preview-title"),
        top("scroller")
    );
    assert!(top("preview") < top("scroller") - 100.0, "it does not fill the screen");
    desk.is_sound();
}

#[test]
fn an_own_message_stays_on_screen_when_it_is_stored() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    desk.is_filled();
    desk.say("said meanwhile");
    let row = "[...document.querySelectorAll('#history .message')].find((row) => row.textContent.includes('said meanwhile'))";
    desk.until(row);
    let seen = "(() => { const at = ROW.getBoundingClientRect(), frame = document.getElementById('scroller').getBoundingClientRect();
        return at.top >= frame.top && at.bottom <= frame.bottom + 1; })()";
    desk.until(&seen.replace("ROW", row));
    desk.is_sound();
}

#[test]
fn nothing_in_it_runs() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let fields = ["body", "name", "from", "kind"];
    for field in fields {
        let rows: Vec<Value> = PAYLOADS
            .iter()
            .enumerate()
            .map(|(number, text)| with(ahead(number, text), field, *text))
            .collect();
        desk.sent_ahead(&rows);
        desk.until(&format!("{AHEAD}.length === {}", PAYLOADS.len()));
        if field == "body" {
            let texts: Vec<String> = PAYLOADS.iter().map(|text| shown(text)).collect();
            assert_eq!(desk.run(&format!("return {AHEAD}")), json!(texts));
        }
        desk.sent_ahead(&[]);
        desk.shows_ahead(&[]);
    }
    // Whatever the peer says of who sent it.
    for text in PAYLOADS {
        desk.call("preview(...arguments)", &[json!(GROUP), json!(text), json!(newest(1))]);
        desk.until("!document.getElementById('preview').hidden");
    }
    let markup = desk.run("return document.querySelectorAll('script:not([src^=\"/js/\"]), iframe, object, embed, base, style, video, svg, math, form[action], [onerror], [onload], [onfocus], [onmouseover]').length");
    assert_eq!(markup, 0);
    desk.is_sound();
}
