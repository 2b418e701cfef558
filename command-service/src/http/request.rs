//! A request for a command, from what came over the wire to what the writer takes.
//!
//! In the order of reading: [`body`] gets the bytes, [`header`] what headers and query say,
//! [`json`] the tree, [`reader`] walks it and gathers faults, [`value`] checks single values,
//! [`cause`] reads the members that most commands have, and [`command`] knows all the others.

mod body;
mod header;
mod json;
mod reader;
mod value;
mod cause;
mod command;
#[cfg(test)]
mod tests;

use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{MatchedPath, Path, Request};
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use shared_events::values::Label;
use tokio::time::Instant;

pub(super) use self::command::Form;
pub(super) use self::header::{CORRELATION_ID, correlation_id, query};
pub(super) use self::reader::{Fault, Faults, Members};
pub(super) use self::value::{digits, switch, text};
use super::Rules;
use super::problem::{Code, Problem};
use crate::log::submission::{IdempotencyKey, Origin, Submission};

/// Whose keys they are: one name for everybody, until there is sign-in.
const CALLER: &str = "public";

/// The correlation id of a request: the caller's, or made for it.
#[derive(Debug, Clone)]
pub(super) struct Correlation(pub(super) Label);

/// A path parameter, still to be checked.
pub(super) type PathText = Result<Path<String>, PathRejection>;

/// The text of a path parameter. Bytes that are not UTF-8 stand for a name that nothing can have,
/// which is told like any other.
pub(super) fn path_text(parameter: PathText) -> String {
    parameter.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(text)| text)
}

/// Reads a request whole.
///
/// # Errors
/// The problem to answer it with. What is wrong with its values is told all at once.
pub(super) async fn read(
    form: Form,
    request: Request,
    rules: &Rules,
) -> Result<Submission, Problem> {
    let (head, body) = request.into_parts();
    if rules.require_key && !header::has_idempotency_key(&head.headers) {
        return Err(Problem::new(
            Code::IdempotencyKeyMissing,
            "this service executes a command only with an Idempotency-Key header",
        ));
    }
    let body = if form.needs_no_body() && body.is_end_stream() {
        Bytes::from_static(b"{}")
    } else {
        body::read(&head.headers, body).await?
    };
    // From here on, so that a slow line takes nothing of its time in the queue.
    let deadline = Instant::now() + rules.command_deadline;
    parse(&form, &head, &body, deadline)
}

/// The part without waiting: head and bytes in, submission out.
fn parse(
    form: &Form,
    head: &Parts,
    body: &Bytes,
    deadline: Instant,
) -> Result<Submission, Problem> {
    let value =
        json::parse(body).map_err(|error| Problem::new(Code::MalformedBody, error.to_string()))?;
    let mut faults = Faults::default();
    let key = header::idempotency_key(&head.headers, &mut faults);
    let origin = Origin {
        actor: header::actor(&head.headers, &mut faults),
        correlation_id: correlation(head, &mut faults),
        causation_id: None,
        traceparent: header::traceparent(&head.headers),
    };
    let expected_version = header::if_match(&head.headers, form.is_of_one_stream(), &mut faults);
    let validate_only = header::query(&head.uri, &mut faults, |query| {
        query.optional("validate_only", switch).unwrap_or(false)
    });
    let request = form.read(value, expected_version, &mut faults);
    let faults = faults.into_vec();
    match request {
        Some(request) if faults.is_empty() => Ok(Submission {
            request,
            origin,
            key: key.map(|key| idempotency_key(key, head, body)),
            validate_only: validate_only.unwrap_or(false),
            deadline,
        }),
        _ if form.lacks_only_reason(&faults) => {
            Err(Problem::new(Code::ReasonRequired, "an adjustment says why: `reason` is missing"))
        }
        _ => Err(Problem::validation_failed(faults)),
    }
}

/// The id made or found when the request came in; a faulty one was replaced then, and is told now.
fn correlation(head: &Parts, faults: &mut Faults) -> Label {
    correlation_id(&head.headers, faults);
    match head.extensions.get::<Correlation>() {
        Some(Correlation(id)) => id.clone(),
        None => new_correlation_id(),
    }
}

/// An id for a request that came without.
pub(super) fn new_correlation_id() -> Label {
    uuid::Uuid::now_v7().to_string().parse().expect("a UUID is 36 printable characters")
}

fn idempotency_key(key: Label, head: &Parts, body: &Bytes) -> IdempotencyKey {
    let route = head.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut hash = Sha256::new();
    // Each with its length in front, so no two requests share an encoding.
    let parts =
        [head.method.as_str().as_bytes(), route.as_bytes(), head.uri.path().as_bytes(), body];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    IdempotencyKey {
        caller: CALLER.parse().expect("the caller's name is printable"),
        key,
        request_hash: hash.finalize().into(),
    }
}
