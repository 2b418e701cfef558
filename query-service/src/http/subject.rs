//! Skus, locations and documents in paths and parameters.

use serde::Deserialize;
use shared_events::values::{LABEL_CHARS_MAX, Label, LocationCode, Sku, ValueError};

use crate::http::problem::Problem;

/// A sku in a path. Text that cannot be a sku is one that nobody registered.
pub fn sku(text: &str) -> Result<Sku, Problem> {
    text.parse().map_err(|_| Problem::unknown_sku(text.to_owned()))
}

/// A location in a path. Text that cannot be a location is one that nobody registered.
pub fn location(text: &str) -> Result<LocationCode, Problem> {
    text.parse().map_err(|_| Problem::unknown_location(text.to_owned()))
}

/// The parameter `reference`: a document's type and id with a slash between them. An id may have more
/// slashes, and so may the types of older events: a document is found by the whole text.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DocumentId(String);

impl DocumentId {
    /// What the text is compared with, in columns of references. There are indexes on it.
    pub const COLUMNS: &str = "reference_type || '/' || reference_id";

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DocumentId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_label = |part: &str| part.parse::<Label>().is_ok();
        let is_short = text.chars().count() <= 2 * LABEL_CHARS_MAX + 1;
        let mut parts = text.match_indices('/').map(|(at, _)| (&text[..at], &text[at + 1..]));
        if is_short && parts.any(|(kind, id)| is_label(kind) && is_label(id)) {
            Ok(Self(text))
        } else {
            Err("must be type/id, such as invoice/536365")
        }
    }
}

/// The parameter `sku_prefix`: text that a sku can begin with.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct SkuPrefix(String);

impl SkuPrefix {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SkuPrefix {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        // `.` and `..` are no skus, but skus begin with them.
        let is_dots = matches!(text.as_str(), "." | "..");
        if is_dots { Ok(Self(text)) } else { text.parse::<Sku>().map(|_| Self(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_any_text_that_can_be_a_type_and_an_id() {
        let longest = format!("{}/{}", "t".repeat(255), "/".repeat(255));
        for text in ["invoice/536365", "po/eu/7", "a b/c/", "//a/", "a//", &longest] {
            let document = DocumentId::try_from(text.to_owned());
            assert_eq!(document.as_ref().map(DocumentId::as_str), Ok(text));
        }
        for text in ["", "/", "a", "/a", "a/", "a/\u{0}", &"/".repeat(512)] {
            assert!(DocumentId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_any_text_that_a_sku_can_begin_with() {
        for text in [".", "..", "...", "85123", "~"] {
            assert!(SkuPrefix::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in ["", "a/b", "a b", &"a".repeat(65)] {
            assert!(SkuPrefix::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
