//! Accessibility: axe-core has no serious finding in any state of the page, wide or narrow, light or dark.
//!
//! npm fetches axe-core, one JavaScript file, into the target directory; without npm the test is skipped and says so.
//! With `PEER_PAGE_SHOTS=DIR` a screenshot of every state is kept in that directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::browser::{Driver, key, skip};
use crate::members::{GROUP, Member, full_mesh};
use crate::preview;
use crate::support::Desk;

const AXE: &str = "axe-core@4.14.1";

#[test]
fn every_state_of_the_page_is_accessible() {
    let Some(driver) = Driver::start() else { return };
    let Some(axe) = axe() else { return skip("npm could not fetch axe-core") };
    let anna = Member::started("anna", None);
    let desk = Desk::new(&driver, &anna);
    let look = Look { desk: &desk, axe };
    desk.until("!document.getElementById('welcome').hidden");
    look.at("empty");

    let ben = Member::started("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    converse(&anna, &ben);
    desk.enter(GROUP);
    desk.sees("Then let us meet at eight.");
    look.at("group");
    desk.click("#open-people");
    desk.until("document.querySelectorAll('.person').length === 2");
    look.at("members");
    desk.click("#open-search");
    desk.until("document.activeElement.type === 'search'");
    desk.type_in("borrow");
    desk.until("document.querySelector('.hit mark')");
    look.at("search");
    desk.press(&[key::ESCAPE]);
    let dialogs = [
        ("#open-help", "help"),
        ("#mesh", "mesh"),
        ("#topic", "topic"),
        ("#open-invite", "invite"),
        ("#me", "name"),
        ("#open-switcher", "switcher"),
    ];
    for (button, name) in dialogs {
        desk.call("document.querySelector(arguments[0]).click()", &[json!(button)]);
        desk.until("document.querySelector('dialog[open]')");
        if name == "invite" {
            desk.click("dialog .dialog-body .primary");
            desk.until("document.querySelector('.qr')?.naturalWidth > 0");
        }
        if name == "mesh" {
            desk.until("document.querySelector('dialog .links, dialog .error')");
        }
        look.at(name);
        desk.press(&[key::ESCAPE]);
        desk.until("!document.querySelector('dialog')");
    }
    desk.run(preview::FAKE);
    let rows = [
        preview::row(0, "Is anybody still awake?"),
        preview::row(1, "I am, https://doc.rust-lang.org/ tells why"),
    ];
    desk.call(
        "previews.rust = { from: arguments[0], entries: arguments[1] }",
        &[json!(ben.key()), json!(rows)],
    );
    desk.run_async("(await import('/js/preview.js')).refresh('rust')", &[]);
    desk.until("document.querySelectorAll('#preview li').length === 2");
    look.at("preview");
    desk.run("previews = {}");
    desk.run_async("(await import('/js/preview.js')).refresh('rust')", &[]);
    desk.until("document.getElementById('preview').hidden");
    desk.click("#composer-text");
    desk.press(&[key::UP]);
    desk.press(&['r']);
    desk.until("!document.getElementById('reply-to').hidden");
    desk.press(&[key::UP]);
    look.at("reply");

    let mut anna = anna;
    anna.kill();
    desk.until("document.getElementById('mesh').dataset.state === 'gone'");
    desk.say("written while the peer is gone");
    desk.until("document.querySelector('#outbox li')");
    look.at("gone");
    desk.is_sound();
}

struct Look<'a> {
    desk: &'a Desk,
    axe: String,
}

impl Look<'_> {
    /// Checks the page as it is now, in both themes and at three widths.
    #[track_caller]
    fn at(&self, name: &str) {
        for (width, height) in [(1280, 800), (390, 844), (320, 568)] {
            self.desk.size(width, height);
            for scheme in ["light", "dark"] {
                self.desk.color_scheme(scheme);
                self.desk.until(&format!(
                    "document.documentElement.dataset.theme === '{scheme}' && innerWidth === {width}"
                ));
                self.keep(&format!("{name}-{width}-{scheme}"));
                let what = format!("{name}, {width} px, {scheme}");
                let wide = self.desk.run("return [document.documentElement.scrollWidth, innerWidth]");
                assert!(wide[0].as_u64() <= wide[1].as_u64(), "{what}: wider than the screen: {wide}");
                // Contrast depends on the theme and structure on the width; 320 px needs no second theme.
                if width != 320 || scheme == "light" {
                    let found = self.findings();
                    assert!(found.as_array().unwrap().is_empty(), "{what}: {found:#}");
                }
            }
        }
        self.desk.size(1280, 800);
        self.desk.color_scheme("light");
    }

    fn findings(&self) -> Value {
        if self.desk.run("return typeof axe === 'undefined'") == true {
            self.desk.run(&self.axe);
        }
        self.desk.run_async(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.filter((one) => one.impact === 'serious' || one.impact === 'critical')
                 .map((one) => ({ id: one.id, help: one.help, at: one.nodes.slice(0, 5).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`) }));",
            &[],
        )
    }

    fn keep(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PEER_PAGE_SHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            self.desk.screenshot(&Path::new(&folder).join(format!("{name}.png")));
        }
    }
}

/// The source of axe-core, fetched once into the target directory.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file: PathBuf = folder.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        std::fs::create_dir_all(&folder).unwrap();
        let npm = Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", "."])
            .arg(AXE)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        if !npm.status.success() {
            return None;
        }
    }
    std::fs::read_to_string(file).ok()
}

/// A conversation with every kind of message that the page shows.
fn converse(anna: &Member, ben: &Member) {
    anna.run(&["groups", "create", GROUP]).ok();
    anna.run(&["groups", "topic", GROUP, "Ferris, lifetimes and everything that compiles"]).ok();
    ben.join();
    for group in ["garden", "reading-circle", "a-group-with-quite-a-long-name00"] {
        ben.run(&["groups", "create", group]).ok();
        crate::members::until("anna hears of it", || {
            anna.json(&["groups"]).iter().any(|row| row["name"] == group)
        });
        anna.run(&["groups", "join", group]).ok();
    }
    let file = ben.file("bridge.jsonl", concat!(
        r#"{"at":"2024-02-29T08:12:00Z","author":"sofia","body":"Does anybody know why the borrow checker dislikes this?"}"#, "\n",
        r#"{"at":"2024-02-29T08:13:10Z","author":"sofia","body":"let first = &list[0];\nlist.push(7);\nprintln!(\"{first}\");"}"#, "\n",
        r#"{"at":"2024-02-29T08:15:00Z","author":"Jörg","body":"first still borrows list when you push"}"#, "\n",
    ));
    ben.run(&["import", GROUP, &file]);
    anna.run(&["send", GROUP, "The long answer is in https://doc.rust-lang.org/book/ch04-02-references-and-borrowing.html, and the short one: a push may move the elements, so nothing may look at them meanwhile. It is the kind of rule that one curses for a week and misses in every other language afterwards."]).ok();
    ben.run(&["send", GROUP, "@anna that is well put"]).ok();
    ben.run(&["send", GROUP, "مرحبا بالجميع"]).ok();
    ben.run(&["send", GROUP, "An invoice\u{202e}fdp.exe, as they say"]).ok();
    ben.run(&["send", GROUP, "🎉🦀"]).ok();
    ben.run(&["send", GROUP, &"A word".repeat(400)]).ok();
    ben.run(&["send", "garden", "anna, the tomatoes!"]).ok();
    anna.run(&["send", GROUP, "Then let us meet at eight."]).ok();
    let last = || anna.bodies("garden").iter().any(|body| body.contains("tomatoes"));
    crate::members::until("ben's words are there", last);
}
