//! SHA-256 over several texts. The digests are stored, so they never change.

use sha2::{Digest, Sha256};

/// Each part with its length in front, so no two lists of parts share an encoding.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
