//! Sign-in: which visitor asks, with what the services are asked for them, and which forms are theirs.
//!
//! The console has no rights: each request to a service carries the credential of the visitor.
//!
//! - `cookies`: what a browser keeps
//! - `issuer`: OpenID Connect

pub(crate) mod cookies;
pub(crate) mod issuer;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use reqwest::Url;
use serde::Deserialize;
use service_edge::config::{Secret, count};
use service_edge::sign_in::config::Switch;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use self::cookies::Cookies;
use self::issuer::{Issuer, IssuerError};
use crate::config::ServeConfig;
use crate::frame::NotSignedIn;
use crate::reader::{self, Reader};
use crate::services::{Failure, Services};
use crate::sessions::{Credential, NotRenewed, Session, Sessions};
use crate::shown::link;
use crate::texts::Texts;

/// Attempts to sign in that are in progress. Each asks the services, whose limits and records count for it.
const ATTEMPTS_MAX: usize = 16;

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Characters of an address that a visitor is led back to.
const RETURN_CHARS_MAX: usize = 1_000;

/// The page on which visitors sign in.
pub(crate) const PAGE: &str = "/sign-in";

/// The path that answers with changes until it is closed.
pub(crate) const LIVE: &str = "/live";

/// How visitors sign in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SignIn(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Whether nothing is shown to who did not sign in, whatever the services would answer.
    is_required: bool,
    lasts: Duration,
    sessions: Sessions,
    cookies: Cookies,
    issuer: Option<Issuer>,
    attempts: Semaphore,
}

impl SignIn {
    /// # Errors
    /// A setting cannot be used.
    pub(crate) fn new(config: &ServeConfig, address: SocketAddr) -> anyhow::Result<Self> {
        let issuer = Issuer::new(&config.oidc, config.services.service_timeout_ms.0)?;
        // Without TLS on loopback, not every browser would keep a cookie that is for TLS only, and nothing leaves
        // the machine. Elsewhere without TLS, something in front of the console has it.
        let is_plain = config.tls.scheme() == "http" && address.ip().is_loopback();
        let is_outside_secure = issuer.as_ref().is_some_and(Issuer::returns_by_tls);
        let sessions_max = NonZeroUsize::try_from(count(config.sessions_max))?;
        Ok(Self(Arc::new(Parts {
            is_required: config.auth == Some(Switch::On),
            lasts: config.session_age_max.0,
            sessions: Sessions::new(sessions_max),
            cookies: Cookies { are_secure: !is_plain || is_outside_secure },
            issuer,
            attempts: Semaphore::new(ATTEMPTS_MAX),
        })))
    }

    pub(crate) fn is_required(&self) -> bool {
        self.0.is_required
    }

    pub(crate) fn cookies(&self) -> Cookies {
        self.0.cookies
    }

    pub(crate) fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// The permit of one attempt to sign in, if there are not too many.
    pub(crate) fn attempt(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.0.attempts.try_acquire().ok()
    }

    /// Starts the session of a credential that the services let in, ends the one before, and says the cookie.
    pub(crate) fn start(
        &self,
        headers: &HeaderMap,
        credential: Credential,
        name: String,
    ) -> cookies::SetCookie {
        self.end(headers);
        tracing::info!(name, "a visitor signed in");
        let session = Session::new(credential, name, self.0.lasts);
        self.cookies().session(&self.0.sessions.start(session))
    }

    /// Ends the session of a browser, if it has one.
    pub(crate) fn end(&self, headers: &HeaderMap) -> cookies::SetCookie {
        if let Some(id) = self.cookies().read_session(headers) {
            self.0.sessions.end(id);
        }
        self.cookies().no_session()
    }

    fn session(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        self.0.sessions.find(self.cookies().read_session(headers)?)
    }
}

async fn renew(session: &Session, issuer: &Issuer) {
    let ask = async |renewal: &Secret| {
        issuer.renew(renewal).await.map_err(|error| {
            tracing::warn!(%error, name = session.name, "a visitor's token is not renewed");
            match error {
                IssuerError::Unusable(_) => NotRenewed::NoAnswer,
                IssuerError::Refused(_) | IssuerError::Foreign => NotRenewed::Refused,
            }
        })
    };
    session.renew(ask).await;
}

/// Finds out whose request it is, for the handlers and for the frame of the page.
pub(crate) async fn recognised(
    State(sign_in): State<SignIn>,
    mut request: Request,
    next: Next,
) -> Response {
    let session = sign_in.session(request.headers());
    if let (Some(session), Some(issuer)) = (&session, sign_in.issuer()) {
        renew(session, issuer).await;
    }
    let signed_in = session.as_ref().map(|session| reader::SignedIn {
        name: session.name.clone(),
        form_token: session.form_token.clone(),
    });
    if let Some(session) = session {
        request.extensions_mut().insert(session);
    }
    let texts = Texts::wanted(request.headers());
    Reader { texts, signed_in }.reads(next.run(request)).await
}

/// Refuses a form of a visitor who signed in, unless it is from a page that was made for them.
pub(crate) async fn with_own_forms(request: Request, next: Next) -> Response {
    let session = request.extensions().get::<Arc<Session>>().cloned();
    let Some(session) = session.filter(|_| !request.method().is_safe()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, FORM_BYTES_MAX).await else {
        return Failure::ForeignForm.into_response();
    };
    let copy = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    match Form::<Token>::from_request(copy, &()).await {
        Ok(Form(token)) if token.is(&session.form_token) => {
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
        Ok(_) | Err(_) => Failure::ForeignForm.into_response(),
    }
}

/// The field of every form that says which page it is from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Token {
    form_token: String,
}

impl Token {
    pub(crate) fn is(&self, expected: &str) -> bool {
        self.form_token.as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

/// Leads a visitor who has to sign in to where that is done: who has no session where one is required, and whose
/// credential the services do not let in, or no longer.
pub(crate) async fn signed_in(
    State(sign_in): State<SignIn>,
    request: Request,
    next: Next,
) -> Response {
    let had_session = request.extensions().get::<Arc<Session>>().is_some();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let headers = request.headers().clone();
    let response = if had_session || !sign_in.is_required() {
        let response = next.run(request).await;
        if response.extensions().get::<NotSignedIn>().is_none() {
            return response;
        }
        response
    } else {
        Failure::NotSignedIn.into_response()
    };
    // What was sent, and what is no page, is answered that it was not done.
    let is_page = method == Method::GET && uri.path() != LIVE;
    let response =
        if is_page { Redirect::to(&page_of(&uri, had_session)).into_response() } else { response };
    if had_session { (sign_in.end(&headers), response).into_response() } else { response }
}

fn page_of(uri: &Uri, is_over: bool) -> String {
    let to = uri.path_and_query().map_or("/", |path| path.as_str());
    let over = if is_over { "yes" } else { "" };
    link(PAGE, &[("to", to), ("over", over)])
}

/// A page of the console that a visitor is led back to; the first one, whatever else was asked for.
pub(crate) fn return_path(to: &str) -> String {
    let first = || "/".to_owned();
    let is_path = to.starts_with('/') && to.len() <= RETURN_CHARS_MAX;
    let Ok(base) = Url::parse("http://console/") else { return first() };
    let Some(url) = base.join(to).ok().filter(|url| is_path && url.origin() == base.origin())
    else {
        return first();
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = url.path();
    if path.starts_with("//") || path.starts_with(PAGE) {
        return first();
    }
    format!("{path}{query}")
}

/// Whether the services let this credential in; without one, whether they let everybody in.
pub(crate) async fn lets_in(services: &Services) -> Result<bool, Failure> {
    match services.admit().await {
        Ok(()) => Ok(true),
        Err(Failure::NotSignedIn) => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_led_back_to_a_page_of_the_console_only() {
        assert_eq!(return_path("/items/A?at=3:1&location="), "/items/A?at=3:1&location=");
        assert_eq!(return_path("/items/a%20b"), "/items/a%20b");
        for other in [
            "",
            "items",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/..//evil.example",
            "/sign-in?to=/",
            "javascript:alert(1)",
            &format!("/{}", "a".repeat(2_000)),
        ] {
            assert_eq!(return_path(other), "/", "{other}");
        }
    }

    #[test]
    fn a_token_of_a_form_is_compared_whole() {
        let token = |text: &str| Token { form_token: text.to_owned() };
        assert!(token("abc").is("abc"));
        for other in ["", "ab", "abcd", "abd"] {
            assert!(!token(other).is("abc"), "{other}");
        }
    }
}
