//! Links over loopback, through the public door only: members meet, everybody else is turned away.

use std::net::SocketAddr;
use std::time::Duration;

use peer::transport::{HelloInfo, Link, Listener, Transport, TransportError};
use peer_engine::id::PeerId;
use peer_engine::identity::{Identity, MeshSecret, Secret};
use peer_engine::limits::FRAME_BYTES_MAX;
use peer_engine::wire::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: u8 = 9;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn transport(seed: u8, secret: u8) -> Transport {
    Transport::new(&identity(seed), MeshSecret(Secret::copy_of(&[secret; 32]))).unwrap()
}

fn hello(listen: &str) -> HelloInfo {
    HelloInfo { listen: vec![listen.to_owned()] }
}

async fn bind(transport: &Transport) -> (Listener, String) {
    let listener = transport.bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Both ends of one attempt to connect: dialled, accepted.
async fn meet(
    dialler: &Transport,
    listener: &Transport,
    expected: Option<PeerId>,
) -> (Result<Link, TransportError>, Result<Link, TransportError>) {
    let (bound, address) = bind(listener).await;
    let accepted = async { bound.accept().await.unwrap().handshake(hello("listener.example:1")).await };
    tokio::join!(dialler.dial(&address, expected, hello("dialler.example:2")), accepted)
}

async fn linked() -> (Link, Link) {
    let (dialled, accepted) = meet(&transport(1, SECRET), &transport(2, SECRET), None).await;
    (dialled.unwrap(), accepted.unwrap())
}

async fn send(link: &mut Link, frame: &[u8]) {
    link.writer.send(frame.to_vec()).await.unwrap();
    link.writer.flush().await.unwrap();
}

#[tokio::test]
async fn members_learn_each_others_keys_and_addresses() {
    let expected = identity(2).peer();
    let (dialled, accepted) = meet(&transport(1, SECRET), &transport(2, SECRET), Some(expected)).await;
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!((dialled.peer, dialled.dialled), (identity(2).peer(), true));
    assert_eq!((accepted.peer, accepted.dialled), (identity(1).peer(), false));
    assert_eq!(dialled.listen, ["listener.example:1"]);
    assert_eq!(accepted.listen, ["dialler.example:2"]);
    assert!(dialled.remote.ip().is_loopback() && accepted.remote.ip().is_loopback());
}

#[tokio::test]
async fn what_is_not_an_address_stays_out_of_the_hello() {
    let (listener, dialler) = (transport(2, SECRET), transport(1, SECRET));
    let (bound, address) = bind(&listener).await;
    let mut listen = vec!["not an address".to_owned()];
    listen.extend((1..=20).map(|port| format!("host:{port}")));
    let accepted = async { bound.accept().await.unwrap().handshake(HelloInfo::default()).await };
    let (dialled, accepted) = tokio::join!(dialler.dial(&address, None, HelloInfo { listen }), accepted);
    assert_eq!(dialled.unwrap().listen, Vec::<String>::new());
    let expected: Vec<_> = (1..=8).map(|port| format!("host:{port}")).collect();
    assert_eq!(accepted.unwrap().listen, expected);
}

#[tokio::test]
async fn frames_cross_in_both_directions_up_to_the_limit() {
    let (mut dialled, mut accepted) = linked().await;
    let largest: Vec<u8> = (0..FRAME_BYTES_MAX).map(|n| (n * 31 % 251) as u8).collect();
    for frame in [b"one".as_slice(), b"", &largest] {
        let (_, received) = tokio::join!(send(&mut dialled, frame), accepted.reader.next());
        assert_eq!(received.unwrap().unwrap(), frame);
        let (_, received) = tokio::join!(send(&mut accepted, frame), dialled.reader.next());
        assert_eq!(received.unwrap().unwrap(), frame);
    }
    let too_long = vec![0; FRAME_BYTES_MAX + 1];
    assert!(matches!(dialled.writer.send(too_long).await, Err(TransportError::TooLarge)));
    send(&mut dialled, b"still open").await;
    assert_eq!(accepted.reader.next().await.unwrap().unwrap(), b"still open");
}

#[tokio::test]
async fn many_frames_arrive_whole_and_in_order() {
    let (dialled, mut accepted) = linked().await;
    let mut writer = dialled.writer;
    let sending = tokio::spawn(async move {
        for n in 0..5_000u32 {
            writer.send(n.to_be_bytes().repeat(n as usize % 50 + 1)).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer
    });
    for n in 0..5_000u32 {
        assert_eq!(
            accepted.reader.next().await.unwrap().unwrap(),
            n.to_be_bytes().repeat(n as usize % 50 + 1)
        );
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn traffic_counts_the_bytes_on_the_wire_of_both_ends_alike() {
    let (mut dialled, mut accepted) = linked().await;
    // A round trip, so that nothing of the handshake is still under way.
    send(&mut dialled, b"ping").await;
    accepted.reader.next().await.unwrap();
    send(&mut accepted, b"pong").await;
    dialled.reader.next().await.unwrap();
    let before = dialled.traffic.written_bytes();
    assert_eq!(before, accepted.traffic.read_bytes());
    assert_eq!(accepted.traffic.written_bytes(), dialled.traffic.read_bytes());

    send(&mut dialled, &[7; 10_000]).await;
    accepted.reader.next().await.unwrap();
    let crossed = dialled.traffic.written_bytes() - before;
    assert!((10_000..10_100).contains(&crossed), "{crossed}");
    assert_eq!(dialled.traffic.written_bytes(), accepted.traffic.read_bytes());
}

#[tokio::test]
async fn a_closed_link_says_why() {
    let (dialled, mut accepted) = linked().await;
    dialled.writer.close(CloseCode::Duplicate).await;
    let error = accepted.reader.next().await.unwrap_err();
    assert!(matches!(error, TransportError::Closed { code: CloseCode::Duplicate }), "{error}");

    let (mut dialled, accepted) = linked().await;
    accepted.writer.close(CloseCode::Leaving).await;
    assert!(dialled.reader.next().await.unwrap().is_none());

    let (mut dialled, accepted) = linked().await;
    drop(accepted);
    let error = dialled.reader.next().await.unwrap_err();
    assert!(matches!(error, TransportError::Broken(_)), "{error}");
}

#[tokio::test]
async fn another_mesh_secret_is_refused_on_both_ends() {
    let (dialled, accepted) = meet(&transport(1, SECRET), &transport(2, SECRET + 1), None).await;
    let (dialled, accepted) = (dialled.err().unwrap(), accepted.err().unwrap());
    assert!(matches!(dialled, TransportError::Refused), "{dialled}");
    assert!(matches!(accepted, TransportError::Stranger), "{accepted}");
    assert!(dialled.to_string().contains("mesh secret"));
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused() {
    let (expected, found) = (identity(3).peer(), identity(2).peer());
    let (dialled, accepted) = meet(&transport(1, SECRET), &transport(2, SECRET), Some(expected)).await;
    match dialled.err().unwrap() {
        TransportError::WrongKey { expected: e, found: f } => assert_eq!((e, f), (expected, found)),
        error => panic!("{error}"),
    }
    assert!(accepted.is_err());
}

#[tokio::test]
async fn a_peer_that_dials_itself_is_told() {
    for expected in [None, Some(identity(1).peer()), Some(identity(2).peer())] {
        let (dialled, accepted) = meet(&transport(1, SECRET), &transport(1, SECRET), expected).await;
        let error = dialled.err().unwrap();
        assert!(matches!(error, TransportError::Myself), "{error}");
        assert!(accepted.is_err());
    }
}

#[tokio::test]
async fn a_silent_stranger_is_dropped_at_the_deadline() {
    let (bound, address) = bind(&transport(2, SECRET).with_patience(Duration::from_millis(50))).await;
    let mut silent = TcpStream::connect(&address).await.unwrap();
    let error = bound.accept().await.unwrap().handshake(HelloInfo::default()).await.err().unwrap();
    assert!(matches!(error, TransportError::TimedOut), "{error}");
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_silent_listener_is_given_up_at_the_deadline() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let dialler = transport(1, SECRET).with_patience(Duration::from_secs(1));
    let error = dialler.dial(&address, None, HelloInfo::default()).await.err().unwrap();
    assert!(matches!(error, TransportError::TimedOut), "{error}");
}

#[tokio::test]
async fn the_deadline_runs_from_the_connection_on() {
    let patience = Duration::from_millis(20);
    let (bound, address) = bind(&transport(2, SECRET).with_patience(patience)).await;
    let dialler = transport(1, SECRET);
    let (dialled, accepted) = tokio::join!(dialler.dial(&address, None, HelloInfo::default()), async {
        let pending = bound.accept().await.unwrap();
        tokio::time::sleep(patience * 2).await;
        pending.handshake(HelloInfo::default()).await
    });
    assert!(matches!(accepted.err().unwrap(), TransportError::TimedOut));
    assert!(dialled.is_err());
}

#[tokio::test]
async fn garbage_on_the_port_is_refused() {
    for garbage in
        [b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n".as_slice(), &[0xff; 600], &[0x16, 3, 1, 0xff, 0xff]]
    {
        let (bound, address) = bind(&transport(2, SECRET).with_patience(Duration::from_millis(200))).await;
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let error = bound.accept().await.unwrap().handshake(HelloInfo::default()).await.err().unwrap();
        assert!(matches!(error, TransportError::Protocol(_) | TransportError::TimedOut), "{error}");
        // Nothing but TLS alerts comes back; then the connection ends.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.len() <= 7, "{answer:?}");
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_told_apart() {
    let transport = transport(1, SECRET);
    let (bound, address) = bind(&transport).await;
    let error = transport.bind(address.parse().unwrap()).await.err().unwrap();
    assert!(matches!(error, TransportError::AddressInUse { .. }), "{error}");
    assert!(error.to_string().contains(&address));
    drop(bound);

    let error = transport.dial(&address, None, HelloInfo::default()).await.err().unwrap();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address));

    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
    let error = transport.bind(elsewhere).await.err().unwrap();
    assert!(matches!(error, TransportError::Bind { .. }), "{error}");

    let error = transport.dial("no port", None, HelloInfo::default()).await.err().unwrap();
    assert!(matches!(error, TransportError::Address(_)), "{error}");
}
