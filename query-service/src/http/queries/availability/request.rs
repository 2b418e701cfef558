//! The body of a question: parsed by hand, so that all its faults are told at once.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::problem::{Fault, Problem};
use crate::http::queries::stock::figures::Subject;
use crate::http::queries::{location, sku};

/// Pairs of one question.
const PAIRS_MAX: usize = 5_000;

/// Which pairs are asked for.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body, which is parsed by hand")]
pub(super) struct Question {
    /// 1 to 5,000.
    pairs: Vec<AskedPair>,
}

/// One pair, or one sku everywhere.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body, which is parsed by hand")]
struct AskedPair {
    /// The item.
    sku: String,
    /// Where; left out, everywhere.
    location: Option<String>,
}

/// One pair as it was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) sku: String,
    pub(super) location: Option<String>,
    /// What it names; text that can be no name is one that nobody registered.
    pub(super) subject: Result<Subject, Problem>,
}

impl Asked {
    fn new(sku_text: String, location_text: Option<String>) -> Self {
        let location_named = location_text.as_deref().map(location).transpose();
        let subject =
            sku(&sku_text).and_then(|sku| location_named.map(|location| Subject { sku, location }));
        Self { sku: sku_text, location: location_text, subject }
    }
}

/// Reads a question.
///
/// # Errors
/// There is none, or it does not fit; then all that is wrong with it is told.
pub(super) fn read(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Vec<Asked>, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge,
        _ => Problem::MalformedBody("the body did not arrive whole".to_owned()),
    })?;
    if body.is_empty() {
        return Err(Problem::MalformedBody("there is no body".to_owned()));
    }
    if !is_json(headers) {
        return Err(Problem::UnsupportedMediaType);
    }
    let json: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::MalformedBody(format!("the body is not JSON: {error}")))?;
    let mut faults = Vec::new();
    let asked = pairs(json, &mut faults);
    if faults.is_empty() { Ok(asked) } else { Err(Problem::ValidationFailed(faults)) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn pairs(json: Value, faults: &mut Vec<Fault>) -> Vec<Asked> {
    let Some(mut members) = object(json, "", faults) else {
        return Vec::new();
    };
    let given = members.remove("pairs");
    refuse_others(&members, "", faults);
    match given {
        Some(Value::Array(pairs)) if (1..=PAIRS_MAX).contains(&pairs.len()) => {
            let read = |(index, pair)| pair_at(pair, &format!("/pairs/{index}"), faults);
            pairs.into_iter().enumerate().filter_map(read).collect()
        }
        Some(_) => {
            faults.push(Fault::at("/pairs", &format!("must be a list of 1 to {PAIRS_MAX} pairs")));
            Vec::new()
        }
        None => {
            faults.push(Fault::at("/pairs", "is missing"));
            Vec::new()
        }
    }
}

fn pair_at(json: Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<Asked> {
    let mut members = object(json, pointer, faults)?;
    let sku = match members.remove("sku") {
        Some(Value::String(sku)) => Some(sku),
        given => {
            let message = if given.is_some() { "must be text" } else { "is missing" };
            faults.push(Fault::at(&format!("{pointer}/sku"), message));
            None
        }
    };
    let location = match members.remove("location") {
        Some(Value::String(location)) => Some(location),
        None | Some(Value::Null) => None,
        Some(_) => {
            faults.push(Fault::at(&format!("{pointer}/location"), "must be text"));
            None
        }
    };
    refuse_others(&members, pointer, faults);
    sku.map(|sku| Asked::new(sku, location))
}

fn object(json: Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<Map<String, Value>> {
    match json {
        Value::Object(members) => Some(members),
        _ => {
            faults.push(Fault::at(pointer, "must be an object"));
            None
        }
    }
}

/// Ignoring a member would answer another question.
fn refuse_others(members: &Map<String, Value>, pointer: &str, faults: &mut Vec<Fault>) {
    for name in members.keys() {
        let name = name.replace('~', "~0").replace('/', "~1");
        faults.push(Fault::at(&format!("{pointer}/{name}"), "is not known here"));
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read_text(text: &'static str) -> Result<Vec<Asked>, Problem> {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        let headers = [(CONTENT_TYPE, json)].into_iter().collect();
        read(&headers, Ok(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn pairs_and_skus_are_read_in_order() {
        let text = r#"{"pairs":[{"sku":"A","location":"MAIN"},{"sku":"B"},{"sku":"a b"}]}"#;
        let asked = read_text(text).expect("a question");
        let names: Vec<_> =
            asked.iter().map(|one| (one.sku.as_str(), one.location.is_some())).collect();
        assert_eq!(names, [("A", true), ("B", false), ("a b", false)]);
        assert!(matches!(asked[2].subject, Err(Problem::UnknownSku(_))));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = r#"{"pairs":[{"sku":1},{"location":"MAIN"},7,{"sku":"A","lo/t":2}],"x":1}"#;
        let Err(Problem::ValidationFailed(faults)) = read_text(text) else {
            panic!("not refused as it should be");
        };
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/x", "/pairs/0/sku", "/pairs/1/sku", "/pairs/2", "/pairs/3/lo~1t"]);
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert!(matches!(read_text(""), Err(Problem::MalformedBody(_))));
        assert!(matches!(read_text("{"), Err(Problem::MalformedBody(_))));
        for bad in ["{}", "[]", r#"{"pairs":[]}"#, r#"{"pairs":{}}"#] {
            assert!(matches!(read_text(bad), Err(Problem::ValidationFailed(_))), "{bad}");
        }
        let bare = read(&HeaderMap::new(), Ok(Bytes::from_static(b"{}")));
        assert!(matches!(bare, Err(Problem::UnsupportedMediaType)));
    }
}
