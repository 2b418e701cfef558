//! Sealing with AES-256-GCM-SIV: a nonce that comes twice by chance reveals only that the texts are equal.

use std::fmt;

use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

const NONCE_LEN: usize = 12;

/// A box that does not open: another key, another place, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the box does not open")]
pub(crate) struct SealError;

/// 256 bits. Debug hides them, and they are overwritten when they are dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A new key, from the system's source of randomness.
    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(random()))
    }

    pub(crate) fn of(bytes: &[u8]) -> Result<Self, SealError> {
        bytes.try_into().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| SealError)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(…)")
    }
}

/// Seals and opens with one key.
#[derive(Clone)]
pub(crate) struct Sealer(Aes256GcmSiv);

impl Sealer {
    pub(crate) fn new(key: &Key) -> Self {
        Self(Aes256GcmSiv::new(key.bytes().into()))
    }

    /// A nonce, the sealed text and its tag.
    pub(crate) fn seal(&self, text: &[u8], place: &[&[u8]]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let payload = Payload { msg: text, aad: &joined(place) };
        let sealed = self.0.encrypt((&nonce).into(), payload);
        let sealed = sealed.expect("a text is far below the limit of 64 GiB");
        [&nonce[..], &sealed].concat()
    }

    pub(crate) fn open(
        &self,
        sealed: &[u8],
        place: &[&[u8]],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let payload = Payload { msg: text, aad: &joined(place) };
        self.0.decrypt(nonce.into(), payload).map(Zeroizing::new).map_err(|_| SealError)
    }
}

/// The parts of a place, each with its length in front, so that no two places share an encoding.
fn joined(place: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(256);
    for part in place {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Random bytes.
///
/// # Panics
/// If the system has no randomness, without which nothing may be sealed.
pub(crate) fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    SysRng.try_fill_bytes(&mut bytes).expect("the system has randomness");
    bytes
}
