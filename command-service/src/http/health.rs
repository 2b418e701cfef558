//! For operators: is it alive, can it work, what does it count, and what does a problem mean.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use super::problem::{Code, Problem};
use super::request::{PathText, path_text};
use super::{AppState, WriterState, observe};

/// How long the database may take to say that it is there.
const PING_MAX: Duration = Duration::from_secs(1);

/// Whether commands can be executed, and if not, why not.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<&'static str>,
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// The service can do its work.
pub(super) async fn ready(State(app): State<Arc<AppState>>) -> Response {
    let mut reasons = Vec::new();
    match *app.writer.borrow() {
        WriterState::Starting => reasons.push("the log's lanes are not known yet"),
        WriterState::Running(_) => {}
        WriterState::Stopped => reasons.push("the service is stopping"),
    }
    if !matches!(timeout(PING_MAX, app.log.ping()).await, Ok(Ok(()))) {
        reasons.push("the write database does not answer");
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons })).into_response()
}

/// Everything counted, in Prometheus' text form.
pub(super) async fn metrics() -> Response {
    let text = observe::metrics().render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The page that a problem's `type` leads to.
pub(super) async fn problem_page(name: PathText) -> Result<Html<String>, Problem> {
    let name = path_text(name);
    Code::of_name(&name).map(|code| Html(code.page())).ok_or_else(|| {
        Problem::missing(Code::NotFound, format!("no problem is called {name}"), name)
    })
}
