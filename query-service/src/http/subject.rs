//! Skus, locations and documents in paths and parameters.

use serde::Deserialize;
use shared_events::values::{Label, LocationCode, Sku};

use crate::http::problem::Problem;

/// A sku in a path. Text that cannot be a sku is one that nobody registered.
pub fn sku(text: &str) -> Result<Sku, Problem> {
    text.parse().map_err(|_| Problem::unknown_sku(text.to_owned()))
}

/// A location in a path. Text that cannot be a location is one that nobody registered.
pub fn location(text: &str) -> Result<LocationCode, Problem> {
    text.parse().map_err(|_| Problem::unknown_location(text.to_owned()))
}

/// The parameter `reference`: a document's type and id with a slash between them.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DocumentId {
    pub kind: Label,
    pub id: Label,
}

impl TryFrom<String> for DocumentId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parse = |(kind, id): (&str, &str)| {
            Some(Self { kind: kind.parse().ok()?, id: id.parse().ok()? })
        };
        text.split_once('/').and_then(parse).ok_or("must be type/id, such as invoice/536365")
    }
}
