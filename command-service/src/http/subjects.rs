//! Persons: what the log has of one, and forgetting them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::Label;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::AppState;
use super::answer::{self, Recorded};
use super::commands::{Command, CommandParameters, parse, submit};
use super::json::numbers::IntegerOr;
use super::json::personal::TakesPersonal;
use super::json::{InQuery, object};
use super::openapi::{CommandProblems, ReadProblems};
use super::problem::{Code, Problem};
use super::request::{CommandPath, IncomingRequest, PathText, path_text, query};
use crate::inventory::{self, Precondition};
use crate::log::submission::{Outcome, Payload, Submission};
use crate::personal::{Clear, OpenError, PersonalVault};
use crate::subjects;

/// The position after which the list continues.
const NEXT_POSITION: HeaderName = HeaderName::from_static("next-position");

pub(super) fn routes() -> Routes<Arc<AppState>> {
    const READ: Access = Access::everywhere(Scope::PersonalRead);
    Routes::default()
        .routes(READ, routes!(read_subject))
        .routes(READ, routes!(list_subject_events))
        .routes(Access::everywhere(Scope::SubjectsForget), routes!(forget_subject))
}

object! {
    /// A subject's path.
    pub(crate) struct SubjectPath {
        /// 1 to 255 printable characters.
        subject: Label,
    }
}

impl CommandPath for SubjectPath {
    const NAMES_A_STREAM: bool = false;
}

object! {
    /// Forgetting a person needs no body.
    pub(crate) struct ForgetSubject as "Forgetting" {}
}

impl TakesPersonal for ForgetSubject {
    fn take_personal(&mut self) -> Option<Clear> {
        None
    }
}

impl Command for ForgetSubject {
    type Path = SubjectPath;

    /// The keys are known only when they are deleted.
    fn into_request(self, path: SubjectPath, _: Option<Precondition>) -> inventory::Request {
        let command = subjects::command(path.subject, &[]);
        inventory::Request { command, occurred_at: None }
    }
}

/// ForgetSubject: deletes the subject's key, so that nobody reads its personal data any more, anywhere. A
/// second time does nothing. A later command for the subject gets a new key.
#[utoipa::path(
    delete, path = "/v1/subjects/{subject}", tag = "commands",
    params(CommandParameters::<ForgetSubject>),
    responses(Recorded, CommandProblems),
)]
async fn forget_subject(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, Problem> {
    let incoming = IncomingRequest::with_own_key(request, true, &app.config).await?;
    let mut submission = parse::<ForgetSubject>(&incoming)?;
    let vault = app.vault()?;
    let writer = app.writer()?;
    let inventory::Command::ForgetSubject(command) = &submission.payload.requests()[0].command
    else {
        return Err(Problem::internal(&"forgetting a subject is another command"));
    };
    let subject = command.subject.clone();
    // A repeated request forgets nothing that came after it.
    let is_repeated = match &mut submission.key {
        Some(key) => {
            key.request_hash.key(vault);
            app.log.has_outcome(key).await?
        }
        None => false,
    };
    // From here on the sweeper goes on if this task does not.
    let keys = match (is_repeated, submission.validate_only) {
        (true, _) => Vec::new(),
        (false, true) => vault.present_key(&subject).await.map_err(away)?,
        (false, false) => vault.forget(&subject).await.map_err(away)?,
    };
    let recording = subjects::command(subject, &keys);
    let request = inventory::Request { command: recording, occurred_at: None };
    let submission = Submission { payload: Payload::One(request), ..submission };
    let (correlation_id, is_dry) =
        (submission.origin.correlation_id.clone(), submission.validate_only);
    let outcome = submit(&writer, submission, app.answer_by()).await;
    note(vault, &keys, &outcome, is_dry).await;
    Ok(answer::render(outcome, &correlation_id))
}

/// Notes that the log knows, which the sweeper would find out, too.
async fn note(
    vault: &PersonalVault,
    keys: &[crate::personal::ForgottenKey],
    outcome: &Outcome,
    is_dry: bool,
) {
    if is_dry || keys.is_empty() || !subjects::is_recorded(outcome) {
        return;
    }
    if let Err(error) = vault.mark_recorded(keys).await {
        tracing::warn!(%error, "a deleted key is recorded, but not noted as recorded; the sweeper looks again");
    }
}

/// What is kept of a subject.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subject)]
struct SubjectAnswer {
    #[schema(value_type = String)]
    subject: Label,
    /// Since when it has its key, or had its last one.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Events with its personal data, readable or not.
    events: i64,
    /// When it was forgotten; null while its data can be read.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    forgotten_at: Option<Timestamp>,
}

/// What is kept of a subject.
#[utoipa::path(
    get, path = "/v1/subjects/{subject}", tag = "log",
    params(("subject" = String, Path)),
    responses((status = 200, description = "What is kept", body = SubjectAnswer), ReadProblems),
)]
async fn read_subject(
    State(app): State<Arc<AppState>>,
    subject: PathText,
) -> Result<Json<SubjectAnswer>, Problem> {
    let vault = app.vault()?;
    let (text, missing) = named(subject);
    let subject: Label = text.parse().map_err(|_| missing())?;
    let history = vault.history(&subject).await.map_err(away)?.ok_or_else(&missing)?;
    let events = app.log.count_of_subject(&subject).await?;
    if events == 0 && history.forgotten_at.is_none() {
        return Err(missing());
    }
    let (since, forgotten_at) = (history.since, history.forgotten_at);
    Ok(Json(SubjectAnswer { subject, since, events, forgotten_at }))
}

object! {
    /// The part of a subject's events that is listed.
    struct SubjectEventsQuery {
        /// The position after which the list begins, as Next-Position gave it.
        #[serde(default)]
        after: Option<PositionToken>,
        /// Events at most.
        #[serde(default)]
        limit: IntegerOr<1_000, 1, 10_000>,
    }
}

/// The events with a subject's personal data, opened, one JSON object a line, in the order of recording.
///
/// In `personal` an event has `subject` and `data`, or `subject` and `forgotten` if its key was deleted.
#[utoipa::path(
    get, path = "/v1/subjects/{subject}/events", tag = "log",
    params(("subject" = String, Path), InQuery::<SubjectEventsQuery>),
    responses(
        (status = 200, description = "Finite NDJSON: an `Event` a line, with `personal` opened",
            body = String, content_type = "application/x-ndjson",
            headers(("Next-Position" = String, description = "The position after the last line"))),
        ReadProblems,
    ),
)]
async fn list_subject_events(
    State(app): State<Arc<AppState>>,
    subject: PathText,
    uri: Uri,
) -> Result<Response, Problem> {
    let vault = app.vault()?;
    let SubjectEventsQuery { after, limit } = query::parse(&uri)?;
    let (text, missing) = named(subject);
    let subject: Label = text.parse().map_err(|_| missing())?;
    let mut next = after.unwrap_or_default();
    let events = app.log.of_subject(&subject, &next, limit.0).await?;
    if events.is_empty() && app.log.count_of_subject(&subject).await? == 0 {
        return Err(missing());
    }
    let mut lines = Vec::new();
    for event in &events {
        next.reach(event.lane, event.position);
        serde_json::to_writer(&mut lines, &opened(vault, event).await?)
            .map_err(|error| Problem::internal(&error))?;
        lines.push(b'\n');
    }
    let body = ([(CONTENT_TYPE, "application/x-ndjson")], Bytes::from(lines));
    Ok(if next.is_empty() {
        body.into_response()
    } else {
        ([(NEXT_POSITION, next.to_string())], body).into_response()
    })
}

/// An event with its personal data opened.
async fn opened(vault: &PersonalVault, event: &RecordedEvent) -> Result<Value, Problem> {
    let mut line = serde_json::to_value(event).map_err(|error| Problem::internal(&error))?;
    if let Some(personal) = &event.personal {
        line["personal"] = match vault.open(personal, &event.correlation_id).await {
            Ok(clear) => json!({"subject": clear.subject, "data": clear.data}),
            Err(OpenError::Forgotten) => json!({"subject": personal.subject, "forgotten": true}),
            Err(error) => return Err(Problem::not_opened(&error, &event.id().to_string())),
        };
    }
    Ok(line)
}

/// A subject's name as asked, and the problem if nothing is kept of it.
fn named(subject: PathText) -> (String, impl Fn() -> Problem) {
    let text = path_text(subject);
    let shown = text.clone();
    let missing = move || {
        Problem::missing(Code::NotFound, format!("nothing is kept of subject {shown}"), &*shown)
    };
    (text, missing)
}

fn away(error: sqlx::Error) -> Problem {
    Problem::not_opened(&OpenError::Unavailable(error), "")
}

impl AppState {
    fn vault(&self) -> Result<&PersonalVault, Problem> {
        self.vault.as_ref().ok_or_else(Problem::personal_not_kept)
    }
}
