//! The limits on the number and duration of API requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use peer::limits::{
    API_CODE_BYTES_MAX, API_CONNECTIONS_MAX, API_HEADER_BYTES_MAX, API_HEADER_FIELDS_MAX, API_HEADER_MS_MAX,
};

use crate::api::Caller;
use crate::peer::Peer;

#[test]
fn an_oversized_header_is_refused() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let host = format!("Host: {}\r\n", caller.address);
    let long = format!("{host}X: {}\r\n", "x".repeat(API_HEADER_BYTES_MAX));
    let many = format!("{host}{}", "X: y\r\n".repeat(API_HEADER_FIELDS_MAX));
    for headers in [long, many] {
        let (status, _, _) = caller.exchange("GET /v1", &headers, "");
        assert_eq!(status, 431);
    }
    assert_eq!(caller.ask("GET /v1", "").0, 200);
    server.stop();
}

#[test]
fn who_is_not_logged_in_can_say_no_more_than_a_code() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let headers =
        format!("Host: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\n", caller.address);
    let code = |length| format!(r#"{{"code":"{}"}}"#, "x".repeat(length));
    assert_eq!(caller.raw("POST /v1/session", &headers, &code(100)).0, 401);
    assert_eq!(caller.raw("POST /v1/session", &headers, &code(API_CODE_BYTES_MAX)).0, 413);
    server.stop();
}

#[test]
fn a_flood_of_connections_is_told_so_and_who_says_nothing_is_let_go() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let caller = Caller::new(&peer, &server);
    let begun = Instant::now();
    let mut idle: Vec<TcpStream> =
        (0..API_CONNECTIONS_MAX).map(|_| TcpStream::connect(&caller.address).unwrap()).collect();
    // Each connection sends half a header, and nothing more.
    for stream in &mut idle {
        stream.write_all(b"GET /v1 HTTP/1.1\r\nHo").unwrap();
    }
    let (status, answer) = caller.ask("GET /v1", "");
    assert_eq!((status, answer["error"]["code"].as_str()), (503, Some("busy")));
    for stream in &mut idle {
        stream.set_read_timeout(Some(Duration::from_millis(4 * API_HEADER_MS_MAX))).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(API_HEADER_MS_MAX));
    while caller.ask("GET /v1", "").0 == 503 {}
    assert_eq!(caller.ask("GET /v1", "").0, 200);
    server.stop();
}
