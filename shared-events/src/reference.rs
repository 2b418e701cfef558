//! References to documents outside Stockbook.

use serde::{Deserialize, Serialize};

use crate::values::Label;

/// The external document behind an event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The kind of document, such as `invoice`.
    #[serde(rename = "type")]
    pub kind: Label,
    /// The id of the document.
    pub id: Label,
    /// A line of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Label>,
}
