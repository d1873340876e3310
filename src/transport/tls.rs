//! TLS 1.3 between two Ed25519 keys: raw public keys (RFC 7250) on both sides, no certificates, no names.
//!
//! It shows that the other side holds the key that it claims, and nothing more: the hello then shows whether
//! that peer belongs to the mesh. There is no resumption and no early data, so every connection is fresh.

use std::io;
use std::sync::{Arc, OnceLock};

use peer_engine::id::PeerId;
use peer_engine::identity::{self, Identity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    Error, PeerIncompatible, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use zeroize::Zeroizing;

use super::error::TransportError;
use super::traffic::Counted;

/// Names the protocol and its version in the TLS handshake.
const ALPN: &[u8] = b"peer/1";
const EXPORTER_LABEL: &[u8] = b"EXPORTER-peer/1 hello";
/// DER of everything in a PKCS#8 key before the 32-byte Ed25519 seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// DER of everything in a SubjectPublicKeyInfo before the 32-byte Ed25519 key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// This peer's side of every TLS connection.
pub(super) struct Tls {
    myself: PeerId,
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    acceptor: TlsAcceptor,
}

/// An encrypted connection with the holder of the key `peer`, not yet known to be a member.
pub(super) struct Channel {
    pub stream: TlsStream<Counted>,
    pub peer: PeerId,
    /// Known to the two ends of this connection only, and different for every connection.
    pub exporter: Zeroizing<[u8; 32]>,
}

impl Tls {
    pub fn new(identity: &Identity) -> Result<Self, TransportError> {
        let myself = identity.peer();
        let mut pkcs8 = Zeroizing::new([0; 48]);
        pkcs8[..16].copy_from_slice(&PKCS8_PREFIX);
        pkcs8[16..].copy_from_slice(identity.seed());
        let signer = any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
        let spki = [SPKI_PREFIX.as_slice(), myself.as_bytes()].concat();
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer));

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(AnyKey))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key.clone())));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { myself, provider, key, acceptor: TlsAcceptor::from(Arc::new(server)) })
    }

    pub async fn accept(&self, stream: Counted) -> Result<Channel, TransportError> {
        let stream = self.acceptor.accept(stream).await.map_err(tls_error)?;
        let connection = stream.get_ref().1;
        let peer = peer_of(connection)?;
        if peer == self.myself {
            return Err(TransportError::Myself);
        }
        let exporter = connection.export_keying_material(Zeroizing::new([0; 32]), EXPORTER_LABEL, None)?;
        Ok(Channel { stream: TlsStream::Server(stream), peer, exporter })
    }

    /// Shows this peer's key only to the expected one, or to anyone where none is expected.
    pub async fn dial(&self, stream: Counted, expected: Option<PeerId>) -> Result<Channel, TransportError> {
        let pinned = Arc::new(Pinned { myself: self.myself, expected, found: OnceLock::new() });
        let mut client = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(pinned.clone())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;

        // TLS requires a name; it is neither sent nor checked.
        let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let connected = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
        let stream = connected.map_err(|error| pinned.mismatch().unwrap_or_else(|| tls_error(error)))?;
        let connection = stream.get_ref().1;
        let peer = peer_of(connection)?;
        let exporter = connection.export_keying_material(Zeroizing::new([0; 32]), EXPORTER_LABEL, None)?;
        Ok(Channel { stream: TlsStream::Client(stream), peer, exporter })
    }
}

fn peer_of(connection: &CommonState) -> Result<PeerId, TransportError> {
    // TLS accepts a side that names no protocol at all.
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(TransportError::Version { theirs: None });
    }
    match connection.peer_certificates() {
        Some([key]) => Ok(public_key(key)?),
        _ => Err(TransportError::Protocol("it shows no key")),
    }
}

fn public_key(spki: &CertificateDer<'_>) -> Result<PeerId, Error> {
    spki.strip_prefix(&SPKI_PREFIX)
        .and_then(PeerId::from_slice)
        .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
}

fn tls_error(error: io::Error) -> TransportError {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(
            Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol),
        ) => TransportError::Version { theirs: None },
        Some(_) => TransportError::Protocol("it does not speak TLS 1.3 with raw public keys as a peer does"),
        None => TransportError::Broken(error),
    }
}

/// Keys are checked by the same strict rules as the signatures of changes, so that a key is valid everywhere
/// or nowhere.
fn verify_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let signature = <&[u8; 64]>::try_from(signed.signature());
    match (signed.scheme, signature) {
        (SignatureScheme::ED25519, Ok(signature))
            if identity::verify(&public_key(key)?, message, signature) =>
        {
            Ok(HandshakeSignatureValid::assertion())
        }
        _ => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled))
}

/// The listener's verifier: accepts any key, and makes the dialler prove that it holds it.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        public_key(key).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The dialler's verifier: the listener must hold the expected key, if there is one.
#[derive(Debug)]
struct Pinned {
    myself: PeerId,
    expected: Option<PeerId>,
    /// The key that the listener showed: a TLS error cannot carry it.
    found: OnceLock<PeerId>,
}

impl Pinned {
    fn mismatch(&self) -> Option<TransportError> {
        let found = *self.found.get()?;
        if found == self.myself {
            return Some(TransportError::Myself);
        }
        let expected = self.expected.filter(|expected| *expected != found)?;
        Some(TransportError::WrongKey { expected, found })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = public_key(key)?;
        self.found.get_or_init(|| key);
        match self.mismatch() {
            None => Ok(ServerCertVerified::assertion()),
            Some(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
