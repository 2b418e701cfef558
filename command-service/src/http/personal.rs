//! Personal data over HTTP: opened by the keys that are there now.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared_events::values::Label;
use utoipa::{IntoResponses, ToSchema};

use service_edge::problem::ProblemDocument;

use super::AppState;
use super::openapi::ReadProblems;
use super::problem::{Code, Problem};
use super::request::{PathText, path_text};
use crate::personal::OpenError;

/// Personal data, opened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenedPersonal)]
pub(crate) struct Opened {
    #[schema(value_type = String)]
    subject: Label,
    data: BTreeMap<String, String>,
}

/// The problem of data whose key was deleted.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes a problem, and is never filled")]
pub(crate) enum ForgottenProblem {
    /// forgotten
    #[response(status = 410, content_type = "application/problem+json")]
    Forgotten(ProblemDocument),
}

/// The personal data that came with the command of an event.
#[utoipa::path(
    get, path = "/v1/events/{id}/personal", tag = "log",
    params(("id" = String, Path, description = "The event's id", example = "3-1042")),
    responses(
        (status = 200, description = "Opened", body = Opened), ForgottenProblem, ReadProblems,
    ),
)]
pub(crate) async fn open_event(
    State(app): State<Arc<AppState>>,
    id: PathText,
) -> Result<Json<Opened>, Problem> {
    let id = path_text(id);
    let missing = |detail: String| Problem::missing(Code::NotFound, detail, id.clone());
    let found = match id.parse() {
        Ok(id) => app.log.events(&[id]).await?.pop(),
        Err(_) => None,
    };
    let event = found.ok_or_else(|| missing(format!("the log has no event {id}")))?;
    let Some(personal) = &event.personal else {
        return Err(missing(format!("the event {id} has no personal data")));
    };
    let Some(vault) = &app.vault else {
        return Err(Problem::personal_not_kept());
    };
    let opened = vault.open(personal, &event.correlation_id).await;
    let opened = opened.map_err(|error| Problem::not_opened(&error, &id))?;
    Ok(Json(Opened { subject: opened.subject, data: opened.data }))
}

impl Problem {
    pub(super) fn not_opened(error: &OpenError, id: &str) -> Self {
        match error {
            OpenError::Forgotten => {
                let detail = format!("the personal data of event {id} is forgotten");
                Self::missing(Code::Forgotten, detail, id)
            }
            OpenError::Damaged => {
                tracing::error!(
                    event = id,
                    "personal data does not open; compare the log with `verify`"
                );
                let detail = format!("the personal data of event {id} does not open");
                Self::missing(Code::PersonalDamaged, detail, id)
            }
            OpenError::Unavailable(error) => {
                tracing::warn!(%error, "the database of keys does not answer");
                Self::log_unavailable()
            }
        }
    }
}
