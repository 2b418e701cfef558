//! Requests to the services, over their public API.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts as RequestParts;
use futures::StreamExt;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use service_edge::config::Secret;
use service_edge::server::CLIENT_IDLE_MAX;
use service_edge::tls::{trusting, trusting_nobody};

use crate::config::ServicesConfig;
use crate::sessions::Session;

/// Bytes of one answer that are read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Command,
    Query,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Command => "command-service",
            Self::Query => "query-service",
        }
    }
}

/// Both services, asked with the credential of a visitor if there is one. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    parts: Arc<Parts>,
    credential: Option<Secret>,
}

/// What a handler asks: the services with the credential of the visitor.
impl FromRequestParts<Self> for Services {
    type Rejection = Infallible;

    async fn from_request_parts(
        request: &mut RequestParts,
        services: &Self,
    ) -> Result<Self, Infallible> {
        let session = request.extensions.get::<Arc<Session>>();
        Ok(session.map_or_else(|| services.clone(), |who| services.asked_with(&who.credential())))
    }
}

#[derive(Debug)]
struct Parts {
    http: Client,
    /// Without a limit on the whole answer, for one that does not end.
    open_ended: Client,
    command: Url,
    query: Url,
}

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the {} does not answer: {cause}", .service.name())]
    Down { service: Service, cause: String },
    #[error("the {} answered {}: {}", .service.name(), .problem.status, .problem.title)]
    Refused { service: Service, problem: Box<Problem> },
    #[error("the answer of the {} cannot be read: {cause}", .service.name())]
    Unreadable { service: Service, cause: String },
    /// The console itself has nothing at this address, or nothing for this.
    #[error("there is nothing here")]
    NotFound,
    /// A form that no page of the console sent.
    #[error("the form comes from elsewhere")]
    ForeignForm,
    /// The services want a credential, or do not accept this one, or no longer.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// The console asks visitors to sign in, and the services let everybody in.
    #[error("the services have no sign-in")]
    OpenServices,
}

/// A problem document of a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) errors: Vec<Fault>,
    /// What else it says.
    #[serde(flatten)]
    pub(crate) more: serde_json::Map<String, Value>,
}

/// A fault of a request, at its place.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fault {
    pub(crate) pointer: String,
    pub(crate) message: String,
}

impl Problem {
    /// The stable name, such as `unknown_sku`.
    pub(crate) fn code(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

impl Failure {
    /// Whether the visitor's credential is good, but not for this.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status == StatusCode::FORBIDDEN)
    }

    /// Whether the fault is the service's, and concerns only what was asked.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code() == "internal")
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status == StatusCode::NOT_FOUND)
    }
}

/// `Ok(None)` for what a service does not know.
pub(crate) fn known<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// `Ok(None)` for what the visitor may not see, on a page that is of use without it.
pub(crate) fn permitted<T>(answer: Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Err(failure) if failure.is_forbidden() => Ok(None),
        answer => answer,
    }
}

/// A command on its way.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: &'a Value,
    /// Sent twice, it takes effect once.
    pub(crate) key: Option<&'a str>,
    /// Only says what would happen.
    pub(crate) validate_only: bool,
}

impl Services {
    pub(crate) fn new(config: &ServicesConfig) -> anyhow::Result<Self> {
        let timeout = config.service_timeout_ms.0;
        let tls = trust(config)?;
        let client = || {
            let client = Client::builder().connect_timeout(timeout);
            client.pool_idle_timeout(CLIENT_IDLE_MAX).tls_backend_preconfigured(tls.clone())
        };
        let parts = Parts {
            http: client().timeout(timeout).build()?,
            open_ended: client().build()?,
            command: config.command_url.clone(),
            query: config.query_url.clone(),
        };
        Ok(Self { parts: Arc::new(parts), credential: None })
    }

    /// The same, asked with this credential.
    pub(crate) fn asked_with(&self, credential: &Secret) -> Self {
        Self { credential: Some(credential.clone()), ..self.clone() }
    }

    /// Whether both accept the credential, whatever it may do.
    pub(crate) async fn admit(&self) -> Result<(), Failure> {
        let lanes = self.get::<IgnoredAny>(Service::Command, "/v1/lanes", &[]);
        let locations = self.get::<IgnoredAny>(Service::Query, "/v1/locations", &[("limit", "1")]);
        let (lanes, locations) = tokio::join!(lanes, locations);
        for answer in [lanes, locations] {
            match answer {
                Ok(IgnoredAny) => {}
                Err(failure) if failure.is_forbidden() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Whether a service answers, which needs no credential.
    pub(crate) async fn is_alive(&self, service: Service) -> Result<(), Failure> {
        let request = self.request(&self.parts.http, service, Method::GET, "/livez");
        read(service, request).await.map(drop)
    }

    /// One JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        service: Service,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let request = self.request(&self.parts.http, service, Method::GET, path);
        let body = read(service, request.query(&given(parameters))).await?;
        parse(service, &body)
    }

    /// One JSON document for each line.
    pub(crate) async fn lines<T: DeserializeOwned>(
        &self,
        service: Service,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<T>, Failure> {
        let request = self.request(&self.parts.http, service, Method::GET, path);
        let body = read(service, request.query(&given(parameters))).await?;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| parse(service, line)).collect()
    }

    /// Sends JSON to the query-service, or a command.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        service: Service,
        command: Command<'_>,
    ) -> Result<T, Failure> {
        let request = self.request(&self.parts.http, service, command.method, &command.path);
        let mut request = request.json(command.body);
        if command.validate_only {
            request = request.query(&[("validate_only", "true")]);
        }
        if let Some(key) = command.key {
            request = request.header("idempotency-key", key);
        }
        let body = read(service, request).await?;
        parse(service, &body)
    }

    /// The changes after a position, as they happen.
    pub(crate) async fn changes(&self, after: &str) -> Result<Response, Failure> {
        let request =
            self.request(&self.parts.open_ended, Service::Query, Method::GET, "/v1/changes");
        let request = request.query(&[("after", after)]).header("accept", "text/event-stream");
        let answer = request.send().await.map_err(|error| down(Service::Query, &error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = collect(Service::Query, answer).await?;
        Err(refused(Service::Query, status, &body))
    }

    fn request(
        &self,
        client: &Client,
        service: Service,
        method: Method,
        path: &str,
    ) -> RequestBuilder {
        let base = match service {
            Service::Command => &self.parts.command,
            Service::Query => &self.parts.query,
        };
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        let request = client.request(method, url);
        match &self.credential {
            Some(credential) => request.bearer_auth(credential.reveal()),
            None => request,
        }
    }
}

/// Whom to trust. A machine without trusted issuers can do without them where none is asked for.
fn trust(config: &ServicesConfig) -> anyhow::Result<rustls::ClientConfig> {
    let is_asked_for =
        [&config.command_url, &config.query_url].iter().any(|url| url.scheme() == "https");
    match &config.service_ca {
        None if !is_asked_for => trusting_nobody(),
        ca => trusting(ca.as_deref()),
    }
}

/// The parameters that have a value.
fn given<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    parameters.iter().copied().filter(|(_, value)| !value.is_empty()).collect()
}

async fn read(service: Service, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
    let answer = request.send().await.map_err(|error| down(service, &error))?;
    let status = answer.status();
    let body = collect(service, answer).await?;
    if status.is_success() { Ok(body) } else { Err(refused(service, status, &body)) }
}

async fn collect(service: Service, answer: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|error| down(service, &error))?);
        if body.len() > ANSWER_BYTES_MAX {
            let cause = format!("it has more than {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::Unreadable { service, cause });
        }
    }
    Ok(body)
}

fn down(service: Service, error: &reqwest::Error) -> Failure {
    let cause = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        error.to_string()
    };
    Failure::Down { service, cause }
}

fn refused(service: Service, status: StatusCode, body: &[u8]) -> Failure {
    if status == StatusCode::UNAUTHORIZED {
        return Failure::NotSignedIn;
    }
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        title: status.canonical_reason().unwrap_or("It was refused").to_owned(),
        ..Problem::default()
    });
    let problem = Box::new(Problem { status: status.as_u16(), ..problem });
    Failure::Refused { service, problem }
}

fn parse<T: DeserializeOwned>(service: Service, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::Unreadable { service, cause: error.to_string() })
}
