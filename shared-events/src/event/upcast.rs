//! Converts old JSON to today's, one function for each step. A released step never changes.

use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// Whether the version was written before today's.
pub(super) fn is_older(version: i16, today: i16) -> bool {
    (1..today).contains(&version)
}

/// Reads the JSON of a published version as the version that is written today.
pub(super) fn read<T: DeserializeOwned>(
    event_type: &str,
    schema_version: i16,
    json: &str,
) -> Result<T, Error> {
    match (event_type, schema_version) {
        ("StockAdjusted", 1) => {
            let mut data = serde_json::from_str(json)?;
            stock_adjusted_2(&mut data);
            serde_json::from_value(data)
        }
        // The figures of a stock event may have `incoming` since its last version, and a hold may be an order's.
        // Before that nothing was on its way, and there were no orders, which is what an absent member means.
        _ => serde_json::from_str(json),
    }
}

/// Version 2 adds `shortage`. When version 1 was written nothing was ever allocated, so there were no
/// shortages.
fn stock_adjusted_2(data: &mut Value) {
    if let Value::Object(members) = data {
        members.insert("shortage".to_owned(), Value::Bool(false));
    }
}
