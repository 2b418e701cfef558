//! The headers of a request.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH};
use shared_events::lane::Version;
use shared_events::values::{AMOUNT_MAX, Label};
use utoipa::IntoParams;

use crate::http::json::values::Key;
use crate::http::json::{Faults, JsonPointer};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
const ACTOR: HeaderName = HeaderName::from_static("actor");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers of every command.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "headers are read one by one")]
pub(crate) struct CommandHeaders {
    /// A name for this request, so that repeating it has one effect: 1 to 255 printable ASCII.
    #[param(rename = "Idempotency-Key", required = false, pattern = "^[!-~]([ -~]{0,253}[!-~])?$")]
    idempotency_key: String,
    /// What belongs together; made if absent, and always answered.
    #[param(rename = "Correlation-Id", required = false, pattern = "^[!-~]([ -~]{0,253}[!-~])?$")]
    correlation_id: String,
    /// Who asks, as an opaque id.
    #[param(rename = "Actor", required = false, pattern = "^[!-~]([ -~]{0,253}[!-~])?$")]
    actor: String,
    /// W3C Trace Context.
    #[param(required = false)]
    traceparent: String,
}

/// The further header of a command of one stream.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "headers are read one by one")]
pub(crate) struct Precondition {
    /// Refuse unless the stream is at this version, such as `"7"`; `"0"` is no history.
    #[param(rename = "If-Match", required = false, pattern = "^\"[0-9]{1,15}\"$")]
    if_match: String,
}

pub(crate) fn idempotency_key(headers: &HeaderMap, faults: &mut Faults) -> Option<Label> {
    parsed(headers, &IDEMPOTENCY_KEY, "Idempotency-Key", faults).map(|Key(key)| key)
}

pub(crate) fn has_idempotency_key(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENCY_KEY)
}

pub(crate) fn actor(headers: &HeaderMap, faults: &mut Faults) -> Option<Label> {
    parsed(headers, &ACTOR, "Actor", faults)
}

pub(crate) fn correlation_id(headers: &HeaderMap, faults: &mut Faults) -> Option<Label> {
    parsed(headers, &CORRELATION_ID, "Correlation-Id", faults)
}

/// The trace. The standard (<https://www.w3.org/TR/trace-context/>) wants a malformed one ignored.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<Label> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else {
        return None;
    };
    let is_hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let is_valid = *version == "00"
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(parent, 16)
        && is_set(parent)
        && is_hex(flags, 2);
    if is_valid { text.parse().ok() } else { None }
}

/// The version that If-Match names, such as `"7"`, for commands of one stream.
pub(crate) fn if_match(
    headers: &HeaderMap,
    is_of_one_stream: bool,
    faults: &mut Faults,
) -> Option<Version> {
    let text = only(headers, &IF_MATCH, "If-Match", faults)?;
    if !is_of_one_stream {
        // Ignoring it would execute what the caller wanted guarded.
        add(faults, "If-Match", "is for one stream; name expected_version on a line");
        return None;
    }
    let version = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|version| *version <= AMOUNT_MAX);
    if version.is_none() {
        add(faults, "If-Match", "must be one version in quotes, such as \"7\"");
    }
    version.map(Version)
}

fn parsed<T: FromStr<Err: Display>>(
    headers: &HeaderMap,
    name: &HeaderName,
    shown: &str,
    faults: &mut Faults,
) -> Option<T> {
    match only(headers, name, shown, faults)?.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            add(faults, shown, error);
            None
        }
    }
}

/// The value of a header that may come once.
fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown: &str,
    faults: &mut Faults,
) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if values.next().is_none() => Some(text),
        Ok(_) => {
            add(faults, shown, "is given twice");
            None
        }
        Err(_) => {
            add(faults, shown, "must be UTF-8");
            None
        }
    }
}

fn add(faults: &mut Faults, header: &str, message: impl Display) {
    faults.add(JsonPointer::Root.member(header), message);
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, text: &str) -> HeaderMap {
        [(name, HeaderValue::from_str(text).expect("a header's value"))].into_iter().collect()
    }

    #[test]
    fn a_precondition_that_cannot_be_read_is_a_fault() {
        let read = |text: &str| {
            let mut faults = Faults::default();
            let version = if_match(&headers(IF_MATCH, text), true, &mut faults);
            assert_eq!(version.is_none(), !faults.into_vec().is_empty(), "{text}");
            version.map(|version| version.0)
        };
        assert_eq!(read("\"7\""), Some(7));
        assert_eq!(read("\"0\""), Some(0));
        for bad in ["7", "W/\"7\"", "*", "\"\"", "\"+7\"", "\"7\", \"8\"", "\"9007199254740992\""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_traceparent_that_is_not_in_the_standards_form_is_ignored() {
        let read = |text: &str| traceparent(&headers(TRACEPARENT, text)).map(String::from);
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(trace).as_deref(), Some(trace));
        let no_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let no_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        let more = format!("{trace}-x");
        for bad in ["junk", no_trace, no_parent, &trace.to_uppercase(), &trace[..54], &more] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
