//! Whom a service without sign-in answers while it listens on loopback: the programs of this machine,
//! and no web page that a browser there happens to show.
//!
//! A page of any site can make its visitor's browser send requests to loopback: under the page's own
//! name, which it lets point there, or across origins. So a service answers only for its own names, and
//! takes commands only from its own pages.

use std::fmt::Display;
use std::net::{IpAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use clap::Args;
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer};

use crate::problem::{Catalogue, Document};
use crate::sign_in::SignIn;

/// What a browser says of the page that it sends a request for.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long a browser may keep an answer about other origins.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// Settings of who may call from where.
#[derive(Debug, Clone, Default, Args)]
pub struct CallerConfig {
    /// More names that a service on loopback answers for, separated by commas, such as that of a proxy
    /// in front of it. Its own are localhost and the loopback addresses.
    #[arg(long, env = "ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<HostName>,

    /// Origins whose pages may call this service from a browser, separated by commas, such as
    /// `https://shop.example`. Without it, only pages of the service's own origin may.
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,
}

/// The name of a host, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority: Option<Authority> = text.parse().ok();
        authority
            .filter(|authority| authority.host() == text)
            .map(|authority| Self(authority.host().to_ascii_lowercase()))
            .ok_or("must be the name of a host, without scheme and port")
    }
}

/// The origin of a web page: scheme, host and port, as browsers write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    header: HeaderValue,
    authority: String,
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be an origin, such as https://shop.example";
        let text = text.to_ascii_lowercase();
        let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let authority = uri.authority().map(Authority::as_str);
        let (Some(scheme), Some(authority)) = (scheme, authority) else {
            return Err(EXPECTED);
        };
        if text != format!("{scheme}://{authority}") {
            return Err(EXPECTED);
        }
        let header = HeaderValue::from_str(&text).map_err(|_| EXPECTED)?;
        Ok(Self { header, authority: authority.to_owned() })
    }
}

/// Who is answered; by default, everybody. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Callers(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    /// Whether the listener is on loopback and there is no sign-in: then the rules hold.
    on_loopback: bool,
    config: CallerConfig,
}

impl Callers {
    /// The callers of a service that listens here. With sign-in, a page without a credential can do nothing,
    /// so there is no rule for it.
    pub fn of(
        listener: &TcpListener,
        config: CallerConfig,
        sign_in: &SignIn,
    ) -> std::io::Result<Self> {
        let on_loopback = listener.local_addr()?.ip().is_loopback() && !sign_in.is_on();
        Ok(Self(Arc::new(Rules { on_loopback, config })))
    }

    /// The answer to browsers that pages of other origins may call; `None` if none may.
    pub fn cors(&self) -> Option<CorsLayer> {
        let origins = &self.0.config.cors_origins;
        let headers = || origins.iter().map(|origin| origin.header.clone());
        (!origins.is_empty()).then(|| {
            CorsLayer::new()
                .allow_origin(headers().collect::<Vec<_>>())
                .allow_methods(AllowMethods::mirror_request())
                .allow_headers(AllowHeaders::mirror_request())
                .expose_headers(Any)
                .max_age(PREFLIGHT_MAX_AGE)
        })
    }

    /// Refuses a request under a foreign name, and one that may change something from a foreign page.
    pub(crate) fn check<C: Catalogue>(&self, request: &Request) -> Result<(), Document<C>> {
        if !self.0.on_loopback {
            return Ok(());
        }
        let named = request.headers().get_all(HOST).iter().map(HeaderValue::to_str);
        let named = named.map(|host| host.unwrap_or_default());
        let asked = request.uri().authority().map(Authority::as_str);
        if let Some(host) = named.chain(asked).find(|host| !self.answers_for(host)) {
            let detail = format!("this service does not answer for the host {host:?}");
            return Err(Document::new(C::FORBIDDEN_HOST, detail));
        }
        if !request.method().is_safe()
            && let Some(page) = self.foreign_page(request.headers())
        {
            let detail = format!("{page} may not send commands to this service");
            return Err(Document::new(C::FORBIDDEN_ORIGIN, detail));
        }
        Ok(())
    }

    fn answers_for(&self, host: &str) -> bool {
        let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else {
            return false;
        };
        let name = authority.host().to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost"
            || address.is_ok_and(|address| address.is_loopback())
            || self.0.config.allowed_hosts.iter().any(|HostName(allowed)| *allowed == name)
    }

    /// The page of another origin that a browser sends a request for.
    fn foreign_page(&self, headers: &HeaderMap) -> Option<impl Display> {
        let Some(origin) = headers.get(ORIGIN) else {
            let is_foreign = headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
            return is_foreign.then(|| "a page of another site".to_owned());
        };
        let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let is_allowed = match text.parse::<Origin>() {
            Ok(origin) => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                host.is_some_and(|host| host.eq_ignore_ascii_case(&origin.authority))
                    || self.0.config.cors_origins.contains(&origin)
            }
            Err(_) => false,
        };
        (!is_allowed).then(|| format!("a page of {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Method;

    use super::*;
    use crate::problem::tests::tea::Code;

    fn callers(listen: &str) -> Callers {
        let listener = TcpListener::bind(listen).expect("a free port");
        let config = CallerConfig {
            allowed_hosts: vec!["Stock.Example".parse().expect("a name")],
            cors_origins: vec!["https://shop.example".parse().expect("an origin")],
        };
        Callers::of(&listener, config, &SignIn::off()).expect("an address")
    }

    fn refusal(
        callers: &Callers,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Option<Code> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        callers.check::<Code>(&request).err().map(|refused| refused.code())
    }

    #[test]
    fn only_own_names_and_named_ones_are_answered_on_loopback() {
        let callers = callers("127.0.0.1:0");
        for own in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.8.0.1",
            "[::1]:8080",
            "[::1]",
            "stock.example",
            "STOCK.example:443",
        ] {
            assert_eq!(refusal(&callers, Method::GET, "/", &[("host", own)]), None, "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0:8080",
            "[2001:db8::1]",
            "localhost@evil.example",
            "",
            "a b",
        ] {
            let refused = refusal(&callers, Method::GET, "/", &[("host", foreign)]);
            assert_eq!(refused, Some(Code::ForbiddenHost), "{foreign:?}");
        }
        let named = "http://evil.example/";
        let own = [("host", "localhost")];
        assert_eq!(refusal(&callers, Method::GET, named, &own), Some(Code::ForbiddenHost));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(refusal(&callers, Method::GET, "/", &two), Some(Code::ForbiddenHost));
        assert_eq!(refusal(&callers, Method::GET, "/", &[]), None, "no browser leaves it out");
    }

    #[test]
    fn commands_of_foreign_pages_are_refused_on_loopback() {
        let callers = callers("127.0.0.1:0");
        let ask = |method: &Method, headers: &[(&str, &str)]| {
            let headers = [&[("host", "localhost:8080")], headers].concat();
            refusal(&callers, method.clone(), "/", &headers)
        };
        for own in [
            &[][..],
            &[("origin", "http://localhost:8080")],
            &[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")],
        ] {
            assert_eq!(ask(&Method::POST, own), None, "{own:?}");
        }
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://localhost:3000")],
            &[("origin", "null")],
            &[("origin", "http://shop.example")],
            &[("origin", "https://shop.example.evil.example")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(ask(&method, foreign), Some(Code::ForbiddenOrigin), "{foreign:?}");
            }
            assert_eq!(ask(&Method::GET, foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn beyond_loopback_every_name_is_answered() {
        let callers = callers("0.0.0.0:0");
        let headers = [("host", "query-service:8081"), ("origin", "https://evil.example")];
        assert_eq!(refusal(&callers, Method::POST, "/", &headers), None);
    }

    #[test]
    fn settings_are_names_and_origins() {
        for bad in ["", "https://a.example", "a.example:80", "a.example/x"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
        for bad in ["", "*", "null", "shop.example", "https://shop.example/", "ftp://shop.example"]
        {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
