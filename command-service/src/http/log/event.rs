//! One event.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use service_edge::sign_in::SignedIn;
use shared_events::recorded::RecordedEvent;

use super::EventLine;
use crate::http::AppState;
use crate::http::openapi::ReadProblems;
use crate::http::problem::{Code, Problem};
use crate::http::request::{PathText, path_text};

/// One event.
#[utoipa::path(
    get, path = "/v1/events/{id}", tag = "log",
    params(("id" = String, Path, description = "The lane and the position", example = "3-1042")),
    responses((status = 200, body = EventLine), ReadProblems),
)]
pub(crate) async fn read_event(
    State(app): State<Arc<AppState>>,
    id: PathText,
    signed_in: Option<Extension<SignedIn>>,
) -> Result<Json<RecordedEvent>, Problem> {
    let id = path_text(id);
    let found = match id.parse() {
        Ok(id) => app.log.events(&[id]).await?.pop(),
        Err(_) => None,
    };
    let unknown = || Problem::missing(Code::NotFound, format!("the log has no event {id}"), &*id);
    let event = found.ok_or_else(unknown)?;
    if let Some(Extension(signed_in)) = signed_in {
        app.permit_stream(&signed_in, &event.stream).await?;
    }
    Ok(Json(event))
}
