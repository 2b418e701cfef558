//! `GET /readyz`: whether the service can do its work.

use std::time::Duration;

use axum::extract::State;
use service_edge::http::Readiness;

use crate::projection::Projection;
use crate::projection_set::ProjectionSet;

/// How long the database may take to answer.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Ready: the database answers, every consumer has joined its group, and at least one projection
/// applies what comes in. A projection in trouble is reported, but the others keep the service ready:
/// taking the instance away would take their answers away too.
pub async fn ready(State(projections): State<ProjectionSet>) -> Readiness {
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
    Readiness { ready, reasons }
}
