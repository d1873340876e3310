//! A headless Chromium, driven over WebDriver, with its own process and an empty profile for each page.
//!
//! WebDriver is JSON over HTTP, so the HTTP client that the local API's client uses is enough; libraries for WebDriver
//! would add more than forty crates.
//!
//! Without Chromium, a test says on standard error that it was skipped; with `PEER_REQUIRE_BROWSER` set, it fails.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long a test waits before it fails.
const PATIENCE_MS: u64 = 60_000;

/// Records what a page must never do. Runs before the scripts of the page.
const WATCH: &str = "
    window.broken = [];
    addEventListener('securitypolicyviolation', (event) => broken.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    addEventListener('error', (event) => broken.push(`${event.message} ${event.filename}:${event.lineno}`));
    addEventListener('unhandledrejection', (event) => broken.push(`${event.reason?.stack ?? event.reason}`));
    window.canary = 0;
    for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = () => canary++;
";

/// A chromedriver, which ends with its browsers when dropped.
pub struct Driver {
    child: Child,
    address: String,
    chromium: PathBuf,
}

impl Driver {
    /// `None` if there is no browser; the test is skipped then.
    pub fn start() -> Option<Self> {
        let found = find(&["chromium", "chromium-browser", "google-chrome"]).zip(find(&["chromedriver"]));
        let Some((chromium, chromedriver)) = found else {
            skip("there is no chromium and chromedriver here");
            return None;
        };
        let started = (0..10).find_map(|_| listening(&chromedriver));
        let (child, port) = started.expect("chromedriver listens on a port");
        Some(Self { child, address: format!("http://127.0.0.1:{port}"), chromium })
    }

    /// Starts a browser with an empty page.
    pub fn page(&self) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--lang=en-GB",
            "--force-device-scale-factor=1",
            "--window-size=1280,800",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": {"binary": self.chromium, "args": args},
            "timeouts": {"script": 10 * PATIENCE_MS, "pageLoad": PATIENCE_MS},
        }});
        let wire = Wire::new();
        let url = format!("{}/session", self.address);
        let created = wire.ask(Method::POST, &url, json!({"capabilities": capabilities})).unwrap();
        let session = format!("{url}/{}", created["sessionId"].as_str().unwrap());
        let page = Page { wire, session, _profile: profile };
        page.beforehand(WATCH);
        page.size(1280, 800);
        page
    }
}

/// Starts a chromedriver and gives its port. `None` if it ends at once: it needs the same port for IPv4 and IPv6, and one
/// of them may be taken.
fn listening(chromedriver: &Path) -> Option<(Child, String)> {
    let mut child = Command::new(chromedriver)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    if port.is_none() {
        child.wait().unwrap();
    }
    // Chromedriver would block if its output was not read.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, port?))
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path);
    places.find_map(|place| names.iter().map(|name| place.join(name)).find(|file| file.is_file()))
}

/// Says that a test was skipped, or fails if a browser is required.
pub fn skip(why: &str) {
    assert!(std::env::var_os("PEER_REQUIRE_BROWSER").is_none(), "{why}");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // Not `eprintln`, which the test harness captures.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} did not run, since {why}");
}

/// Sends requests to the driver, one at a time.
struct Wire {
    runtime: Runtime,
    http: Client<HttpConnector, Body>,
}

impl Wire {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, http: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// The value of the answer, or the driver's error message.
    fn ask(&self, method: Method, url: &str, body: Value) -> Result<Value, String> {
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = self.runtime.block_on(async {
            let response = self.http.request(request).await.map_err(|error| error.to_string())?;
            let ok = response.status().is_success();
            let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            let mut answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            if ok { Ok(answer["value"].take()) } else { Err(answer["value"]["message"].to_string()) }
        })?;
        Ok(answer)
    }
}

pub struct Page {
    wire: Wire,
    session: String,
    _profile: TempDir,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.wire.ask(Method::DELETE, &self.session, json!({}));
    }
}

impl Page {
    /// Sends a command of WebDriver.
    #[track_caller]
    fn command(&self, path: &str, body: Value) -> Value {
        let answer = self.wire.ask(Method::POST, &format!("{}/{path}", self.session), body);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs `script` before the scripts of each page that is loaded from now on.
    pub fn beforehand(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    pub fn goto(&self, url: &str) {
        self.command("url", json!({"url": url}));
    }

    pub fn reload(&self) {
        self.command("refresh", json!({}));
    }

    /// Sets the size of the viewport, in CSS pixels.
    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    pub fn color_scheme(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Runs the body of a function and gives what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.call(script, &[])
    }

    #[track_caller]
    pub fn call(&self, script: &str, arguments: &[Value]) -> Value {
        self.command("execute/sync", json!({"script": script, "args": arguments}))
    }

    /// Runs the body of an async function and gives what it resolves to; its arguments are in `given`.
    #[track_caller]
    pub fn run_async(&self, body: &str, arguments: &[Value]) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...given) => {{ {body} }})(...arguments).then(
                 (value) => done({{value: value ?? null}}),
                 (error) => done({{error: String(error.stack ?? error)}}),
             );"
        );
        let mut answer = self.command("execute/async", json!({"script": script, "args": arguments}));
        assert!(answer["error"].is_null(), "{body}: {}", answer["error"]);
        answer["value"].take()
    }

    /// Waits until an expression is true and gives its value. It is evaluated once per frame.
    #[track_caller]
    pub fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const end = performance.now() + {PATIENCE_MS};
             for (;;) {{
                 const value = (() => {{ try {{ return {expression}; }} catch {{ return false; }} }})();
                 if (value) return [value === true ? true : value];
                 if (performance.now() > end) return null;
                 await new Promise((resolve) => requestAnimationFrame(resolve));
             }}"
        );
        let mut answer = self.run_async(&script, &[]);
        assert!(
            !answer.is_null(),
            "never true: {expression}\nthe page shows: {}\nand says: {}",
            self.run("return document.body.innerText"),
            self.run("return JSON.stringify(window.broken)")
        );
        answer[0].take()
    }

    /// Clicks with the pointer, which fails for an element that is covered or hidden.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.until(&format!("document.querySelector({})?.checkVisibility()", json!(selector)));
        let found = self.command("element", json!({"using": "css selector", "value": selector}));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.command(&format!("element/{id}/click"), json!({}));
    }

    /// Types into the element that has the focus.
    pub fn type_in(&self, text: &str) {
        self.act(text.chars().flat_map(|key| [("keyDown", key), ("keyUp", key)]));
    }

    /// Presses the keys in order, then releases them: `[CONTROL, 'k']`.
    pub fn press(&self, keys: &[char]) {
        let down = keys.iter().map(|&key| ("keyDown", key));
        self.act(down.chain(keys.iter().rev().map(|&key| ("keyUp", key))));
    }

    fn act(&self, keys: impl Iterator<Item = (&'static str, char)>) {
        let actions: Vec<Value> = keys.map(|(kind, key)| json!({"type": kind, "value": key})).collect();
        self.command("actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Writes a screenshot, as PNG.
    pub fn screenshot(&self, file: &Path) {
        let answer = self.wire.ask(Method::GET, &format!("{}/screenshot", self.session), json!({})).unwrap();
        let png = data_encoding::BASE64.decode(answer.as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(file, png).unwrap();
    }

    /// No security policy was violated, no error was unhandled, and no hostile script ran.
    #[track_caller]
    pub fn is_sound(&self) {
        assert_eq!(self.run("return [canary, broken]"), json!([0, []]));
    }

    /// Sends a command of the Chrome DevTools protocol.
    fn devtools(&self, command: &str, parameters: Value) {
        self.command("goog/cdp/execute", json!({"cmd": command, "params": parameters}));
    }
}

/// WebDriver's codes for keys without a character.
pub mod key {
    pub const ENTER: char = '\u{E007}';
    pub const SHIFT: char = '\u{E008}';
    pub const CONTROL: char = '\u{E009}';
    pub const ALT: char = '\u{E00A}';
    pub const ESCAPE: char = '\u{E00C}';
    pub const UP: char = '\u{E013}';
    pub const DOWN: char = '\u{E015}';
    pub const HOME: char = '\u{E011}';
    pub const END: char = '\u{E010}';
}
