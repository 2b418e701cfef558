//! The headers of a request.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use shared_events::lane::Version;
use shared_events::values::{AMOUNT_MAX, Label};
use utoipa::IntoParams;

use crate::http::json::values::Key;
use crate::http::json::{Faults, JsonPointer};
use crate::inventory::Precondition;

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

/// The further headers of a command of one stream.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "headers are read one by one")]
pub(crate) struct PreconditionHeaders {
    /// Refuse unless the stream is at this version, such as `"7"`; `"0"` is no history, `*` any
    /// history.
    #[param(rename = "If-Match", required = false, pattern = "^(\"[0-9]{1,15}\"|[*])$")]
    if_match: String,
    /// Only `*`: refuse unless there is no history yet.
    #[param(rename = "If-None-Match", required = false, pattern = "^[*]$")]
    if_none_match: String,
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

/// What If-Match or If-None-Match requires, for commands of one stream. A condition that cannot be
/// checked is a fault: ignoring it would execute what the caller wanted guarded.
pub(crate) fn precondition(
    headers: &HeaderMap,
    is_of_one_stream: bool,
    faults: &mut Faults,
) -> Option<Precondition> {
    if headers.contains_key(IF_UNMODIFIED_SINCE) {
        add(faults, "If-Unmodified-Since", "is not checked here; name a version with If-Match");
    }
    let if_match = only(headers, &IF_MATCH, "If-Match", faults);
    let if_none_match = only(headers, &IF_NONE_MATCH, "If-None-Match", faults);
    if !is_of_one_stream {
        for (shown, value) in [("If-Match", if_match), ("If-None-Match", if_none_match)] {
            if value.is_some() {
                add(faults, shown, "is for one stream; name expected_version on a line");
            }
        }
        return None;
    }
    match (if_match, if_none_match) {
        (None, None) => None,
        (Some("*"), None) => Some(Precondition::Exists),
        (Some(text), None) => {
            let version = quoted_version(text);
            if version.is_none() {
                add(faults, "If-Match", "must be one version in quotes, such as \"7\", or *");
            }
            version.map(Precondition::Version)
        }
        (None, Some("*")) => Some(Precondition::Version(Version(0))),
        (None, Some(_)) => {
            add(faults, "If-None-Match", "must be *");
            None
        }
        (Some(_), Some(_)) => {
            add(faults, "If-None-Match", "must not be given with If-Match");
            None
        }
    }
}

fn quoted_version(text: &str) -> Option<Version> {
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    let version =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?;
    version.filter(|version| *version <= AMOUNT_MAX).map(Version)
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
    fn a_precondition_that_cannot_be_checked_is_a_fault() {
        let read = |name: HeaderName, text: &str| {
            let mut faults = Faults::default();
            let precondition = precondition(&headers(name, text), true, &mut faults);
            assert_eq!(precondition.is_none(), !faults.into_vec().is_empty(), "{text}");
            precondition
        };
        let version = |number| Some(Precondition::Version(Version(number)));
        assert_eq!(read(IF_MATCH, "\"7\""), version(7));
        assert_eq!(read(IF_MATCH, "\"0\""), version(0));
        assert_eq!(read(IF_MATCH, "*"), Some(Precondition::Exists));
        assert_eq!(read(IF_NONE_MATCH, "*"), version(0));
        for bad in ["7", "W/\"7\"", "\"\"", "\"+7\"", "\"7\", \"8\"", "\"9007199254740992\""] {
            assert_eq!(read(IF_MATCH, bad), None, "{bad}");
        }
        for bad in ["\"7\"", "", "*, \"7\""] {
            assert_eq!(read(IF_NONE_MATCH, bad), None, "{bad}");
        }
        assert_eq!(read(IF_UNMODIFIED_SINCE, "Sat, 29 Oct 1994 19:43:31 GMT"), None);
    }

    #[test]
    fn a_precondition_is_one_and_for_one_stream() {
        let both = [(IF_MATCH, "\"7\""), (IF_NONE_MATCH, "*")];
        let both: HeaderMap =
            both.into_iter().map(|(name, text)| (name, HeaderValue::from_static(text))).collect();
        for (is_of_one_stream, pointers) in
            [(true, vec!["/If-None-Match"]), (false, vec!["/If-Match", "/If-None-Match"])]
        {
            let mut faults = Faults::default();
            assert_eq!(precondition(&both, is_of_one_stream, &mut faults), None);
            let found: Vec<_> = faults.into_vec().into_iter().map(|fault| fault.pointer).collect();
            assert_eq!(found, pointers);
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
