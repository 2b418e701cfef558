//! Requests for commands: from bytes to what the writer takes.

mod fingerprint;
mod header;
pub(crate) mod query;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, RawPathParams, Request};
use axum::http::request::Parts;
use serde_json::{Map, Value};
use service_edge::body::{self, BODY_BYTES_MAX};
use service_edge::sign_in::SignedIn;
use shared_events::values::Label;
use tokio::time::Instant;

pub(crate) use self::header::{
    CORRELATION_ID, CommandHeaders, PreconditionHeaders, correlation_id,
};
use super::CommandConfig;
use super::json::{self, Faults, JsonPointer, Member, Object, object, read_tree};
use super::problem::Problem;
use crate::inventory::Precondition;
use crate::log::submission::{IdempotencyKey, Origin, Payload, RequestHash, Submission};
use crate::personal::PersonalData;

/// Bytes that the body of a batch may have.
pub(crate) const BATCH_BODY_BYTES_MAX: usize = 8 << 20;

/// The owner of all idempotency keys where nobody signs in. No credential is called so.
const CALLER: &str = "public";

/// The correlation id of a request: the caller's, or one made for it.
#[derive(Debug, Clone)]
pub(crate) struct Correlation(pub(crate) Label);

/// A path parameter, not checked yet.
pub(crate) type PathText = Result<Path<String>, PathRejection>;

/// The text of a path parameter. Bytes that are not UTF-8 become a name that nothing can have.
pub(crate) fn path_text(parameter: PathText) -> String {
    parameter.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(text)| text)
}

object! {
    /// The query of a command.
    pub(crate) struct CommandQuery {
        /// Only decide: nothing is recorded and no key is stored.
        #[serde(default)]
        validate_only: bool,
    }
}

/// The parameters of a command's path. In a batch they are members of the command.
pub(crate) trait CommandPath: Object {
    /// Whether the path names one stream, which a precondition can guard.
    const NAMES_A_STREAM: bool = true;

    /// The problem with a name that nothing can have, if that is not a fault of the request.
    fn unknown(_names: &Value) -> Option<Problem> {
        None
    }
}

object! {
    /// The path of commands that name what they are about in their bodies.
    pub(crate) struct NoPath {}
}

impl CommandPath for NoPath {
    const NAMES_A_STREAM: bool = false;
}

/// A request whose body has arrived.
#[derive(Debug)]
pub(crate) struct IncomingRequest {
    head: Parts,
    /// The parameters of the path, by name.
    path: Value,
    body: Bytes,
    /// How long it may wait in the writer's queue.
    deadline: Instant,
}

/// What a request says in its headers and its query.
#[derive(Debug)]
pub(crate) struct RequestMetadata {
    pub(crate) key: Option<Label>,
    pub(crate) origin: Origin,
    pub(crate) precondition: Option<Precondition>,
    pub(crate) validate_only: bool,
}

impl IncomingRequest {
    /// Receives a request that has its key in the header, if one is required.
    pub(crate) async fn with_own_key(
        request: Request,
        body_is_optional: bool,
        config: &CommandConfig,
    ) -> Result<Self, Problem> {
        if config.require_key && !header::has_idempotency_key(request.headers()) {
            return Err(Problem::key_missing("the header Idempotency-Key"));
        }
        Self::receive(request, body_is_optional, BODY_BYTES_MAX, config).await
    }

    pub(crate) async fn receive(
        request: Request,
        body_is_optional: bool,
        bytes_max: usize,
        config: &CommandConfig,
    ) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let path = path_parameters(&mut head).await;
        let body = if body_is_optional {
            let given = body::receive_optional(&head.headers, body, bytes_max).await?;
            given.unwrap_or(Bytes::from_static(b"{}"))
        } else {
            body::receive(&head.headers, body, bytes_max).await?
        };
        // Begins here, so that a slow connection does not shorten the time in the queue.
        let deadline = Instant::now() + config.command_deadline;
        Ok(Self { head, path, body, deadline })
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Reads the headers and the query.
    pub(crate) fn metadata(&self, is_of_one_stream: bool, faults: &mut Faults) -> RequestMetadata {
        let headers = &self.head.headers;
        let key = header::idempotency_key(headers, faults);
        // Without `act_as` there is no such header: the gate has refused it.
        let actor = header::actor(headers, faults).or_else(|| self.signed_in().map(actor));
        let origin = Origin {
            actor,
            caller: self.signed_in().map(caller),
            correlation_id: self.correlation_id(faults),
            causation_id: None,
            traceparent: header::traceparent(headers),
        };
        let precondition = header::precondition(headers, is_of_one_stream, faults);
        let query = query::read::<CommandQuery>(&self.head.uri, faults);
        let validate_only = query.is_some_and(|query| query.validate_only);
        RequestMetadata { key, origin, precondition, validate_only }
    }

    /// The id made or found when the request came in. A faulty one was replaced then; here it is a
    /// fault.
    fn correlation_id(&self, faults: &mut Faults) -> Label {
        correlation_id(&self.head.headers, faults);
        match self.head.extensions.get::<Correlation>() {
            Some(Correlation(id)) => id.clone(),
            None => new_correlation_id(),
        }
    }

    /// Reads the parameters of the path.
    pub(crate) fn path<P: CommandPath>(&self, faults: &mut Faults) -> Result<Option<P>, Problem> {
        match P::read(&self.path) {
            Ok(path) => Ok(Some(path)),
            Err(_) => match P::unknown(&self.path) {
                Some(problem) => Err(problem),
                None => Ok(read_tree(&self.path, JsonPointer::Root, faults)),
            },
        }
    }

    /// Reads the body. One with faults is returned as the tree that it is.
    pub(crate) fn body<T: Member>(&self, faults: &mut Faults) -> Result<Result<T, Value>, Problem> {
        json::read(&self.body, faults)
    }

    pub(crate) fn submission(
        &self,
        payload: Payload,
        personal: Vec<Option<PersonalData>>,
        metadata: RequestMetadata,
    ) -> Submission {
        Submission {
            payload,
            personal,
            origin: metadata.origin,
            key: metadata.key.map(|key| self.idempotency_key(key)),
            validate_only: metadata.validate_only,
            deadline: self.deadline,
        }
    }

    pub(crate) fn idempotency_key(&self, key: Label) -> IdempotencyKey {
        let request_hash = RequestHash::of(fingerprint::of_request(&self.head, &self.body));
        IdempotencyKey { caller: self.caller(), key, request_hash }
    }

    /// The key of a command of this batch.
    pub(crate) fn key_of_command(
        &self,
        CommandKey { key, request_hash }: CommandKey,
    ) -> IdempotencyKey {
        IdempotencyKey { caller: self.caller(), key, request_hash }
    }

    /// Who signed in, if callers do.
    pub(crate) fn signed_in(&self) -> Option<&SignedIn> {
        self.head.extensions.get()
    }

    /// Whose idempotency keys these are.
    fn caller(&self) -> Label {
        self.signed_in().map_or_else(|| Label::known(CALLER), caller)
    }
}

/// Who asked, as the events of a request say.
fn caller(signed_in: &SignedIn) -> Label {
    Label::known(&signed_in.credential().id)
}

/// Whom the events of a request name.
fn actor(signed_in: &SignedIn) -> Label {
    Label::known(&signed_in.credential().name)
}

async fn path_parameters(head: &mut Parts) -> Value {
    match RawPathParams::from_request_parts(head, &()).await {
        Ok(names) => names.iter().collect(),
        // Bytes that are not UTF-8: the parameters are missing.
        Err(_) => Value::Object(Map::new()),
    }
}

pub(crate) fn new_correlation_id() -> Label {
    Label::known(&uuid::Uuid::now_v7().to_string())
}

/// The key of one command of a batch, with the hash that a repetition must have.
#[derive(Debug)]
pub(crate) struct CommandKey {
    key: Label,
    request_hash: RequestHash,
}

impl CommandKey {
    /// A key for a command with these other members.
    pub(crate) fn new(key: Label, members: &Map<String, Value>) -> Self {
        Self { key, request_hash: RequestHash::of(fingerprint::of_command(members)) }
    }
}

#[cfg(test)]
impl IncomingRequest {
    pub(crate) fn for_test(
        path: &[(&str, &str)],
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let path = path.iter().copied().collect();
        Self { head, path, body: Bytes::from(body.to_owned()), deadline: Instant::now() }
    }
}
