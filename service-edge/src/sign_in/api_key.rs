//! API keys: their text, and what is stored of them.

use std::fmt;
use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use rand::distr::{Alphanumeric, SampleString};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::scope::Scope;

/// What every key begins with, so that scanners of leaked secrets find it.
pub(super) const PREFIX: &str = "sbk_";

/// Letters and digits of an id.
const ID_LEN: usize = 12;

/// Letters and digits of a secret: 62^43 is a little more than 2^256.
const SECRET_LEN: usize = 43;

/// The text of a key, which is shown once. Debug hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
}

impl ApiKey {
    /// A new key, from the system's source of randomness.
    pub fn random() -> Self {
        let mut chance = UnwrapErr(SysRng);
        let id = Alphanumeric.sample_string(&mut chance, ID_LEN);
        let secret = Alphanumeric.sample_string(&mut chance, SECRET_LEN);
        Self { text: format!("{PREFIX}{id}_{secret}") }
    }

    /// Reads a key; `None` if the text has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_word = |part: &str, len: usize| {
            part.len() == len && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_key = is_word(id, ID_LEN) && is_word(secret, SECRET_LEN);
        is_key.then(|| Self { text: text.to_owned() })
    }

    /// Names the key without its secret.
    pub fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID_LEN]
    }

    /// The whole text, for the one who gets the key.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(&self.text).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}_…", self.id())
    }
}

impl std::str::FromStr for ApiKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("must be an API key, sbk_…")
    }
}

/// SHA-256 of a key. A key is 256 random bits, so a fast hash is enough: there is nothing to guess.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares without giving away by its time how much is equal.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for KeyHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyHash(…)")
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut bytes = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut bytes)
            .map_err(D::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// A key that is not revoked, as the services know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredKey {
    pub id: String,
    pub hash: KeyHash,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// All, if absent.
    pub locations: Option<Vec<String>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Requests a second.
    pub rate: Option<NonZeroU32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let key = ApiKey::random();
        let read = ApiKey::parse(key.reveal()).expect("a key");
        assert!(read == key && read.hash().is(&key.hash()));
        assert!(!ApiKey::random().hash().is(&key.hash()));
        for part in [key.id().len(), key.reveal().len()] {
            assert!([ID_LEN, PREFIX.len() + ID_LEN + 1 + SECRET_LEN].contains(&part));
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        let key = ApiKey::random();
        let text = key.reveal();
        for other in [
            "",
            "sbk_",
            "sbk__",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}a"),
            &text.replace("sbk_", "sbx_"),
        ] {
            assert_eq!(ApiKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn debug_shows_no_secret_and_no_hash() {
        let key = ApiKey::random();
        let secret = &key.reveal()[PREFIX.len() + ID_LEN + 1..];
        let stored = StoredKey {
            id: key.id().to_owned(),
            hash: key.hash(),
            name: "shop".to_owned(),
            scopes: Vec::new(),
            locations: None,
            expires_at: None,
            rate: None,
        };
        let shown = format!("{key:?} {:?} {stored:?}", key.hash());
        assert!(!shown.contains(secret), "{shown}");
        assert!(!shown.contains(&hex::encode(key.hash().as_bytes())), "{shown}");
    }
}
