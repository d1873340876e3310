//! Other people's text stays text in every field of the page: it runs no script, its links lead where they say, and
//! invisible characters are shown.

use serde_json::{Value, json};

use crate::browser::{Driver, key};
use crate::members::{GROUP, Member, full_mesh};
use crate::support::Desk;

/// Each is harmful if the page takes it for markup, an attribute, a script, a style or an address; most call `alert`.
pub const PAYLOADS: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<iframe src=javascript:parent.alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<math><mtext></p><img src=x onerror=alert(1)></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)' x='",
    "\" autofocus onfocus=\"alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "http://x.example/\"onmouseover=alert(1)//",
    "https://x.example/'><img/src/onerror=alert(1)>",
    "https://user:pass@evil.example/",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<style>@import 'http://evil.example/'</style>",
    "<link rel=stylesheet href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=http://evil.example/>",
    "<form action=http://evil.example/><button>x</button></form>",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<scr\u{200b}ipt>alert(1)</script>",
    "__proto__",
    "constructor",
    "-->'\"/></sCript><svG x=\">\" onload=(co\\u006efirm)``>",
    "<img src=\"http://evil.example/track.png\">",
    "[x](javascript:alert(1))",
];

#[test]
fn nothing_that_others_write_runs() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);

    // Bodies, and names of people for whom a member relays.
    let rows: String = PAYLOADS
        .iter()
        .map(|text| json!({"at": "2024-05-01T12:00:00Z", "author": text, "body": text}).to_string() + "\n")
        .collect();
    let file = ben.file("payloads.jsonl", rows);
    ben.run(&["import", GROUP, &file]);
    for text in PAYLOADS {
        ben.run(&["send", GROUP, "--", text]).ok();
    }
    let mut wanted: Vec<String> = PAYLOADS.iter().map(|text| shown(text)).collect();
    wanted.extend(wanted.clone());
    let bodies = "document.querySelectorAll('#history .message:not(.system) .body')";
    desk.until(&format!("{bodies}.length >= {}", wanted.len()));
    let bodies = desk.bodies();
    assert_eq!(bodies, wanted, "every body is shown as it is");
    let relayed = desk.run("return [...document.querySelectorAll('.relay')].map((name) => name.textContent)");
    for text in PAYLOADS {
        assert!(relayed.as_array().unwrap().contains(&json!(shown(text))), "{text}");
    }

    // Display names and topics, while the list of members is open.
    desk.click("#open-people");
    for text in PAYLOADS {
        if ben.run(&["name", text]).code == 0 {
            desk.until(&format!(
                "[...document.querySelectorAll('#people .author')].some((name) => name.textContent === {})",
                json!(shown(text))
            ));
        }
        if ben.run(&["groups", "topic", GROUP, text]).code == 0 {
            desk.until(&format!(
                "document.getElementById('topic-text').textContent === {}",
                json!(shown(text))
            ));
        }
    }
    desk.press(&[key::ALT, 't']);
    desk.until("document.querySelector('dialog textarea')");
    desk.press(&[key::ESCAPE]);

    // Searches, and what they find.
    desk.click("#open-search");
    for text in PAYLOADS {
        desk.call("const field = document.querySelector('#side-body input[type=search]'); field.value = arguments[0]; field.dispatchEvent(new Event('input'));", &[json!(text)]);
        desk.until("document.querySelectorAll('#hits *').length > 0");
    }
    // Names of groups, which the page refuses.
    desk.press(&[key::CONTROL, 'k']);
    for text in PAYLOADS {
        desk.call("const field = document.querySelector('[role=combobox]'); field.value = arguments[0]; field.dispatchEvent(new Event('input'));", &[json!(text)]);
    }
    desk.press(&[key::ESCAPE]);

    // The dialog with the details of a message.
    let id = desk.run("return [...document.querySelectorAll('#history .message')].findLast((message) => !message.matches('.system')).closest('li').dataset.id");
    desk.run_async(
        "document.querySelector(`li[data-id=\"${given[0]}\"] .tools button:last-child`).click()",
        &[id],
    );
    desk.until("document.querySelector('dialog .facts')");
    desk.press(&[key::ESCAPE]);

    // Addresses of the page in a link from somebody else.
    for hash in [
        "#/<img src=x onerror=alert(1)>",
        "#/rust/'-alert(1)-'",
        "#open=<script>",
        "#/__proto__",
        "#/constructor",
    ] {
        desk.call("location.hash = arguments[0]", &[json!(hash)]);
        desk.until("new Promise(requestAnimationFrame)");
    }
    desk.call("location.hash = '#/rust'", &[]);
    desk.sees(&shown(PAYLOADS[0]));

    let links = desk
        .run("return [...document.links].map((link) => [link.protocol, link.host, link.rel, link.target])");
    for link in links.as_array().unwrap() {
        let own = link[1].as_str().unwrap().starts_with("127.0.0.1");
        let web = link[0] == "http:" || link[0] == "https:";
        assert!(
            own || (web
                && link[2] == "noopener noreferrer nofollow"
                && link[3] == "_blank"
                && [json!("x.example"), json!("evil.example")].contains(&link[1])),
            "{link}"
        );
    }
    let foreign = desk.run("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host).filter((host) => host !== location.host)");
    assert_eq!(foreign, json!([]), "something was fetched from elsewhere");
    let markup = desk.run("return document.querySelectorAll('script:not([src^=\"/js/\"]), iframe, object, embed, base, style, video, svg, math, form[action], [onerror], [onload], [onfocus], [onmouseover]').length");
    assert_eq!(markup, 0);
    desk.is_sound();
}

/// `text` as the page shows it: invisible characters as their code points.
pub fn shown(text: &str) -> String {
    text.replace('\u{200b}', "U+200B")
}

#[test]
fn characters_that_hide_or_reorder_text_are_shown_as_code_points() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = Desk::new(&driver, &anna);
    let seen = desk.run_async(
        "const text = await import('/js/text.js');
         const holder = document.createElement('div');
         return given[0].map((value) => { holder.replaceChildren(text.body(value, () => false)); return [holder.textContent, text.plain(value), text.oneLine(value)]; });",
        &[json!(["a\u{202e}b", "\u{1b}]52;c;x\u{7}", "x\u{0}y", "tab\tnew\nline", "zero\u{200b}width\u{feff}", "👩‍👩‍👧 naïve پشت‌سر", "a\r\nb"])],
    );
    assert_eq!(
        seen,
        json!([
            ["aU+202Eb", "a[U+202E]b", "a[U+202E]b"],
            ["U+001B]52;c;xU+0007", "[U+001B]]52;c;x[U+0007]", "[U+001B]]52;c;x[U+0007]"],
            ["xU+0000y", "x[U+0000]y", "x[U+0000]y"],
            ["tab\tnew\nline", "tab\tnew\nline", "tab new line"],
            ["zeroU+200BwidthU+FEFF", "zero[U+200B]width[U+FEFF]", "zero[U+200B]width[U+FEFF]"],
            ["👩‍👩‍👧 naïve پشت‌سر", "👩‍👩‍👧 naïve پشت‌سر", "👩‍👩‍👧 naïve پشت‌سر"],
            ["a\nb", "a\nb", "a b"],
        ])
    );
    // Many marks on one letter are cut: they would cover the lines above and below.
    let pile = desk.run_async("const { plain } = await import('/js/text.js'); return [...plain('e' + '\\u0301'.repeat(500))].length", &[]);
    assert!(pile.as_u64().unwrap() < 30, "{pile}");
}

#[test]
fn links_are_http_or_https_and_lead_where_they_say() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = Desk::new(&driver, &anna);
    let cases = [
        ("see https://a.example/x.", Some("https://a.example/x")),
        ("(https://a.example/x_(y))", Some("https://a.example/x_(y)")),
        ("HTTP://A.example", Some("http://a.example/")),
        ("https://a.example/?q=1&r=[2]", Some("https://a.example/?q=1&r=[2]")),
        ("https://a.example/\u{202e}gpj.exe", Some("https://a.example/")),
        ("ftp://a.example/", None),
        ("javascript:alert(1)//http", None),
        ("https://bank.example@evil.example/", None),
        ("https://", None),
        ("xhttps://a.example", None),
        ("file:///etc/passwd", None),
    ];
    for (text, wanted) in cases {
        let found = desk.run_async(
            "const text = await import('/js/text.js');
             const holder = document.createElement('div');
             holder.append(text.body(given[0], () => false));
             return holder.querySelector('a')?.href ?? null;",
            &[json!(text)],
        );
        assert_eq!(found, wanted.map_or(Value::Null, Value::from), "{text}");
    }
}

#[test]
fn members_who_look_alike_are_told_apart_by_key() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("Anna", None);
    let other = Member::in_group("ANNA", Some(&anna.ticket()));
    full_mesh(&[&anna, &other]);
    other.run(&["send", GROUP, "I am Anna"]).ok();
    let desk = Desk::new(&driver, &anna);
    desk.enter(GROUP);
    desk.sees("I am Anna");
    desk.until(&format!(
        "document.querySelector('#history .head .short-key')?.textContent === '{}'",
        &other.key()[..8]
    ));
    desk.click("#open-people");
    desk.until("document.querySelectorAll('#people .short-key').length === 2");
}
