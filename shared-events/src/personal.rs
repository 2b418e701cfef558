//! Personal data on an event: whose it is, and a sealed box that only the holder of that subject's key opens.
//!
//! The box is opaque here: log, topic and views carry it as it is, and the chain covers it by its hash.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::values::{Label, ValueError};

/// Personal data as it is recorded and published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// Whose data it is.
    pub subject: Label,
    /// The box, in base64url.
    pub sealed: Arc<str>,
}

impl Personal {
    /// What the chain covers: both members, each with its length in front.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for member in [self.subject.as_str(), &self.sealed] {
            hash.update((member.len() as u64).to_be_bytes());
            hash.update(member);
        }
        hash.finalize().into()
    }
}

/// As JSON, in a header.
impl fmt::Display for Personal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Personal {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        serde_json::from_str(text)
            .map_err(|_| ValueError { expected: "a subject and a sealed box" })
    }
}
