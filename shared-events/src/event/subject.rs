//! The content of events about persons.

use serde::{Deserialize, Serialize};

use crate::values::Label;

/// A person's key was deleted.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectForgotten {
    pub subject: Label,
    /// Which key, as its number in hexadecimal.
    pub key: Label,
}
