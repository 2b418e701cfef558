//! Small bodies, read straight into what they mean.

use serde::de::DeserializeOwned;
use serde_json::Value;
use service_edge::body;
use service_edge::problem::Fault;
use shared_events::values::AMOUNT_MAX;

use crate::http::problem::Problem;

/// Reads a body; the first member that does not fit is the fault.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let tree = with_integers(body::tree(bytes)?);
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::validation_failed(vec![Fault::new(pointer, error.into_inner().to_string())])
    })
}

/// The same, with `10.0` and `1e3` as the integers that they are.
fn with_integers(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let exact = |float: &f64| float.fract() == 0.0 && float.abs() <= AMOUNT_MAX as f64;
            match number.as_f64().filter(exact) {
                Some(float) if number.is_f64() => Value::from(float as i64),
                _ => Value::Number(number),
            }
        }
        Value::Array(items) => items.into_iter().map(with_integers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_integers(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// RFC 6901. Members of these bodies have plain names.
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter().map(|segment| format!("/{segment}")).collect()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        lane: u16,
    }

    #[test]
    fn a_body_is_read_or_its_fault_is_named() {
        for three in ["3", "3.0", "0.3e1"] {
            let body = format!(r#"{{"lane": {three}}}"#);
            assert_eq!(read::<Body>(body.as_bytes()).expect("fits"), Body { lane: 3 });
        }
        for (bad, status, member) in [
            (r#"{"lane": 70000}"#, 422, "/lane"),
            (r#"{"lane": 3.5}"#, 422, "/lane"),
            (r#"{"lane": 1e99}"#, 422, "/lane"),
            (r#"{"lane": 3, "line": 4}"#, 422, "/line"),
            ("{}", 422, ""),
            ("[]", 422, ""),
            (r#"{"lane": 3, "lane": 3}"#, 400, ""),
            ("{", 400, ""),
        ] {
            let problem = read::<Body>(bad.as_bytes()).expect_err(bad);
            let shown = format!("{problem:?}");
            assert!(shown.contains(member), "{bad}: {shown}");
            assert_eq!(problem.into_response().status(), status, "{bad}");
        }
    }
}
