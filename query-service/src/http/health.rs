//! Whether the service lives, whether it can do its work, and its figures for machines.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::projection::Projection;
use crate::projection_set::ProjectionSet;

/// How long the database may take to show that it is there.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the service can do its work.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// What is missing; when ready, at most the trouble of single projections.
    reasons: Vec<String>,
}

/// `GET /livez`: the process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database is reached, every consumer has joined its group, what comes in is
/// applied. Otherwise 503 with the reasons.
///
/// A projection in trouble is named, but as long as another one does its work so does the service:
/// what answers well should not be taken away with what does not.
pub async fn readyz(State(projections): State<ProjectionSet>) -> impl IntoResponse {
    let mut reasons = Vec::new();
    if projections.stop().is_cancelled() {
        reasons.push("stopping".to_owned());
    }
    let pool = projections.pool();
    match tokio::time::timeout(DATABASE_TIMEOUT, pool.acquire()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => reasons.push(format!("database: {error}")),
        Err(_) => reasons.push("database: no answer in time".to_owned()),
    }
    let all = projections.known().iter().copied();
    for projection in all.clone().filter(|one| !projections.has_joined(*one)) {
        reasons.push(format!("{}: its consumer has not joined its group yet", projection.name()));
    }
    let trouble = |one: Projection| {
        let trouble = projections.active(one).progress.trouble()?;
        Some(format!("{}: {trouble}", one.name()))
    };
    let troubles: Vec<String> = all.filter_map(trouble).collect();
    let ready = reasons.is_empty() && troubles.len() < projections.known().len();
    reasons.extend(troubles);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons }))
}

/// `GET /metrics`: the process's figures in the Prometheus text format.
pub async fn metrics(State(projections): State<ProjectionSet>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], projections.recorder().render())
}
