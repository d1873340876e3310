//! The API on its socket, with requests written by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::peer::{Peer, Server};

pub struct Caller {
    pub address: String,
    token: String,
}

impl Caller {
    pub fn new(peer: &Peer, server: &Server) -> Self {
        let announced: Value =
            serde_json::from_slice(&std::fs::read(peer.data.join("api.json")).unwrap()).unwrap();
        assert_eq!(announced["address"], server.ready["api"]);
        let field = |name: &str| announced[name].as_str().unwrap().to_owned();
        Self { address: field("address"), token: field("token") }
    }

    /// Status, head and body of the answer.
    pub fn exchange(&self, line: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let close = if headers.contains("Connection:") { "" } else { "Connection: close\r\n" };
        let length = body.len();
        let request = format!("{line} HTTP/1.1\r\n{close}Content-Length: {length}\r\n{headers}\r\n{body}");
        // A server may answer and close before it has read a body that is too large.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Status and JSON body of the answer.
    pub fn raw(&self, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = self.exchange(line, headers, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let json = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let headers = format!("Host: {}\r\nAuthorization: Bearer {}\r\n{json}", self.address, self.token);
        self.raw(line, &headers, body)
    }

    #[track_caller]
    fn refused(&self, line: &str, body: &str, status: u16, code: &str) {
        let (found, answer) = self.ask(line, body);
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{line}: {answer}");
        assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn messages_are_sent_and_read_by_hand() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let (status, sent) =
        caller.ask("POST /v1/groups/rust/messages", r#"{"messages":[{"body":"a"},{"body":"b"}]}"#);
    assert_eq!((status, sent["messages"].as_array().unwrap().len()), (200, 2));
    let (status, page) = caller.ask("GET /v1/groups/rust/history?limit=2", "");
    assert_eq!(status, 200);
    assert_eq!(
        (&page["entries"][0]["id"], &page["entries"][1]["body"]),
        (&sent["messages"][0]["id"], &"b".into())
    );
    assert_eq!(page["arrival"], 3);
    server.stop();
}

#[test]
fn an_id_stands_wherever_the_name_of_a_group_does() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let ask = |line: &str, body: &str| {
        let (status, answer) = caller.ask(line, body);
        assert_eq!(status, 200, "{line}: {answer}");
        answer
    };
    let group = ask("GET /v1/groups/rust", "");
    let id = group["id"].as_str().unwrap().to_owned();
    let below = |method: &str, rest: &str| format!("{method} /v1/groups/{id}{rest}");
    assert_eq!(ask(&below("GET", ""), ""), group);
    assert_eq!(ask("GET /v1/status", "")["groups"][0]["id"], id);
    let sent = ask(&below("POST", "/messages"), r#"{"messages":[{"body":"by its id"}]}"#);
    let entry = sent["messages"][0]["id"].as_str().unwrap().to_owned();
    let row = ask(&below("GET", &format!("/entries/{entry}")), "");
    assert_eq!((&row["group"], &row["group_id"]), (&"rust".into(), &id.as_str().into()));
    ask(&below("PUT", "/topic"), r#"{"topic":"all"}"#);
    ask(&below("PUT", "/read"), r#"{"arrival":2}"#);
    for page in ["history", "late", "preview"] {
        assert_eq!(
            ask(&below("GET", &format!("/{page}")), ""),
            ask(&format!("GET /v1/groups/rust/{page}"), "")
        );
    }
    for of_all in ["users?", "search?text=id&"] {
        let by_name = ask(&format!("GET /v1/{of_all}group=rust"), "");
        assert_eq!(ask(&format!("GET /v1/{of_all}group={id}"), ""), by_name);
    }
    assert_eq!(caller.ask(&below("GET", "/export"), "").0, 200);
    assert_eq!(ask(&below("POST", "/leave"), "")["name"], "rust");
    caller.refused(&below("POST", "/leave"), "", 409, "not-joined");
    caller.refused(&below("POST", "/messages"), r#"{"messages":[{"body":"a"}]}"#, 409, "not-joined");
    assert_eq!(ask(&below("POST", "/join"), "")["id"], id);
    caller.refused(&format!("GET /v1/groups/{}", "07".repeat(32)), "", 404, "unknown-group");
    caller.refused(&format!("GET /v1/groups/{}", "zz".repeat(32)), "", 400, "bad-request");
    server.stop();
}

#[test]
fn only_the_holder_of_the_token_gets_in() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let host = format!("Host: {}\r\n", caller.address);
    let bearer = format!("Authorization: Bearer {}\r\n", caller.token);
    let code = |headers: String| {
        let (status, answer) = caller.raw("GET /v1/status", &headers, "");
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(format!("{host}{bearer}")).0, 200);
    assert_eq!(code(host.clone()), (401, "wrong-token".to_owned()));
    let wrong = format!("Authorization: Bearer {}\r\n", "0".repeat(64));
    assert_eq!(code(format!("{host}{wrong}")), (401, "wrong-token".to_owned()));
    assert_eq!(code(format!("Host: evil.example\r\n{bearer}")), (403, "foreign-host".to_owned()));
    assert_eq!(code(format!("{host}{bearer}Origin: null\r\n")), (403, "foreign-origin".to_owned()));
    server.stop();
}

#[test]
fn errors_have_one_shape() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let messages = "POST /v1/groups/rust/messages";
    caller.refused("GET /v1/nothing", "", 404, "no-such-route");
    caller.refused("DELETE /v1/groups", "", 405, "wrong-method");
    caller.refused("GET /v1/groups/rast/history", "", 404, "unknown-group");
    caller.refused("GET /v1/groups/RUST%20/history", "", 400, "bad-request");
    caller.refused("GET /v1/groups/rust/history?limit=1001", "", 400, "bad-request");
    caller.refused("GET /v1/groups/rust/history?before=xyz", "", 400, "bad-request");
    caller.refused(
        &format!("GET /v1/groups/rust/history?after={}", "07".repeat(32)),
        "",
        404,
        "unknown-entry",
    );
    caller.refused(messages, "{", 400, "bad-request");
    caller.refused(messages, r#"{"messages":[]}"#, 400, "bad-request");
    caller.refused(messages, r#"{"messages":[{"body":""}]}"#, 422, "content");
    let huge = format!(r#"{{"messages":[{{"body":"{}"}}]}}"#, "x".repeat(9 * 1024 * 1024));
    caller.refused(messages, &huge, 413, "too-large");
    let headers = format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", caller.token);
    assert_eq!(caller.raw(messages, &headers, "{}").0, 415);
    assert!(peer.bodies("rust").is_empty());
    server.stop();
}
