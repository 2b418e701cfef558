//! Reversals: the exact opposites of earlier events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service_edge::problem::ProblemDocument;
use shared_events::lane::{EventId, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, ReversalId, Sku};
use tokio::time::timeout_at;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use super::{Command, CommandParameters, NoPath};
use crate::http::AppState;
use crate::http::answer::{Accepted, mark_replayed};
use crate::http::json::personal::TakesPersonal;
use crate::http::json::values::{cause, words};
use crate::http::json::{Faults, JsonPointer, object};
use crate::http::openapi::{CommandProblems, ReadProblems};
use crate::http::problem::{self, Problem};
use crate::http::request::{IncomingRequest, PathText, path_text};
use crate::inventory::{self, Precondition, Request, Target};
use crate::log::submission::{Payload, Submission};
use crate::personal::PersonalData;
use crate::reversals::{Progress, Refusal, Started, Status, WindowBy, WindowRequest};

object! {
    /// What is reversed: one of `event`, `correlation_id` and `reversal`.
    pub(crate) struct Reverse as "ReverseInBatch" {
        /// One event, such as `3-1042`; with a half of a move goes its other half.
        #[serde(default)]
        event: Option<EventId>,
        /// All stock events of a correlation.
        #[serde(default)]
        correlation_id: Option<Label>,
        /// What an earlier reversal did.
        #[serde(default)]
        reversal: Option<ReversalId>,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
        /// A code of your own.
        #[serde(default)]
        reason: Option<Code>,
    }
    with context
    check Reverse::has_one_target
}

impl Reverse {
    fn has_one_target(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        let Self { event, correlation_id, reversal, .. } = self;
        if !is_one([event.is_some(), correlation_id.is_some(), reversal.is_some()]) {
            faults.add(at, "must have exactly one of event, correlation_id, reversal");
        }
    }
}

fn is_one(targets: impl IntoIterator<Item = bool>) -> bool {
    targets.into_iter().filter(|is_named| *is_named).count() == 1
}

impl Command for Reverse {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let event = self.event.map(Target::Event);
        let correlation = self.correlation_id.map(Target::Correlation);
        let target = event.or(correlation).or(self.reversal.map(Target::Reversal));
        let command = inventory::Reverse {
            id: new_id(),
            target: target.expect("a reversal was checked to have one target"),
            accept_shortage: self.accept_shortage,
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        // A reversal happens when it is recorded.
        Request { command: inventory::Command::Reverse(command), occurred_at: None }
    }
}

words! {
    WindowBy {
        "recorded_at" => WindowBy::RecordedAt,
        "occurred_at" => WindowBy::OccurredAt,
    }
}

object! {
    /// What was booked in a time: recorded before the request, and not yet reversed.
    pub(crate) struct Window {
        /// The time of an event that counts.
        by: WindowBy,
        /// The first moment.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
        /// Only of this item.
        #[serde(default)]
        sku: Option<Sku>,
        /// Only at this location.
        #[serde(default)]
        location: Option<LocationCode>,
        /// Only what this actor asked for.
        #[serde(default)]
        actor: Option<Label>,
    }
    check Window::ends_after_it_begins
}

impl Window {
    fn ends_after_it_begins(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        if self.to <= self.from {
            faults.add(at.member("to"), "must be after `from`");
        }
    }
}

object! {
    /// What is reversed: exactly one of `event`, `correlation_id`, `reversal` and `window`.
    pub(crate) struct ReverseOrWindow as "Reversal" {
        /// One event, such as `3-1042`; with a half of a move goes its other half.
        #[serde(default)]
        event: Option<EventId>,
        /// All stock events of a correlation.
        #[serde(default)]
        correlation_id: Option<Label>,
        /// What an earlier reversal did.
        #[serde(default)]
        reversal: Option<ReversalId>,
        #[serde(default)]
        window: Option<Window>,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
        /// A code of your own.
        #[serde(default)]
        reason: Option<Code>,
    }
    with context
    check ReverseOrWindow::has_one_target
}

impl ReverseOrWindow {
    fn has_one_target(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        let Self { event, correlation_id, reversal, window, .. } = self;
        let targets = [event.is_some(), correlation_id.is_some(), reversal.is_some()];
        if !is_one(targets.into_iter().chain([window.is_some()])) {
            faults.add(at, "must have exactly one of event, correlation_id, reversal, window");
        }
    }
}

/// A reversal for the writer, or a window of them.
#[derive(Debug)]
pub(super) enum Reversal {
    Now(Box<Submission>),
    Window { request: Box<WindowRequest>, dry_run: bool },
}

/// Reverse: reverses an event, a correlation or an earlier reversal at once, by exact opposites; or
/// all that was booked in a window, one correlation after another.
///
/// A window that is asked for again with the same Idempotency-Key is not reversed again: the answer has
/// the header Idempotency-Replayed and how far the first reversal is by then, so its body may differ.
#[utoipa::path(
    post, path = "/v1/reversals", tag = "commands",
    params(CommandParameters::<Reverse>),
    request_body = ReverseOrWindow,
    responses(Reversed, CommandProblems),
)]
pub(crate) async fn reverse(
    State(app): State<Arc<AppState>>,
    request: extract::Request,
) -> Response {
    if let Some(problem) = app.overload() {
        return problem.into_response();
    }
    match app.read_reversal(request).await {
        Ok(Reversal::Now(submission)) => app.submit(*submission).await,
        Ok(Reversal::Window { request, dry_run }) => {
            let answer = app.reverse_window(*request, dry_run).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        }
        Err(problem) => problem.into_response(),
    }
}

pub(super) fn parse(incoming: &IncomingRequest) -> Result<Reversal, Problem> {
    let mut faults = Faults::default();
    let mut metadata = incoming.metadata(false, &mut faults);
    let mut body = match incoming.body::<ReverseOrWindow>(&mut faults)? {
        Ok(body) if faults.is_empty() => body,
        _ => return Err(Problem::validation_failed(faults.into_vec())),
    };
    metadata.validate_only |= body.dry_run;
    let personal = body.take_personal().map(PersonalData::new);
    let Some(window) = body.window else {
        let reverse = Reverse {
            event: body.event,
            correlation_id: body.correlation_id,
            reversal: body.reversal,
            accept_shortage: body.accept_shortage,
            reason: body.reason,
            reference: body.reference,
            note: body.note,
            metadata: body.metadata,
            personal: None,
        };
        let request = reverse.into_request(NoPath {}, None);
        let personal = personal.map(Some).into_iter().collect();
        let submission = incoming.submission(Payload::One(request), personal, metadata);
        return Ok(Reversal::Now(Box::new(submission)));
    };
    let request = WindowRequest {
        id: new_id(),
        by: window.by,
        from: window.from,
        to: window.to,
        sku: window.sku,
        location: window.location,
        actor: window.actor,
        accept_shortage: body.accept_shortage,
        cause: cause(body.reason, body.reference, body.note, body.metadata),
        personal,
        origin: metadata.origin,
        key: metadata.key.map(|key| incoming.idempotency_key(key)),
    };
    Ok(Reversal::Window { request: Box::new(request), dry_run: metadata.validate_only })
}

fn new_id() -> ReversalId {
    ReversalId::new(Uuid::now_v7())
}

/// The answers to a reversal.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum Reversed {
    /// Recorded, or only validated, also by `dry_run`; of a window what would happen.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(ReversalAnswer),
    /// A window is being reversed, perhaps since an earlier request with this key.
    #[response(status = 202, headers(("Location" = String, description = "Where its progress is")))]
    Begun(ReversalProgress),
}

/// Of a window its progress, of all others what a command answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum ReversalAnswer {
    Window(ReversalProgress),
    Other(Accepted),
}

/// How far the reversal of a window is.
#[utoipa::path(
    get, path = "/v1/reversals/{id}", tag = "commands",
    params(("id" = String, Path, description = "The reversal's id")),
    responses((status = 200, description = "Its progress", body = ReversalProgress), ReadProblems),
)]
pub(crate) async fn read_progress(
    State(app): State<Arc<AppState>>,
    id: PathText,
) -> Result<Json<ReversalProgress>, Problem> {
    let text = path_text(id);
    let missing = || {
        let detail = format!("no window is or was reversed under {text}");
        Problem::missing(problem::Code::NotFound, detail, text.clone())
    };
    let id: ReversalId = text.parse().map_err(|_| missing())?;
    let progress = timeout_at(app.answer_by(), app.reversals.progress(&id)).await;
    let progress = progress.map_err(|_| Problem::log_unavailable())??;
    progress.map(|progress| Json(progress.into())).ok_or_else(missing)
}

impl AppState {
    async fn read_reversal(&self, request: extract::Request) -> Result<Reversal, Problem> {
        let incoming = IncomingRequest::with_own_key(request, false, &self.config).await?;
        let reversal = parse(&incoming)?;
        match (&reversal, incoming.signed_in()) {
            (Reversal::Now(submission), signed_in) => {
                self.permit(signed_in, submission.payload.requests()).await?;
            }
            // A correlation is reversed whole, wherever its other events are.
            (Reversal::Window { .. }, Some(signed_in)) => signed_in.require_all_locations()?,
            (Reversal::Window { .. }, None) => {}
        }
        Ok(reversal)
    }

    async fn reverse_window(
        &self,
        mut request: WindowRequest,
        dry_run: bool,
    ) -> Result<Response, Problem> {
        if request.personal.is_some() && self.vault.is_none() {
            return Err(Problem::personal_not_kept());
        }
        let until = self.answer_by();
        if dry_run {
            let progress = timeout_at(until, self.reversals.dry_run(&request)).await;
            let progress = progress.map_err(|_| Problem::log_unavailable())??;
            return Ok(Json(ReversalProgress::from(progress)).into_response());
        }
        if let (Some(vault), Some(key)) = (&self.vault, &mut request.key) {
            key.request_hash.key(vault);
        }
        let started = timeout_at(until, self.reversals.start(request, self.vault.clone())).await;
        Ok(match started.map_err(|_| Problem::outcome_unknown())?? {
            Started::Now(progress) => begun(progress),
            Started::Before(progress) => mark_replayed(begun(progress)),
        })
    }
}

fn begun(progress: Progress) -> Response {
    let location = format!("/v1/reversals/{}", progress.reversal_id);
    let body = Json(ReversalProgress::from(progress));
    (StatusCode::ACCEPTED, [(LOCATION, location)], body).into_response()
}

/// How far the reversal of a window is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReversalProgress {
    #[schema(value_type = String)]
    reversal_id: ReversalId,
    #[schema(value_type = String, example = "running")]
    status: Status,
    /// Whether this is a dry run.
    dry_run: bool,
    /// Events recorded after this are not reversed.
    #[schema(value_type = String, example = "3:1042,7:88")]
    position: PositionToken,
    /// Events in the window that can be reversed.
    events: u64,
    /// Correlations that they belong to; each is reversed whole or not at all.
    correlations: u64,
    /// Correlations reversed so far.
    reversed: u64,
    /// Correlations refused so far.
    refused: u64,
    /// The first of the refusals, at most 1,000.
    refusals: Vec<RefusalLine>,
}

/// A correlation that is not reversed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReversalRefusal)]
struct RefusalLine {
    #[schema(value_type = String)]
    correlation_id: Label,
    /// Why not.
    #[schema(value_type = ProblemDocument)]
    problem: Problem,
}

impl From<Progress> for ReversalProgress {
    fn from(progress: Progress) -> Self {
        let line = |Refusal { correlation_id, rejection }| RefusalLine {
            correlation_id,
            problem: rejection.into(),
        };
        Self {
            reversal_id: progress.reversal_id,
            status: progress.status,
            dry_run: progress.dry_run,
            position: progress.position,
            events: progress.events,
            correlations: progress.correlations,
            reversed: progress.reversed,
            refused: progress.refused,
            refusals: progress.refusals.into_iter().map(line).collect(),
        }
    }
}
