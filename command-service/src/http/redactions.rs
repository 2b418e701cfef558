//! Redactions: bytes of recorded events are removed for good.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::EventId;
use shared_events::redaction::RedactedMember;
use shared_events::values::Code;
use tokio::time::timeout_at;
use utoipa_axum::routes;

use super::AppState;
use super::answer::{self, Recorded};
use super::commands::refused;
use super::json::values::{Texts, words};
use super::json::{Faults, InQuery, object};
use super::openapi::CommandProblems;
use super::problem::Problem;
use super::request::{CommandHeaders, CommandQuery, IncomingRequest};
use crate::redaction::{EVENTS_MAX, Redaction, RedactionRequest};

pub(super) fn routes() -> Routes<Arc<AppState>> {
    Routes::default().routes(Access::everywhere(Scope::Operate), routes!(redact_events))
}

words! {
    RedactedMember {
        "note" => RedactedMember::Note,
        "metadata" => RedactedMember::Metadata,
        "reference" => RedactedMember::Reference,
        "payment" => RedactedMember::Payment,
        "personal" => RedactedMember::Personal,
    }
}

object! {
    /// What is removed from which events.
    pub(crate) struct RedactEvents as "Redaction" {
        /// The ids of the events, such as `3-1042`.
        events: Texts<EventId, EVENTS_MAX>,
        /// What is removed from each that holds it.
        members: Texts<RedactedMember, 5>,
        /// Why, as a code of your own.
        reason: Code,
    }
}

/// RedactEvents: removes members of recorded events for good, their bytes included. Figures and chain stay.
///
/// In each lane concerned the event `EventsRedacted` says what went and what the rest hashes to. `also_in` lists
/// other events of the same commands that hold one of the members when this is answered, at most 10,000. What is
/// gone already is passed over.
#[utoipa::path(
    post, path = "/v1/redactions", tag = "operators",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = RedactEvents,
    responses(Recorded, CommandProblems),
)]
async fn redact_events(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, Problem> {
    let incoming = IncomingRequest::with_own_key(request, false, &app.config).await?;
    let mut request = parse(&incoming)?;
    // A service that stops, or has not begun, records nothing.
    app.writer()?;
    if let (Some(vault), Some(key)) = (&app.vault, &mut request.key) {
        key.request_hash.key(vault);
    }
    let (correlation_id, until) = (request.origin.correlation_id.clone(), app.answer_by());
    let redaction = request.redaction.clone();
    let outcome = timeout_at(until, app.redactor.redact(request)).await;
    let outcome = outcome.map_err(|_| Problem::outcome_unknown())?;
    let elsewhere = timeout_at(until, app.redactor.held_elsewhere(&redaction)).await;
    let elsewhere = elsewhere.map_err(|_| Problem::outcome_unknown())??;
    Ok(answer::render_redaction(outcome, &correlation_id, elsewhere))
}

fn parse(incoming: &IncomingRequest) -> Result<RedactionRequest, Problem> {
    let mut faults = Faults::default();
    let metadata = incoming.metadata(false, &mut faults);
    let body = match incoming.body::<RedactEvents>(&mut faults)? {
        Ok(body) if faults.is_empty() => body,
        _ => return Err(refused(faults.into_vec())),
    };
    Ok(RedactionRequest {
        redaction: Redaction {
            events: body.events.0.into_iter().collect(),
            members: body.members.0.into_iter().collect(),
            reason: body.reason,
        },
        origin: metadata.origin,
        key: metadata.key.map(|key| incoming.idempotency_key(key)),
        validate_only: metadata.validate_only,
    })
}
