//! The headers that say what the bytes of a body mean.

use axum::http::header::{
    CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderValue};

use crate::problem::{Catalogue, Document};

/// Refuses a body that is not what its bytes say: plain JSON in UTF-8, whole.
pub(super) fn check<C: Catalogue>(headers: &HeaderMap) -> Result<(), Document<C>> {
    // The server undoes `chunked`, and passes on whatever stands before it.
    if !all_are(headers, &CONTENT_ENCODING, "identity")
        || !all_are(headers, &TRANSFER_ENCODING, "chunked")
        || headers.get_all(TRANSFER_ENCODING).iter().count() > 1
    {
        return Err(Document::unsupported_coding());
    }
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Document::malformed_body("a part of a body is not taken; send it whole"));
    }
    if !is_json(headers) {
        return Err(Document::unsupported_media_type());
    }
    Ok(())
}

/// Whether a list of words, if there is one, names nothing but this word.
fn all_are(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().all(|value| {
        let mut words = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        words.all(|one| one.is_empty() || one.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Whether the body says, once, that it is JSON in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::to_str);
    let (Some(Ok(text)), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let is_json =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8")
                || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_ENCODING;
    use axum::response::IntoResponse;

    use super::*;
    use crate::problem::tests::tea::Code;

    const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

    /// The code of the refusal, and whether it names the coding that is taken.
    fn refusal(given: &[(HeaderName, &str)]) -> Option<(Code, bool)> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, value.parse().expect("a header's value"));
        }
        let refused = check::<Code>(&headers).err()?;
        let code = refused.code();
        let coding = refused.into_response().headers().get(ACCEPT_ENCODING).cloned();
        Some((code, coding.is_some_and(|coding| coding == "identity")))
    }

    #[test]
    fn a_body_says_once_that_it_is_json_in_utf_8() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json;",
        ] {
            assert_eq!(refusal(&[(CONTENT_TYPE, good)]), None, "{good}");
        }
        let refused = Some((Code::UnsupportedMediaType, false));
        for bad in [
            "",
            "text/json",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json+x",
            "application/json, text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(refusal(&[(CONTENT_TYPE, bad)]), refused, "{bad}");
        }
        assert_eq!(refusal(&[]), refused, "no media type at all");
        assert_eq!(refusal(&[JSON, JSON]), refused, "two media types");
    }

    #[test]
    fn a_body_has_no_content_coding() {
        for name in [CONTENT_ENCODING, TRANSFER_ENCODING] {
            for bad in ["gzip", "GZIP", "br", "zstd", "deflate, identity", "gzip, chunked", "?"] {
                let refused = refusal(&[JSON, (name.clone(), bad)]);
                assert_eq!(refused, Some((Code::UnsupportedMediaType, true)), "{name}: {bad}");
            }
        }
        for good in [
            &[(CONTENT_ENCODING, "identity")][..],
            &[(CONTENT_ENCODING, "Identity, identity")],
            &[(CONTENT_ENCODING, "")],
            &[(TRANSFER_ENCODING, "Chunked")],
        ] {
            assert_eq!(refusal(&[&[JSON], good].concat()), None, "{good:?}");
        }
        for bad in [
            [(CONTENT_ENCODING, "identity"), (CONTENT_ENCODING, "gzip")],
            [(TRANSFER_ENCODING, "gzip"), (TRANSFER_ENCODING, "chunked")],
            [(TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")],
        ] {
            let refused = refusal(&[&[JSON], &bad[..]].concat());
            assert_eq!(refused, Some((Code::UnsupportedMediaType, true)), "{bad:?}");
        }
    }

    #[test]
    fn a_part_of_a_body_is_not_taken() {
        let part = (CONTENT_RANGE, "bytes 0-9/20");
        assert_eq!(refusal(&[JSON, part]), Some((Code::MalformedBody, false)));
    }
}
