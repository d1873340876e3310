//! Rogue peers: ends of a connection that do what the public interface does not allow.

use futures_util::{SinkExt, StreamExt};
use peer_engine::identity::Secret;
use peer_engine::limits::{FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use peer_engine::wire::{CloseCode, Control, Frame, Proof};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};
use zeroize::Zeroizing;

use super::handshake::{Side, Socket, close, proof, send_hello};
use super::tls::Channel;
use super::*;

fn secret(byte: u8) -> MeshSecret {
    MeshSecret(Secret::copy_of(&[byte; 32]))
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn member(seed: u8) -> Transport {
    Transport::new(&identity(seed), secret(9)).unwrap()
}

/// Has a key of its own and does not use the mesh secret.
fn rogue() -> Transport {
    Transport::new(&identity(66), secret(0)).unwrap()
}

async fn bind(transport: &Transport) -> (Listener, String) {
    let listener = transport.bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

async fn answer(listener: &Listener) -> Result<Link, TransportError> {
    listener.accept().await.unwrap().handshake(HelloInfo::default()).await
}

/// What the rogue knows of a connection besides the socket.
struct Known {
    peer: PeerId,
    exporter: Zeroizing<[u8; 32]>,
}

/// TLS and WebSocket to `address`, without a hello.
async fn rogue_dial(rogue: &Transport, address: &str) -> (Socket, Known) {
    let stream = TcpStream::connect(address).await.unwrap();
    let Channel { stream, peer, exporter } = rogue.tls.dial(Counted::new(stream).0, None).await.unwrap();
    let (socket, _) = client_async("ws://peer/", stream).await.unwrap();
    (socket, Known { peer, exporter })
}

/// Accepts the next connection and does TLS and WebSocket, without a hello.
async fn rogue_accept(rogue: &Transport, listener: &Listener) -> (Socket, Known) {
    let stream = listener.accept().await.unwrap().stream;
    let Channel { stream, peer, exporter } = rogue.tls.accept(Counted::new(stream).0).await.unwrap();
    (accept_async(stream).await.unwrap(), Known { peer, exporter })
}

async fn next(socket: &mut Socket) -> Message {
    socket.next().await.unwrap().unwrap()
}

fn close_number(message: &Message) -> Option<u16> {
    match message {
        Message::Close(Some(frame)) => Some(frame.code.into()),
        _ => None,
    }
}

/// What the listener does with `first`, the first message of a dialler; its only answer must be to close.
async fn first_message(first: Message) -> TransportError {
    let (bound, address) = bind(&member(2)).await;
    let rogue = rogue();
    let dialling = async {
        let (mut socket, _) = rogue_dial(&rogue, &address).await;
        // The listener may close before all is written.
        let _ = socket.send(first).await;
        match socket.next().await {
            Some(Ok(Message::Close(_)) | Err(_)) | None => {}
            other => panic!("{other:?}"),
        }
    };
    let (accepted, ()) = tokio::join!(answer(&bound), dialling);
    accepted.err().unwrap()
}

fn hello(version: u32, listen: Vec<String>) -> Vec<u8> {
    Frame::Control(Control::Hello { version, proof: Proof([0; 32]), listen, deflate: false }).encode()
}

#[tokio::test]
async fn a_stranger_gets_a_close_frame_and_nothing_else() {
    let (bound, address) = bind(&member(2)).await;
    let rogue = rogue();
    let dialling = async {
        let (mut socket, known) = rogue_dial(&rogue, &address).await;
        let guess = proof(&secret(1), Side::Dialler, &known.exporter, &rogue.myself, &known.peer);
        send_hello(&mut socket, guess, &HelloInfo::default()).await.unwrap();
        assert_eq!(close_number(&next(&mut socket).await), Some(CloseCode::Refused.number()));
        assert!(!matches!(socket.next().await, Some(Ok(_))));
    };
    let (accepted, ()) = tokio::join!(answer(&bound), dialling);
    assert!(matches!(accepted, Err(TransportError::Stranger)));
}

#[tokio::test]
async fn a_first_message_that_is_no_hello_is_refused() {
    let ping = Frame::Control(Control::Ping { nonce: 1, digest: None }).encode();
    let sync = [&[1][..], &[0; 32], &[0x42, 0, 0, 0, 0]].concat();
    for bytes in [vec![], ping, sync, b"\0{".to_vec(), vec![0xff; 100]] {
        let error = first_message(Message::binary(bytes)).await;
        assert!(matches!(error, TransportError::Protocol(_)), "{error}");
    }
    let error = first_message(Message::text("{}")).await;
    assert!(matches!(error, TransportError::Protocol(_)), "{error}");
    let error = first_message(Message::Close(None)).await;
    assert!(matches!(error, TransportError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_stranger_cannot_make_a_peer_hold_more_than_a_hello() {
    for length in [HELLO_BYTES_MAX + 1, FRAME_BYTES_MAX] {
        let error = first_message(Message::binary(vec![0; length])).await;
        assert!(matches!(error, TransportError::TooLarge), "{error}");
    }
    let longest = format!("{}:65535", "a".repeat(peer_engine::limits::ADDRESS_BYTES_MAX - 6));
    let longest = hello(u32::MAX, vec![longest; peer_engine::limits::ADDRESSES_MAX]);
    assert!(longest.len() <= HELLO_BYTES_MAX);
}

#[tokio::test]
async fn another_version_is_told_by_both_sides() {
    let error = first_message(Message::binary(hello(2, vec![]))).await;
    assert!(matches!(error, TransportError::Version { theirs: Some(2) }), "{error}");

    let (rogue, dialler) = (rogue(), member(1));
    let (bound, address) = bind(&rogue).await;
    let listening = async {
        let (mut socket, _) = rogue_accept(&rogue, &bound).await;
        next(&mut socket).await;
        close(&mut socket, CloseCode::Version).await;
    };
    let (dialled, ()) = tokio::join!(dialler.dial(&address, None, HelloInfo::default()), listening);
    assert!(matches!(dialled, Err(TransportError::Version { theirs: None })));
}

#[tokio::test]
async fn a_proof_relayed_by_a_man_in_the_middle_is_refused() {
    let (alice, bob, mallory) = (member(1), member(2), rogue());
    let (bobs, bobs_address) = bind(&bob).await;
    let (mallorys, mallorys_address) = bind(&mallory).await;
    let relaying = async {
        let (mut from_alice, _) = rogue_accept(&mallory, &mallorys).await;
        let (mut to_bob, _) = rogue_dial(&mallory, &bobs_address).await;
        let hello = next(&mut from_alice).await;
        assert!(hello.is_binary());
        to_bob.send(hello).await.unwrap();
        let answer = next(&mut to_bob).await;
        assert_eq!(close_number(&answer), Some(CloseCode::Refused.number()));
        from_alice.send(answer).await.unwrap();
    };
    // Alice does not know which key to expect: with a pinned key she would not even send a hello.
    let alice = alice.dial(&mallorys_address, None, HelloInfo::default());
    let (alice, bob, ()) = tokio::join!(alice, answer(&bobs), relaying);
    assert!(matches!(bob, Err(TransportError::Stranger)));
    assert!(matches!(alice, Err(TransportError::Refused)));
}

#[tokio::test]
async fn a_recorded_hello_is_refused_when_played_again() {
    let (alice, bob, mallory) = (member(1), member(2), member(66));
    let (bobs, bobs_address) = bind(&bob).await;
    let recording = async {
        let (mut socket, known) = rogue_dial(&alice, &bobs_address).await;
        let proof = proof(&secret(9), Side::Dialler, &known.exporter, &alice.myself, &known.peer);
        send_hello(&mut socket, proof, &HelloInfo::default()).await.unwrap();
        assert!(next(&mut socket).await.is_binary());
        proof
    };
    let (accepted, recorded) = tokio::join!(answer(&bobs), recording);
    assert!(accepted.is_ok());
    // With the same key, then with another.
    for transport in [&alice, &mallory] {
        let playing = async {
            let (mut socket, _) = rogue_dial(transport, &bobs_address).await;
            send_hello(&mut socket, recorded, &HelloInfo::default()).await.unwrap();
            assert_eq!(close_number(&next(&mut socket).await), Some(CloseCode::Refused.number()));
        };
        let (accepted, ()) = tokio::join!(answer(&bobs), playing);
        assert!(matches!(accepted, Err(TransportError::Stranger)));
    }
}

#[tokio::test]
async fn a_reflected_hello_is_refused_by_the_dialler() {
    let (alice, mallory) = (member(1), rogue());
    let (mallorys, address) = bind(&mallory).await;
    let reflecting = async {
        let (mut socket, _) = rogue_accept(&mallory, &mallorys).await;
        let hello = next(&mut socket).await;
        socket.send(hello).await.unwrap();
        assert_eq!(close_number(&next(&mut socket).await), Some(CloseCode::Refused.number()));
    };
    let (dialled, ()) = tokio::join!(alice.dial(&address, None, HelloInfo::default()), reflecting);
    assert!(matches!(dialled, Err(TransportError::Stranger)));
}

#[tokio::test]
async fn a_hello_reflected_to_its_senders_own_port_is_refused() {
    let (alice, mallory) = (member(1), rogue());
    let (alices, alices_address) = bind(&alice).await;
    let (mallorys, mallorys_address) = bind(&mallory).await;
    let reflecting = async {
        let (mut from_alice, _) = rogue_accept(&mallory, &mallorys).await;
        let (mut to_alice, _) = rogue_dial(&mallory, &alices_address).await;
        let hello = next(&mut from_alice).await;
        to_alice.send(hello).await.unwrap();
        let answer = next(&mut to_alice).await;
        assert_eq!(close_number(&answer), Some(CloseCode::Refused.number()));
        from_alice.send(answer).await.unwrap();
    };
    let dialling = alice.dial(&mallorys_address, None, HelloInfo::default());
    let (dialled, accepted, ()) = tokio::join!(dialling, answer(&alices), reflecting);
    assert!(matches!(accepted, Err(TransportError::Stranger)));
    assert!(dialled.is_err());
}

#[test]
fn a_proof_depends_on_everything_that_it_binds() {
    let (one, two) = (identity(1).peer(), identity(2).peer());
    let proofs = [
        proof(&secret(9), Side::Dialler, &[5; 32], &one, &two),
        proof(&secret(8), Side::Dialler, &[5; 32], &one, &two),
        proof(&secret(9), Side::Listener, &[5; 32], &one, &two),
        proof(&secret(9), Side::Dialler, &[6; 32], &one, &two),
        proof(&secret(9), Side::Dialler, &[5; 32], &two, &one),
        proof(&secret(9), Side::Dialler, &[5; 32], &one, &one),
    ];
    for (at, proof) in proofs.iter().enumerate() {
        assert!(!proofs[..at].contains(proof), "{at}");
    }
    // Computed with another implementation of HMAC.
    let golden = "5cd7ac6c6a51cb7a29530ed9cb66635278d8e0cf70a2aa861de84d1b6fb49b33";
    assert_eq!(data_encoding::HEXLOWER.encode(&proofs[0].0), golden);
}

#[tokio::test]
async fn strangers_that_stall_half_way_are_dropped_at_the_deadline() {
    let rogue = rogue();
    for stall_before_websocket in [true, false] {
        let (bound, address) = bind(&member(2).with_patience(Duration::from_secs(2))).await;
        let stalling = async {
            let stream = Counted::new(TcpStream::connect(&address).await.unwrap()).0;
            let channel = rogue.tls.dial(stream, None).await.unwrap();
            if stall_before_websocket {
                use tokio::io::AsyncReadExt;
                let mut stream = channel.stream;
                assert!(!matches!(stream.read(&mut [0; 64]).await, Ok(1..)));
            } else {
                let (mut socket, _) = client_async("ws://peer/", channel.stream).await.unwrap();
                assert!(!matches!(socket.next().await, Some(Ok(_))));
            }
        };
        let (accepted, ()) = tokio::join!(answer(&bound), stalling);
        assert!(matches!(accepted, Err(TransportError::TimedOut)));
    }
}

/// A proven member without limits of its own, and the link to it.
async fn unbounded_member() -> (Socket, Link) {
    let (bound, address) = bind(&member(2)).await;
    let alice = member(1);
    let dialling = async {
        let (mut socket, known) = rogue_dial(&alice, &address).await;
        let proof = proof(&secret(9), Side::Dialler, &known.exporter, &alice.myself, &known.peer);
        send_hello(&mut socket, proof, &HelloInfo::default()).await.unwrap();
        next(&mut socket).await;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        WebSocketStream::from_raw_socket(socket.into_inner(), Role::Client, Some(config)).await
    };
    let (link, socket) = tokio::join!(answer(&bound), dialling);
    (socket, link.unwrap())
}

#[tokio::test]
async fn a_member_cannot_send_more_than_a_frame_holds() {
    let (mut socket, mut link) = unbounded_member().await;
    let (_, received) =
        tokio::join!(socket.send(Message::binary(vec![0; FRAME_BYTES_MAX + 1])), async move {
            let received = link.reader.next().await;
            drop(link);
            received
        });
    assert!(matches!(received, Err(TransportError::TooLarge)));
}

#[tokio::test]
async fn text_is_a_protocol_error_and_pings_are_answered() {
    let (mut socket, mut link) = unbounded_member().await;
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    socket.send(Message::binary("after the ping")).await.unwrap();
    assert_eq!(link.reader.next().await.unwrap().unwrap(), b"after the ping");
    socket.send(Message::text("hello")).await.unwrap();
    assert!(matches!(link.reader.next().await, Err(TransportError::Protocol(_))));
    assert_eq!(next(&mut socket).await, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn tls_without_our_protocol_name_or_without_a_key_is_refused() {
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    /// Trusts anyone, and asks for certificates rather than raw keys.
    #[derive(Debug)]
    struct Certificates;
    impl rustls::client::danger::ServerCertVerifier for Certificates {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![rustls::SignatureScheme::ED25519]
        }
    }

    let (bound, address) = bind(&member(2)).await;
    for alpn in [vec![], vec![b"peer/2".to_vec()], vec![b"peer/1".to_vec()]] {
        let named_otherwise = alpn == [b"peer/2"];
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Certificates))
            .with_no_client_auth();
        config.alpn_protocols = alpn;
        let dialling = async {
            let stream = TcpStream::connect(&address).await.unwrap();
            let name = ServerName::try_from("peer.example").unwrap();
            tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
        };
        let (accepted, dialled) = tokio::join!(answer(&bound), dialling);
        assert!(dialled.is_err());
        match accepted.err().unwrap() {
            TransportError::Version { theirs: None } => assert!(named_otherwise),
            TransportError::Protocol(_) => assert!(!named_otherwise),
            error => panic!("{error}"),
        }
    }
}
