//! What a key may be repeated with, as a hash.

use axum::body::Bytes;
use axum::extract::MatchedPath;
use axum::http::request::Parts;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The hash of a request: its route and its body as sent.
pub(super) fn of_request(head: &Parts, body: &Bytes) -> [u8; 32] {
    let route = head.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    hash([head.method.as_str().as_bytes(), route.as_bytes(), head.uri.path().as_bytes(), body])
}

/// The hash of a command in a batch: its type and its other members.
pub(super) fn of_command(members: &Map<String, Value>) -> [u8; 32] {
    let members: Vec<(&str, String)> =
        members.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    let parts = members.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    hash(std::iter::once(b"batch".as_slice()).chain(parts))
}

/// Each part with its length in front, so no two lists of parts share an encoding.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
