//! Queries of URIs, read like JSON objects.

use axum::http::Uri;
use serde_json::{Map, Value};

use crate::http::json::{Faults, JsonPointer, Object, read_tree};
use crate::http::problem::Problem;

/// Reads all parameters; unknown and repeated ones are faults, because a mistyped parameter must
/// not be ignored.
pub(crate) fn read<T: Object>(uri: &Uri, faults: &mut Faults) -> Option<T> {
    let mut parameters = Map::new();
    for (name, value) in pairs(uri) {
        if parameters.contains_key(&name) {
            faults.add(JsonPointer::Root.member(&name), "is given twice");
        }
        parameters.insert(name, typed(value));
    }
    read_tree(&Value::Object(parameters), JsonPointer::Root, faults)
}

/// Reads the query of a request that has nothing else to check.
pub(crate) fn parse<T: Object>(uri: &Uri) -> Result<T, Problem> {
    let mut faults = Faults::default();
    match read(uri, &mut faults) {
        Some(parameters) if faults.is_empty() => Ok(parameters),
        _ => Err(Problem::validation_failed(faults.into_vec())),
    }
}

fn pairs(uri: &Uri) -> Vec<(String, String)> {
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

/// A query has only text: digits stand for an integer, `true` and `false` for a boolean.
fn typed(text: String) -> Value {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits if is_number => digits.parse::<i64>().map_or(Value::String(text), Value::from),
        _ => Value::String(text),
    }
}
