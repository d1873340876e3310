//! Keys and signatures. A key is made from randomness that the caller brings.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use zeroize::Zeroizing;

use crate::id::PeerId;

/// 32 bytes that stand at one place of the heap, however often they are handed on: what is moved or copied leaves itself
/// behind. Never printed; erased when the last handle is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Has the bytes written where they stay.
    pub fn write<E>(write: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes: Arc<Zeroizing<[u8; 32]>> = Arc::default();
        write(&mut *Arc::make_mut(&mut bytes))?;
        Ok(Self(bytes))
    }

    pub fn copy_of(bytes: &[u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(*bytes)))
    }

    /// Lower-case hexadecimal, as secrets stand in files; `None` for anything else.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        Self::write(|bytes| match text.len() == 2 * bytes.len() {
            true => HEXLOWER.decode_mut(text, bytes).map(drop).map_err(drop),
            false => Err(()),
        })
        .ok()
    }

    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(self.bytes()))
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret half of a peer: an Ed25519 key, which stands at one place of the heap as a [`Secret`] does. Never printed;
/// erased from memory when the last handle is dropped.
#[derive(Clone)]
pub struct Identity(Arc<SigningKey>);

impl Identity {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Arc::new(SigningKey::from_bytes(seed)))
    }

    pub fn peer(&self) -> PeerId {
        PeerId(self.0.verifying_key().to_bytes())
    }

    /// The 32-byte secret, to be stored.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.peer())
    }
}

/// Whether `signature` over `message` was made with the key `peer`, by the rules of `ed25519-dalek`'s
/// `verify_strict`: small-order points and non-canonical encodings are refused, so all peers agree.
///
/// It does not decompress *R* as that does, which takes a fifth of its time: where the recomputed *R* has exactly
/// the bytes of the signature's, these are the one encoding of a point, and of small order if they are one of
/// eight.
pub fn verify(peer: &PeerId, message: &[u8], signature: &[u8; 64]) -> bool {
    let Some(r) = signature.first_chunk::<32>() else { return false };
    VerifyingKey::from_bytes(&peer.0).is_ok_and(|key| {
        !key.is_weak()
            && !SMALL_ORDER.contains(r)
            && key.verify(message, &Signature::from_bytes(signature)).is_ok()
    })
}

/// The points of small order as they are encoded: all eight.
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut point = [middle; 32];
        point[0] = first;
        point[31] = last;
        point
    }
    const fn signed(mut point: [u8; 32]) -> [u8; 32] {
        point[31] |= 0x80;
        point
    }
    const A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    [ends(1, 0, 0), ends(0xec, 0xff, 0x7f), ends(0, 0, 0), ends(0, 0, 0x80), A, signed(A), B, signed(B)]
};

/// What makes a peer a member: shared by the whole mesh, handed on in tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSecret(pub Secret);

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(peer: &PeerId, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&peer.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }

    #[test]
    fn the_points_of_small_order_are_eight_encodings_of_such_points() {
        for (index, point) in SMALL_ORDER.iter().enumerate() {
            let key = VerifyingKey::from_bytes(point).expect("a point");
            assert!(key.is_weak(), "{index}");
            assert!(!SMALL_ORDER[..index].contains(point), "{index}");
        }
    }

    /// With a key of small order, or *S* zero and *R* of small order, lax rules accept what strict ones refuse.
    #[test]
    fn the_verdict_is_that_of_the_strict_rules() {
        let identity = Identity::from_seed(&[7; 32]);
        let mut keys = vec![identity.peer()];
        keys.extend(SMALL_ORDER.map(PeerId));
        let mut accepted = 0;
        for text in 0..64u8 {
            let message = [text; 40];
            let good = identity.sign(&message);
            let mut signatures = vec![good];
            for bit in (0..512).step_by(7) {
                let mut bad = good;
                bad[bit / 8] ^= 1 << (bit % 8);
                signatures.push(bad);
            }
            for r in SMALL_ORDER {
                let mut torsion = [0; 64];
                torsion[..32].copy_from_slice(&r);
                signatures.push(torsion);
            }
            for key in &keys {
                for signature in &signatures {
                    let verdict = verify(key, &message, signature);
                    assert_eq!(verdict, strict(key, &message, signature), "{key} {signature:02x?}");
                    accepted += usize::from(verdict);
                }
            }
        }
        assert_eq!(accepted, 64, "each of the good ones");
    }
}
