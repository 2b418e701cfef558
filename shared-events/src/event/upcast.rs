//! Converts old JSON to today's, one function for each step. A released step never changes.

use serde_json::{Error, Value};

/// Whether the version was written before today's.
pub(super) fn is_older(version: i16, today: i16) -> bool {
    (1..today).contains(&version)
}

/// Converts the JSON of a published version to the version that is written today.
pub(super) fn upcast(event_type: &str, schema_version: i16, json: &str) -> Result<Value, Error> {
    let mut data = serde_json::from_str(json)?;
    if (event_type, schema_version) == ("StockAdjusted", 1) {
        stock_adjusted_2(&mut data);
    }
    Ok(data)
}

/// Version 2 adds `shortage`. When version 1 was written nothing was ever allocated, so there were no
/// shortages.
fn stock_adjusted_2(data: &mut Value) {
    if let Value::Object(members) = data {
        members.insert("shortage".to_owned(), Value::Bool(false));
    }
}
