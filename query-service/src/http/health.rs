//! Whether the service lives, whether it can do its work, and its figures for machines.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::http::Service;

/// How long the database may take to show that it is there.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the service can do its work.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// What is missing; empty when ready.
    reasons: Vec<String>,
}

/// `GET /livez`: the process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database is reached, the consumer has joined its group, the projection applies
/// what comes in. Otherwise 503 with the reasons.
pub async fn readyz(State(service): State<Service>) -> impl IntoResponse {
    let mut reasons = Vec::new();
    if service.stop.is_cancelled() {
        reasons.push("stopping".to_owned());
    }
    match tokio::time::timeout(DATABASE_TIMEOUT, service.pool.acquire()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => reasons.push(format!("database: {error}")),
        Err(_) => reasons.push("database: no answer in time".to_owned()),
    }
    if !service.assignment.has_joined() {
        reasons.push("consumer: has not joined its group yet".to_owned());
    }
    if let Some(trouble) = service.progress.trouble() {
        reasons.push(format!("projection: {trouble}"));
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons }))
}

/// `GET /metrics`: the process's figures in the Prometheus text format.
pub async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], service.recorder.render())
}
