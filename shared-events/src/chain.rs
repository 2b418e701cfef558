//! The chain: a running SHA-256 over a lane, which reveals changed, lost and added events.
//!
//! Each link covers the link before it and every published member of the event. Each member is preceded
//! by its length (4 bytes, big-endian), so no two events share an encoding. The data is covered by its
//! hash, so data can be redacted without breaking the chain: the event keeps the hash of what it had.
//!
//! The version of a link follows from what the event has, so that no event changes its link: version 1
//! covers an event without a caller; version 2 covers the caller, too, and version 3 the hash of personal data.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::lane::{Lane, Position, Version};
use crate::time::Timestamp;
use crate::values::{ValueError, serde_as_text};

/// One link: 32 bytes, written in lower-case hex. The link before the first position is all zeros.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

/// A SHA-256 of something that is recorded, written in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// Writes and reads 32 bytes as lower-case hex.
macro_rules! as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 64];
                hex::encode_to_slice(self.0, &mut text).expect("32 bytes are 64 digits");
                out.write_str(str::from_utf8(&text).expect("digits are text"))
            }
        }

        serde_as_text!($name);

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| ValueError { expected: "64 hexadecimal digits" })?;
                Ok(Self(bytes))
            }
        }
    };
}

as_hex!(Chain);
as_hex!(Hash);

/// SHA-256 of an event's stored data.
pub fn data_hash(data: &str) -> [u8; 32] {
    Sha256::digest(data.as_bytes()).into()
}

/// The members of an event that its link covers.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub lane: Lane,
    pub position: Position,
    pub stream: &'a str,
    pub version: Version,
    pub event_type: &'a str,
    pub schema_version: i16,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub actor: Option<&'a str>,
    pub correlation_id: &'a str,
    pub causation_id: Option<&'a str>,
    pub data_hash: [u8; 32],
    /// Since version 2.
    pub caller: Option<&'a str>,
    /// The hash of personal data, since version 3.
    pub personal: Option<[u8; 32]>,
}

/// Which members the link of an event covers.
pub fn version(has_caller: bool, has_personal: bool) -> u8 {
    match (has_caller, has_personal) {
        (_, true) => 3,
        (true, false) => 2,
        (false, false) => 1,
    }
}

impl Link<'_> {
    /// The chain after this event, given the chain before it.
    ///
    /// Numbers are 8 bytes, big-endian; times are microseconds since 1970; an absent member has
    /// length 0, which no present one can have.
    pub fn after(&self, previous: Chain) -> Chain {
        // One buffer, because hashing one long text is faster than hashing many short ones.
        let mut text = Vec::with_capacity(512);
        let mut member = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).expect("a member is far below 4 GiB");
            text.extend_from_slice(&length.to_be_bytes());
            text.extend_from_slice(bytes);
        };
        member(&previous.0);
        member(&i64::from(self.lane.0).to_be_bytes());
        member(&self.position.0.to_be_bytes());
        member(self.stream.as_bytes());
        member(&self.version.0.to_be_bytes());
        member(self.event_type.as_bytes());
        member(&i64::from(self.schema_version).to_be_bytes());
        member(&self.occurred_at.unix_micros().to_be_bytes());
        member(&self.recorded_at.unix_micros().to_be_bytes());
        member(self.actor.unwrap_or_default().as_bytes());
        member(self.correlation_id.as_bytes());
        member(self.causation_id.unwrap_or_default().as_bytes());
        member(&self.data_hash);
        if self.caller.is_some() || self.personal.is_some() {
            member(self.caller.unwrap_or_default().as_bytes());
        }
        if let Some(hash) = &self.personal {
            member(hash);
        }
        Chain(Sha256::digest(&text).into())
    }
}
