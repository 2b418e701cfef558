//! What a browser keeps for the console. Scripts do not see it, and other sites cannot have it sent with a form.

use std::convert::Infallible;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};

/// How long a visitor may take at the issuer's pages, in seconds.
const FLOW_SECONDS: u32 = 600;

const SESSION: &str = "stockbook";
const FORM: &str = "stockbook-form";
const FLOW: &str = "stockbook-flow";

/// A cookie that is set with an answer.
#[derive(Debug, Clone)]
pub(crate) struct SetCookie(pub(super) HeaderValue);

impl IntoResponseParts for SetCookie {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.headers_mut().append(SET_COOKIE, self.0);
        Ok(parts)
    }
}

/// The cookies of a console.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    /// Whether browsers keep them to TLS, and other names of the same site away from them.
    pub(super) are_secure: bool,
}

impl Cookies {
    /// It goes when the browser closes; the session ends by itself before long.
    pub(super) fn session(self, id: &str) -> SetCookie {
        self.set(SESSION, id, None)
    }

    pub(super) fn no_session(self) -> SetCookie {
        self.set(SESSION, "", Some(0))
    }

    pub(super) fn read_session(self, headers: &HeaderMap) -> Option<&str> {
        self.read(headers, SESSION)
    }

    /// The token of the form for signing in, before there is a session that could have one.
    pub(crate) fn form(self, token: &str) -> SetCookie {
        self.set(FORM, token, None)
    }

    pub(crate) fn read_form(self, headers: &HeaderMap) -> Option<&str> {
        self.read(headers, FORM).filter(|token| !token.is_empty())
    }

    /// What the console has to know when a visitor comes back from the issuer.
    pub(crate) fn flow(self, text: &[u8]) -> SetCookie {
        self.set(FLOW, &hex::encode(text), Some(FLOW_SECONDS))
    }

    pub(crate) fn no_flow(self) -> SetCookie {
        self.set(FLOW, "", Some(0))
    }

    pub(crate) fn read_flow(self, headers: &HeaderMap) -> Option<Vec<u8>> {
        hex::decode(self.read(headers, FLOW)?).ok()
    }

    fn set(self, name: &str, value: &str, seconds: Option<u32>) -> SetCookie {
        let (prefix, secure) = self.security();
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{prefix}{name}={value}; Path=/; HttpOnly{secure}; SameSite=Lax{age}");
        SetCookie(text.parse().expect("names and values are letters and digits"))
    }

    fn read<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let (prefix, _) = self.security();
        let pairs = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        pairs.flat_map(|line| line.split(';')).find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found.strip_prefix(prefix)? == name).then_some(value)
        })
    }

    /// With the prefix, a browser takes the cookie from this host by TLS and from nobody else.
    fn security(self) -> (&'static str, &'static str) {
        if self.are_secure { ("__Host-", "; Secure") } else { ("", "") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(text))])
    }

    #[test]
    fn a_cookie_is_for_this_host_by_tls_and_not_for_scripts() {
        let SetCookie(set) = Cookies { are_secure: true }.session("abc");
        assert_eq!(set, "__Host-stockbook=abc; Path=/; HttpOnly; Secure; SameSite=Lax");
        let SetCookie(set) = Cookies { are_secure: false }.no_session();
        assert_eq!(set, "stockbook=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let (secure, plain) = (Cookies { are_secure: true }, Cookies { are_secure: false });
        let headers = sent("other=1; __Host-stockbook=abc; __Host-stockbook-form=f; stockbook=x");
        assert_eq!(secure.read_session(&headers), Some("abc"));
        assert_eq!(secure.read_form(&headers), Some("f"));
        assert_eq!(plain.read_session(&headers), Some("x"));
        assert_eq!(plain.read_form(&headers), None);
        assert_eq!(secure.read_flow(&headers), None);
    }
}
