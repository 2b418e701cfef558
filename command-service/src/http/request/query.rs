//! Queries of URIs, read like JSON objects.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::Uri;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};

use crate::http::json::{Faults, JsonPointer, Member, Object, read_tree};
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

/// A query has only text: digits stand for an integer, `true` and `false` for a boolean. Nothing is lost:
/// [`AnyText`] gets back the same text.
fn typed(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits => match digits.parse::<i64>() {
            Ok(number) if number >= 0 && number.to_string() == digits => Value::from(number),
            _ => Value::String(text),
        },
    }
}

/// A parameter that is text, even if it looks like an integer or a boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnyText<T>(pub(crate) T);

impl<T: Member + FromStr<Err: Display>> Member for AnyText<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map(Self).map_err(D::Error::custom)
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared_events::values::Label;

    use super::*;

    #[test]
    fn text_that_looks_like_something_else_stays_the_same_text() {
        for text in ["0", "17", "000", "-1", "9223372036854775808", "true", "null", "1e3", "x"] {
            let AnyText(label) = AnyText::<Label>::read(typed(text.to_owned())).expect("a label");
            assert_eq!(label.as_str(), text);
        }
        assert!(AnyText::<Label>::read(typed(String::new())).is_err());
        assert_eq!(typed("17".to_owned()), json!(17));
    }
}
