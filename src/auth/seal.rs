//! Values that leave the server, or rest in a store, and that nobody else may
//! read or make: sealed with AES-256-GCM.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    error::Unspecified,
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;
const INFO: &[u8] = b"fhir-mcp-server seal 1";

/// The system gives no randomness, or the library no cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers or no cipher")]
pub struct CryptoError;

impl From<Unspecified> for CryptoError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// A key that seals. Replicas that share one open each other's seals.
#[derive(Debug)]
pub struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// A key derived from a secret of the operator (HKDF with SHA-256): the
    /// same secret gives the same key after a restart and on every replica.
    ///
    /// # Errors
    /// [`CryptoError`].
    pub fn derive(secret: &[u8]) -> Result<Self, CryptoError> {
        let mut key = [0; KEY_LEN];
        Salt::new(HKDF_SHA256, INFO)
            .extract(secret)
            .expand(&[INFO], HKDF_SHA256)?
            .fill(&mut key)?;
        Ok(Self(RandomizedNonceKey::new(&AES_256_GCM, &key)?))
    }

    /// A key that nobody else has and that ends with the process.
    ///
    /// # Errors
    /// [`CryptoError`].
    pub fn random() -> Result<Self, CryptoError> {
        Self::derive(&random::<KEY_LEN>()?)
    }

    /// Seals bytes for one purpose: what was sealed for another does not open.
    ///
    /// # Errors
    /// [`CryptoError`].
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made with this key for this purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (cipher, nonce) = sealed.split_at_checked(sealed.len().checked_sub(NONCE_LEN)?)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = cipher.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let length = self.0.open_in_place(nonce, aad, &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    /// [`seal`](Self::seal), as text for a URL.
    ///
    /// # Errors
    /// [`CryptoError`].
    pub fn seal_text(&self, purpose: &str, plain: &[u8]) -> Result<String, CryptoError> {
        Ok(URL_SAFE_NO_PAD.encode(self.seal(purpose, plain)?))
    }

    /// Opens what [`seal_text`](Self::seal_text) made.
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open(purpose, &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }
}

/// Random bytes.
///
/// # Errors
/// [`CryptoError`].
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// 256 random bits as text for a URL: a token, a code, a state.
///
/// # Errors
/// [`CryptoError`].
pub fn random_text() -> Result<String, CryptoError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// SHA-256 as text for a URL. What is kept instead of a token.
pub fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares in a time that does not tell where they differ.
pub fn equal(left: &str, right: &str) -> bool {
    verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_purpose_and_key_alone() {
        let key = SealKey::derive(b"a secret of the operator").unwrap();
        let sealed = key.seal_text("a", b"plain").unwrap();
        assert!(!sealed.contains("plain"));
        assert_eq!(key.open_text("a", &sealed).unwrap(), b"plain");
        assert_eq!(key.open_text("b", &sealed), None);
        let same = SealKey::derive(b"a secret of the operator").unwrap();
        assert_eq!(same.open_text("a", &sealed).unwrap(), b"plain");
        for other in [SealKey::derive(b"another"), SealKey::random()] {
            assert_eq!(other.unwrap().open_text("a", &sealed), None);
        }
    }

    #[test]
    fn no_bit_may_change() {
        let key = SealKey::random().unwrap();
        let sealed = key.seal("a", b"plain").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open("a", &changed), None);
        }
        assert_eq!(key.open("a", b""), None);
        assert_eq!(key.open("a", &sealed[..NONCE_LEN]), None);
    }

    #[test]
    fn the_same_is_never_sealed_alike() {
        let key = SealKey::random().unwrap();
        assert_ne!(key.seal("a", b"").unwrap(), key.seal("a", b"").unwrap());
    }
}
