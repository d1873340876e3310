//! The preview: the newest messages of a group that is still being fetched, shown below the history and not part of it.
//!
//! The peers here have nothing to fetch, so the page gets its previews from a fake within the page.

use serde_json::{Value, json};

use crate::browser::Driver;
use crate::hostile::{PAYLOADS, shown};
use crate::members::{GROUP, Member};
use crate::support::Desk;

/// Answers requests for a preview with `previews[group]`, as it was when the request came: at once, or if `waiting` is a
/// list, when its function in that list is called. `tell` makes the page handle an event of the peer. The other lists
/// note what the page requests: previews, pages of history and read marks.
pub const FAKE: &str = r"
    window.previews = {};
    window.waiting = null;
    window.asked = [];
    window.pages = [];
    window.read = [];
    const real = window.fetch;
    window.fetch = (path, request) => {
        if (path.endsWith('/read')) read.push(JSON.parse(request.body).arrival);
        if (path.includes('/history?')) pages.push(path);
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

const PREVIEWED: &str =
    "[...document.querySelectorAll('#preview:not([hidden]) .message .body')].map((body) => body.textContent)";

fn carol() -> String {
    "c".repeat(64)
}

/// 2031-05-01T12:00:00Z, in milliseconds.
const NOON: usize = 1_935_403_200_000;

/// A row by an author whom no peer here knows, a second after the one with the number before.
pub fn row(number: usize, body: &str) -> Value {
    json!({
        "id": format!("{number:064x}"), "group": GROUP, "at": format!("2031-05-01T12:{:02}:{:02}Z", number / 60, number % 60),
        "eff": NOON + 1000 * number, "author": carol(), "name": "carol", "from": null, "kind": "message", "body": body, "sealed": false,
        "re": null, "late": false, "arrival": 0, "mention": false, "stored_on": null,
    })
}

fn previewed(count: usize) -> Vec<Value> {
    (0..count).map(|number| row(number, &format!("previewed {number}"))).collect()
}

fn with(mut row: Value, field: &str, value: impl Into<Value>) -> Value {
    row[field] = value.into();
    row
}

impl Desk {
    /// The peer has this preview from now on, and tells the page.
    fn has_preview(&self, entries: &[Value]) {
        self.call("preview(...arguments)", &[json!(GROUP), json!(carol()), json!(entries)]);
    }

    /// Shows a preview that is longer than the screen, scrolled to its end.
    fn fill_screen(&self) {
        self.has_preview(&previewed(50));
        self.until(&format!("{PREVIEWED}.length === 50"));
        self.until("document.getElementById('scroller').scrollTop > 300");
    }

    fn arrives(&self, row: Value, arrival: u64) {
        let row = with(row, "arrival", arrival);
        self.call("tell({ event: 'entry', row: arguments[0] })", &[row]);
    }

    #[track_caller]
    fn shows_preview(&self, texts: &[&str]) {
        self.until(&format!("JSON.stringify({PREVIEWED}) === JSON.stringify({})", json!(texts)));
    }
}

/// A page with the fake, on a peer with three messages of its own.
pub fn desk(driver: &Driver, anna: &Member) -> Desk {
    anna.send_lines(&["one".to_owned(), "two".to_owned(), "three".to_owned()]);
    let desk = Desk::new(driver, anna);
    desk.enter(GROUP);
    desk.sees("three");
    desk.shows_preview(&[]);
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
    let rows = previewed(3);
    desk.has_preview(&rows);
    desk.shows_preview(&["previewed 0", "previewed 1", "previewed 2"]);
    assert_eq!(
        desk.text("#preview-title"),
        "Preview from cccccccc: the newest messages. Those before them are still being fetched."
    );
    assert_eq!(desk.bodies(), ["one", "two", "three"], "it is not part of the history");
    assert_eq!(
        desk.run("return [...document.getElementById('scroller').children].map((child) => child.id)"),
        json!(["beginning", "history", "preview", "outbox"]),
        "own messages that wait are below it"
    );

    // A row that arrives moves from the preview to the history without a further event.
    desk.arrives(rows[0].clone(), 1000);
    desk.sees("previewed 0");
    desk.shows_preview(&["previewed 1", "previewed 2"]);
    desk.has_preview(&[]);
    desk.until("document.getElementById('preview').hidden && document.getElementById('preview-list').children.length === 0");
    assert_eq!(desk.bodies(), ["one", "two", "three", "previewed 0"]);
    desk.is_sound();
}

#[test]
fn it_is_fetched_again_after_a_break_and_an_old_answer_is_not_shown() {
    let Some(driver) = Driver::start() else { return };
    let mut anna = Member::in_group("anna", None);
    anna.run(&["groups", "create", "garden"]).ok();
    let desk = desk(&driver, &anna);

    // It changes twice while it is being fetched: the last one stays.
    desk.run("window.waiting = []");
    desk.has_preview(&previewed(1));
    desk.has_preview(&previewed(2));
    desk.has_preview(&previewed(3));
    desk.until("waiting.length === 1");
    desk.run("waiting.shift()()");
    desk.shows_preview(&["previewed 0"]);
    desk.until("waiting.length === 1");
    desk.run("waiting.shift()()");
    desk.shows_preview(&["previewed 0", "previewed 1", "previewed 2"]);

    // It is still being fetched when the page goes to another group and comes back.
    desk.has_preview(&[row(70, "too old")]);
    desk.until("waiting.length === 1");
    desk.enter("garden");
    desk.until("waiting.length === 2");
    desk.run("waiting.shift()()");
    desk.run("previews.rust.entries = []");
    desk.run("waiting.shift()()");
    desk.until("!document.getElementById('beginning').hidden");
    assert_eq!(desk.run(&format!("return {PREVIEWED}")), json!([]));
    desk.enter(GROUP);
    desk.sees("three");
    desk.until("waiting.length === 1");
    assert_eq!(desk.run(&format!("return {PREVIEWED}")), json!([]));
    desk.run("waiting.shift()(); waiting = null");

    desk.call("previews.rust.entries = arguments[0]", &[json!(previewed(2))]);
    desk.run("tell({ event: 'resync' })");
    desk.shows_preview(&["previewed 0", "previewed 1"]);
    anna.kill();
    desk.until("document.getElementById('mesh').dataset.state === 'gone'");
    desk.call("previews.rust.entries = arguments[0]", &[json!(previewed(1))]);
    anna.start();
    desk.shows_preview(&["previewed 0"]);
    desk.is_sound();
}

#[test]
fn it_cannot_be_answered_and_is_neither_marked_as_read_nor_read_out() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let own = with(row(2, "previewed 2"), "author", anna.key());
    let rows = [
        with(row(0, "previewed 0"), "arrival", 9000),
        with(row(1, "previewed 1"), "re", row(0, "")["id"].clone()),
        with(own, "stored_on", 3),
    ];
    desk.has_preview(&rows);
    desk.shows_preview(&["previewed 0", "previewed 1", "previewed 2"]);
    assert_eq!(desk.count("#preview .tools, #preview .delivery, #preview .unread-line"), 0);
    assert!(desk.text("#preview .quote").contains("previewed 0"), "the quoted row is in the preview");
    desk.click("#preview li:nth-child(1) .body");
    for keys in ["r", "d"] {
        desk.type_in(keys);
        desk.until("new Promise(requestAnimationFrame)");
    }
    assert_eq!(desk.count("#reply-to:not([hidden]), dialog[open]"), 0);
    // Keys move through the history only.
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
fn it_does_not_move_when_rows_arrive_above() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let rows: Vec<Value> = (0..50).map(|number| row(1000 + number, &format!("previewed {number}"))).collect();
    desk.has_preview(&rows);
    desk.until(&format!("{PREVIEWED}.length === 50"));
    desk.until("document.getElementById('scroller').scrollTop > 300");
    desk.run("document.getElementById('scroller').scrollTop -= 200");
    desk.until("!document.getElementById('new-pill').hidden");
    let place = "return document.querySelector('#preview li:nth-last-child(15)').getBoundingClientRect().top";
    let before = desk.run(place);
    for number in 0..400 {
        desk.arrives(row(number, &format!("between {number}")), 1000 + u64::try_from(number).unwrap());
    }
    desk.sees("between 399");
    desk.arrives(rows[0].clone(), 2000);
    desk.sees("previewed 0");
    desk.until(&format!("{PREVIEWED}.length === 49"));
    assert_eq!(desk.run(place), before);
    assert_eq!(desk.text("#new-pill"), "Newest ↓");
    desk.click("#new-pill");
    desk.until("document.getElementById('new-pill').hidden");
    desk.is_sound();
}

#[test]
fn its_title_stays_on_screen_when_it_is_longer_than_the_screen() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    desk.fill_screen();
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
    desk.fill_screen();
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
    let fields = ["body", "name", "from", "kind", "says"];
    for field in fields {
        let rows: Vec<Value> =
            PAYLOADS.iter().enumerate().map(|(number, text)| with(row(number, text), field, *text)).collect();
        desk.has_preview(&rows);
        desk.until(&format!("{PREVIEWED}.length === {}", PAYLOADS.len()));
        if field == "body" {
            let texts: Vec<String> = PAYLOADS.iter().map(|text| shown(text)).collect();
            assert_eq!(desk.run(&format!("return {PREVIEWED}")), json!(texts));
        }
        desk.has_preview(&[]);
        desk.shows_preview(&[]);
    }
    // The peer that it is from.
    for text in PAYLOADS {
        desk.call("preview(...arguments)", &[json!(GROUP), json!(text), json!(previewed(1))]);
        desk.until("!document.getElementById('preview').hidden");
    }
    let markup = desk.run("return document.querySelectorAll('script:not([src^=\"/js/\"]), iframe, object, embed, base, style, video, svg, math, form[action], [onerror], [onload], [onfocus], [onmouseover]').length");
    assert_eq!(markup, 0);
    desk.is_sound();
}
