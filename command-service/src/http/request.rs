//! A request for a command, from what came over the wire to what the writer takes.
//!
//! In the order of reading: [`body`] gets the bytes, [`header`] what headers and query say,
//! [`json`] the tree, [`reader`] walks it and gathers faults, [`value`] checks single values,
//! [`cause`] reads the members that most commands have, [`address`] what a command is about, and
//! [`command`] knows all the others. [`batch`] and [`reversal`] read what is more than one command.

mod body;
mod header;
mod json;
mod reader;
mod value;
mod cause;
mod address;
mod command;
mod fingerprint;
mod batch;
mod reversal;
#[cfg(test)]
mod tests;

use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::request::Parts;
use serde_json::Value;
use shared_events::lane::Version;
use shared_events::values::Label;
use tokio::time::Instant;

use self::address::{Address, PathNames};
pub(super) use self::batch::{Batch, read_batch};
pub(super) use self::command::Form;
pub(super) use self::header::{CORRELATION_ID, correlation_id, query};
use self::reader::Place;
pub(super) use self::reader::{Fault, Faults, Members};
pub(super) use self::reversal::{Reversal, read_reversal};
pub(super) use self::value::{digits, switch, text};
use super::CommandConfig;
use super::problem::{Code, Problem};
use crate::log::submission::{Asked, IdempotencyKey, Origin, Submission};

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

/// Reads a request for one command whole.
///
/// # Errors
/// The problem to answer it with. What is wrong with its values is told all at once.
pub(super) async fn read(
    form: Form,
    request: Request,
    config: &CommandConfig,
) -> Result<Submission, Problem> {
    let arrived = Arrived::own_key(request, form.needs_no_body(), config).await?;
    parse(form, &arrived)
}

/// The part without waiting: head and bytes in, submission out.
fn parse(form: Form, arrived: &Arrived) -> Result<Submission, Problem> {
    let value = arrived.json()?;
    let mut faults = Faults::default();
    let said = arrived.said(form.is_of_one_stream(), &mut faults);
    let address = Address::Request { path: &arrived.path, expected_version: said.expected_version };
    let request = Members::read(Place::Root, value, &mut faults, |body| form.read(address, body));
    let faults = faults.into_vec();
    match request {
        Some(request) if faults.is_empty() => Ok(arrived.submission(Asked::One(request), said)),
        None if faults.is_empty() => Err(nothing_of_this_name(&arrived.path)),
        _ if form.lacks_only_reason(&faults) => {
            Err(Problem::new(Code::ReasonRequired, "an adjustment says why: `reason` is missing"))
        }
        _ => Err(Problem::validation_failed(faults)),
    }
}

/// The path names a reservation by what no reservation can be called.
fn nothing_of_this_name(path: &PathNames) -> Problem {
    let id = path.get("id");
    Problem::missing(Code::UnknownReservation, format!("no reservation {id} exists"), id)
}

/// A request that came in whole.
#[derive(Debug)]
struct Arrived {
    head: Parts,
    path: PathNames,
    body: Bytes,
    /// How long it may wait for its turn.
    deadline: Instant,
}

/// What a request says beside its body.
#[derive(Debug)]
struct Said {
    key: Option<Label>,
    origin: Origin,
    expected_version: Option<Version>,
    validate_only: bool,
}

impl Arrived {
    /// Takes in a request that has its key in the header, if one is required.
    async fn own_key(
        request: Request,
        is_body_optional: bool,
        config: &CommandConfig,
    ) -> Result<Self, Problem> {
        if config.require_key && !header::has_idempotency_key(request.headers()) {
            return Err(Problem::key_missing("the header Idempotency-Key"));
        }
        Self::within(request, is_body_optional, body::COMMAND_BYTES_MAX, config).await
    }

    async fn within(
        request: Request,
        is_body_optional: bool,
        bytes_max: usize,
        config: &CommandConfig,
    ) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let path = PathNames::of(&mut head).await;
        let body = if is_body_optional && body.is_end_stream() {
            Bytes::from_static(b"{}")
        } else {
            body::read(&head.headers, body, bytes_max).await?
        };
        // From here on, so that a slow line takes nothing of its time in the queue.
        let deadline = Instant::now() + config.command_deadline;
        Ok(Self { head, path, body, deadline })
    }

    fn json(&self) -> Result<Value, Problem> {
        json::parse(&self.body)
            .map_err(|error| Problem::new(Code::MalformedBody, error.to_string()))
    }

    /// Reads the headers and the query.
    fn said(&self, is_of_one_stream: bool, faults: &mut Faults) -> Said {
        let headers = &self.head.headers;
        let key = header::idempotency_key(headers, faults);
        let origin = Origin {
            actor: header::actor(headers, faults),
            correlation_id: self.correlation(faults),
            causation_id: None,
            traceparent: header::traceparent(headers),
        };
        let expected_version = header::if_match(headers, is_of_one_stream, faults);
        let validate_only = header::query(&self.head.uri, faults, |query| {
            query.optional("validate_only", switch).unwrap_or(false)
        });
        Said { key, origin, expected_version, validate_only: validate_only.unwrap_or(false) }
    }

    /// The id made or found when the request came in; a faulty one was replaced then, and is told now.
    fn correlation(&self, faults: &mut Faults) -> Label {
        correlation_id(&self.head.headers, faults);
        match self.head.extensions.get::<Correlation>() {
            Some(Correlation(id)) => id.clone(),
            None => new_correlation_id(),
        }
    }

    fn submission(&self, asked: Asked, said: Said) -> Submission {
        Submission {
            asked,
            origin: said.origin,
            key: said.key.map(|key| self.idempotency_key(key)),
            validate_only: said.validate_only,
            deadline: self.deadline,
        }
    }

    fn idempotency_key(&self, key: Label) -> IdempotencyKey {
        idempotency_key(key, fingerprint::of_request(&self.head, &self.body))
    }
}

/// An id for a request that came without.
pub(super) fn new_correlation_id() -> Label {
    uuid::Uuid::now_v7().to_string().parse().expect("a UUID is 36 printable characters")
}

fn idempotency_key(key: Label, request_hash: [u8; 32]) -> IdempotencyKey {
    let caller = CALLER.parse().expect("the caller's name is printable");
    IdempotencyKey { caller, key, request_hash }
}
