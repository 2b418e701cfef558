//! JSON Schemas (draft-07) of everything that Stockbook's topics carry, by type and version.
//!
//! They are published: a file has them as they were when each version was first written, and a test compares
//! those of today's versions with the code. A change of one is refused; it needs a new version.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::value::RawValue;

/// A schema on each line, by type and version.
static ALL: LazyLock<BTreeMap<&str, &RawValue>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../schemas.json")).expect("the file is one of schemas")
});

/// The schema of the value of a record.
pub fn of(record_type: &str, version: i16) -> Option<&'static str> {
    ALL.get(&*name(record_type, version)).map(|schema| schema.get())
}

/// Where the schema of a type and version is found below `/schemas/`.
pub fn name(record_type: &str, version: i16) -> String {
    format!("{record_type}/{version}")
}
