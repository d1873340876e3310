//! Keys and signatures. A key is made from randomness that the caller brings.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::SeedableRng;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey};
use ed25519_zebra::{VerificationKeyBytes, batch};
use zeroize::Zeroizing;

use crate::id::PeerId;

/// 32 secret bytes in one allocation that all clones share, because moved or copied bytes would leave traces in
/// memory. Never printed; erased when the last clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Allocates zeroed bytes and lets `write` fill them in place. An error of `write` is returned.
    pub fn write<E>(write: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes: Arc<Zeroizing<[u8; 32]>> = Arc::default();
        write(&mut *Arc::make_mut(&mut bytes))?;
        Ok(Self(bytes))
    }

    /// Copies the bytes; the caller erases its own copy.
    pub fn copy_of(bytes: &[u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(*bytes)))
    }

    /// Reads 64 lower-case hexadecimal digits, the form in which secrets are stored in files; `None` for anything
    /// else.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        Self::write(|bytes| match text.len() == 2 * bytes.len() {
            true => HEXLOWER.decode_mut(text, bytes).map(drop).map_err(drop),
            false => Err(()),
        })
        .ok()
    }

    /// 64 lower-case hexadecimal digits, erased when dropped.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(self.bytes()))
    }

    /// Borrows the secret bytes; do not copy them.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret half of a peer: an Ed25519 key in one allocation that all clones share, as in [`Secret`]. Never
/// printed; erased from memory when the last clone is dropped.
#[derive(Clone)]
pub struct Identity(Arc<SigningKey>);

impl Identity {
    /// Derives the key from a 32-byte seed, which must be random and secret. The same seed gives the same key.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Arc::new(SigningKey::from_bytes(seed)))
    }

    /// The public key, which identifies this peer.
    pub fn peer(&self) -> PeerId {
        PeerId(self.0.verifying_key().to_bytes())
    }

    /// The seed that [`Identity::from_seed`] takes, for storing the identity.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Signs `message` with Ed25519.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.peer())
    }
}

/// Whether `signature` over `message` was made with the key `peer`, by the rules of [ZIP 215]. Keys of small order
/// are refused, because anybody could sign for them. All peers agree about every signature, and [`Batch`] agrees with
/// this.
///
/// [ZIP 215]: https://zips.z.cash/zip-0215
pub fn verify(peer: &PeerId, message: &[u8], signature: &[u8; 64]) -> bool {
    !is_weak(peer) && item(peer, message, signature).verify_single().is_ok()
}

/// Signatures that are verified together, each in a quarter to a third of the time that it takes alone.
#[derive(Default)]
pub struct Batch {
    signatures: batch::Verifier,
    weak: bool,
}

impl Batch {
    /// Adds a signature to verify.
    pub fn add(&mut self, peer: &PeerId, message: &[u8], signature: &[u8; 64]) {
        self.weak |= is_weak(peer);
        self.signatures.queue(item(peer, message, signature));
    }

    /// Whether [`verify`] holds for all of them. `seed` must be random and used once: somebody who knows it could
    /// construct wrong signatures that cancel each other out.
    pub fn verify(self, seed: [u8; 32]) -> bool {
        !self.weak && self.signatures.verify(ChaCha12Rng::from_seed(seed)).is_ok()
    }
}

fn item(peer: &PeerId, message: &[u8], signature: &[u8; 64]) -> batch::Item {
    (VerificationKeyBytes::from(peer.0), Signature::from_bytes(signature), message).into()
}

/// Whether the key is one of the eight points of small order, in any encoding that is read as one.
fn is_weak(peer: &PeerId) -> bool {
    let mut y = peer.0;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The *y* coordinates of the points of small order, with the non-canonical encodings of 0 and 1. The sign of *x* is
/// left out.
const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut y = [middle; 32];
        y[0] = first;
        y[31] = last;
        y
    }
    const A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let (minus_one, zero, one) = (ends(0xec, 0xff, 0x7f), ends(0xed, 0xff, 0x7f), ends(0xee, 0xff, 0x7f));
    [ends(0, 0, 0), ends(1, 0, 0), A, B, minus_one, zero, one]
};

/// The secret that admits a peer to a mesh: shared by all its peers, and handed on in tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSecret(pub Secret);

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
    use curve25519_dalek::scalar::Scalar;
    use sha2::{Digest, Sha512};

    use super::*;

    type Signed = (PeerId, Vec<u8>, [u8; 64]);

    fn alone((peer, message, signature): &Signed) -> bool {
        verify(peer, message, signature)
    }

    fn together<'a>(signed: impl IntoIterator<Item = &'a Signed>) -> bool {
        let mut batch = Batch::default();
        signed.into_iter().for_each(|(peer, message, signature)| batch.add(peer, message, signature));
        batch.verify([5; 32])
    }

    fn good(number: u8) -> Signed {
        let identity = Identity::from_seed(&[number % 3; 32]);
        let message = vec![number; 40];
        let signature = identity.sign(&message);
        (identity.peer(), message, signature)
    }

    /// A valid signature whose key and *R* have components of small order, as its owner can construct.
    fn mixed(key_part: EdwardsPoint, r_part: EdwardsPoint, number: u8) -> Signed {
        let (secret, nonce) = (Scalar::from(1_000 + u64::from(number)), Scalar::from(77u64));
        let key = (secret * ED25519_BASEPOINT_POINT + key_part).compress().to_bytes();
        let r = (nonce * ED25519_BASEPOINT_POINT + r_part).compress().to_bytes();
        let message = vec![number; 20];
        let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(&message).finalize();
        let s = nonce + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(s.as_bytes());
        (PeerId(key), message, signature)
    }

    #[test]
    fn the_keys_of_small_order_are_known_in_every_encoding() {
        let mut found = 0;
        let encodings = (0..=255u8).flat_map(|low| {
            // The canonical ones, and those of y + p, which begin with 0xed and more.
            let high = [0xffu8; 31];
            let mut second = [low; 32];
            second[1..].copy_from_slice(&high);
            second[31] = 0x7f;
            let mut first = [0; 32];
            first[0] = low;
            [first, second]
        });
        let known = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes());
        for mut bytes in encodings.chain(known) {
            for sign in [0, 0x80] {
                bytes[31] = bytes[31] & 0x7f | sign;
                let point = CompressedEdwardsY(bytes).decompress();
                let weak = point.is_some_and(|point| point.is_small_order());
                assert_eq!(is_weak(&PeerId(bytes)) && point.is_some(), weak, "{bytes:02x?}");
                found += usize::from(weak);
            }
        }
        assert!(found >= 14, "{found}");
    }

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        for point in EIGHT_TORSION {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(EIGHT_TORSION[0].compress().as_bytes());
            let signed = (PeerId(point.compress().to_bytes()), b"anything".to_vec(), signature);
            assert!(!alone(&signed) && !together([&signed]) && !together([&good(1), &signed]));
        }
    }

    /// Otherwise a peer's history would depend on which changes came in the same frame.
    #[test]
    fn a_signature_is_worth_the_same_alone_and_in_any_company() {
        let mut valid: Vec<Signed> = (0..20).map(good).collect();
        for (number, key_part) in EIGHT_TORSION.into_iter().enumerate() {
            for (more, r_part) in EIGHT_TORSION.into_iter().enumerate() {
                valid.push(mixed(key_part, r_part, (8 * number + more) as u8));
            }
        }
        for signed in &valid {
            assert!(alone(signed) && together([signed]), "{signed:02x?}");
        }
        assert!(together(&valid));
        assert!(together(&[]));
        let (peer, message, signature) = good(1);
        for bit in 0..512 {
            let mut bad = signature;
            bad[bit / 8] ^= 1 << (bit % 8);
            let bad = (peer, message.clone(), bad);
            assert!(!alone(&bad) && !together([&bad]), "{bit}");
            assert!(!together(valid.iter().take(bit % 21).chain([&bad])), "{bit}");
        }
        // Two wrong signatures whose errors cancel out if they are summed without random factors.
        let [mut one, mut other] = [good(3), good(4)];
        let shift = |signature: &mut [u8; 64], by: Scalar| {
            let s: [u8; 32] = signature[32..].try_into().unwrap();
            signature[32..].copy_from_slice((Scalar::from_bytes_mod_order(s) + by).as_bytes());
        };
        shift(&mut one.2, Scalar::ONE);
        shift(&mut other.2, -Scalar::ONE);
        assert!(!alone(&one) && !alone(&other) && !together([&one, &other]));
    }

    /// Its order added to *S* gives a second signature for everybody else's message.
    #[test]
    fn nobody_else_can_make_another_signature_of_one() {
        let order_minus_one = -Scalar::ONE;
        let (peer, message, mut signature) = good(2);
        let mut carry = 1u16;
        for (byte, order) in signature[32..].iter_mut().zip(order_minus_one.as_bytes()) {
            carry += u16::from(*byte) + u16::from(*order);
            *byte = carry as u8;
            carry >>= 8;
        }
        let other = (peer, message, signature);
        assert!(!alone(&other) && !together([&other]));
    }
}
