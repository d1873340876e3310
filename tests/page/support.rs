//! What several tests of the page use.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::browser::{Driver, Page, key};
use crate::members::Member;

/// A page in a browser that is signed in to a member's peer.
pub struct Desk {
    page: Page,
}

impl Deref for Desk {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

impl Desk {
    pub fn new(driver: &Driver, member: &Member) -> Self {
        let desk = Self { page: driver.page() };
        desk.sign_in(member);
        desk
    }

    pub fn sign_in(&self, member: &Member) {
        self.goto(member.run(&["open", "--print"]).ok().trim());
        self.until("document.getElementById('mesh').dataset.state");
    }

    pub fn enter(&self, group: &str) {
        self.until(&format!("document.querySelector('#group-list a[href=\"#/{group}\"]')"));
        self.click(&format!("#group-list a[href=\"#/{group}\"]"));
        self.until(&format!("document.getElementById('group-name').textContent === '{group}'"));
    }

    /// Writes a message and sends it.
    pub fn say(&self, text: &str) {
        self.click("#composer-text");
        self.type_in(text);
        self.press(&[key::ENTER]);
    }

    /// Waits until a message's text is in the history.
    #[track_caller]
    pub fn sees(&self, text: &str) {
        self.until(&format!("{BODIES}.includes({})", json!(text)));
    }

    /// The texts of the messages in the document, from top to bottom.
    pub fn bodies(&self) -> Vec<String> {
        let bodies = self.run(&format!("return {BODIES}"));
        bodies.as_array().unwrap().iter().map(|body| body.as_str().unwrap().to_owned()).collect()
    }

    pub fn text(&self, selector: &str) -> String {
        let text =
            self.call("return document.querySelector(arguments[0])?.textContent ?? ''", &[json!(selector)]);
        text.as_str().unwrap().to_owned()
    }

    pub fn count(&self, selector: &str) -> u64 {
        let count: Value =
            self.call("return document.querySelectorAll(arguments[0]).length", &[json!(selector)]);
        count.as_u64().unwrap()
    }
}

const BODIES: &str =
    "[...document.querySelectorAll('#history .message:not(.system) .body')].map((body) => body.textContent)";
