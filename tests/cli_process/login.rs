//! A browser logs in with a one-time link, and pages of other origins are refused.

use crate::api::Caller;
use crate::peer::Peer;

/// What a browser sends: the cookie, and headers about where the request comes from.
struct Browser<'a> {
    caller: &'a Caller,
    cookie: String,
}

fn code(caller: &Caller) -> String {
    let (status, link) = caller.ask("POST /v1/link", "");
    assert_eq!(status, 200);
    let url = link["url"].as_str().unwrap();
    url.strip_prefix(&format!("http://{}/#open=", caller.address)).expect(url).to_owned()
}

fn enter<'a>(caller: &'a Caller, code: &str) -> Browser<'a> {
    let headers =
        format!("Host: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\n", caller.address);
    let (status, head, _) = caller.exchange("POST /v1/session", &headers, &format!(r#"{{"code":"{code}"}}"#));
    assert_eq!(status, 204, "{head}");
    let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Strict; Path=/;"), "{set}");
    Browser { caller, cookie: set.split(';').next().unwrap().to_owned() }
}

impl Browser<'_> {
    /// Sends a request; returns the status and the error code.
    fn ask(&self, line: &str, headers: &str) -> (u16, String) {
        let headers = format!("Host: {}\r\nCookie: {}\r\n{headers}", self.caller.address, self.cookie);
        let (status, answer) = self.caller.raw(line, &headers, "");
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

#[test]
fn a_link_lets_one_browser_in_once() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let code = code(&caller);
    let browser = enter(&caller, &code);
    assert_eq!(browser.ask("GET /v1/groups", "").0, 200);
    let own = format!("Origin: http://{}\r\n", caller.address);
    let json = format!("Host: {}\r\n{own}Content-Type: application/json\r\n", caller.address);
    for wrong in [code.as_str(), "", &"0".repeat(64)] {
        let (status, answer) = caller.raw("POST /v1/session", &json, &format!(r#"{{"code":"{wrong}"}}"#));
        assert_eq!((status, answer["error"]["code"].as_str()), (401, Some("wrong-code")));
    }
    // The page itself is served to everybody, and its policy allows no other sources.
    let (status, head, _) = caller.exchange("GET /", &format!("Host: {}\r\n", caller.address), "");
    assert_eq!(status, 200);
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"), "{head}");
    assert_eq!(browser.ask("DELETE /v1/session", &own).0, 204);
    assert_eq!(browser.ask("GET /v1/groups", ""), (401, "wrong-token".to_owned()));
    server.stop();
}

#[test]
fn a_browser_stays_in_when_the_peer_is_killed_and_starts_again() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let first = Caller::new(&peer, &server);
    let cookie = enter(&first, &code(&first)).cookie;
    server.kill();
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    assert_eq!(caller.address, first.address);
    assert_eq!(Browser { caller: &caller, cookie }.ask("GET /v1/groups", "").0, 200);
    server.stop();
}

#[test]
fn pages_of_others_do_nothing_with_the_cookie() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let browser = enter(&caller, &code(&caller));
    let foreign = (403, "foreign-origin".to_owned());
    let elsewhere = [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ];
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let socket = "Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for origin in elsewhere {
        assert_eq!(browser.ask("GET /v1/groups", origin), foreign, "{origin}");
        assert_eq!(browser.ask("POST /v1/groups/rust/leave", origin), foreign, "{origin}");
        assert_eq!(browser.ask("POST /v1/groups/rust/messages", &format!("{origin}{form}")), foreign);
        assert_eq!(browser.ask("GET /v1/events", &format!("{origin}{socket}")), foreign, "{origin}");
    }
    // A browser that does not say where a request comes from may only read.
    assert_eq!(browser.ask("POST /v1/groups/rust/leave", ""), foreign);
    assert_eq!(browser.ask("GET /v1/events", socket), foreign);
    // A host name that was made to resolve to this machine.
    let rebound =
        format!("Host: evil.example\r\nOrigin: http://evil.example\r\nCookie: {}\r\n", browser.cookie);
    assert_eq!(caller.raw("GET /v1/groups", &rebound, "").1["error"]["code"], "foreign-host");
    // A page of another origin cannot log this browser in as another user.
    let login = format!(
        "Host: {}\r\nOrigin: https://evil.example\r\nContent-Type: application/json\r\n",
        caller.address
    );
    assert_eq!(caller.raw("POST /v1/session", &login, r#"{"code":"x"}"#).0, 403);
    let own = format!("Origin: http://{}\r\n", caller.address);
    assert_eq!(browser.ask("POST /v1/groups/rust/leave", &own).0, 200);
    server.stop();
}
