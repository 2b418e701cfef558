//! `GET /readyz`: whether the service can do its work.

use std::time::Duration;

use axum::extract::State;
use service_edge::http::{Readiness, StoppedLane};
use sqlx::PgPool;

use crate::database;
use crate::projection::Projection;
use crate::projection_set::ProjectionSet;

/// How long the database may take to answer.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Stopped lanes that are named. `/v1/projections` has them all, each with its error.
const STOPPED_MAX: i64 = 100;

/// Ready: the database answers, the consumer has joined its group, and at least one projection
/// applies what comes in. A projection in trouble and a stopped lane are reported, but the others keep the
/// service ready: taking the instance away would take their answers away too.
pub async fn ready(State(projections): State<ProjectionSet>) -> Readiness {
    let mut missing = Vec::new();
    if projections.stop().is_cancelled() {
        missing.push("stopping".to_owned());
    }
    let stopped = read_stopped_lanes(projections.pool());
    let stopped = match tokio::time::timeout(DATABASE_TIMEOUT, stopped).await {
        Ok(stopped) => stopped.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    let stopped_lanes = stopped.unwrap_or_else(|error| {
        missing.push(format!("database: {error}"));
        Vec::new()
    });
    if !projections.has_joined() {
        missing.push("the Kafka consumer has not joined its group yet".to_owned());
    }
    let trouble = |one: Projection| {
        let trouble = projections.active(one).progress.trouble()?;
        Some(format!("{}: {trouble}", one.name()))
    };
    let troubles: Vec<String> = projections.known().iter().copied().filter_map(trouble).collect();
    if troubles.len() == projections.known().len() {
        missing.extend(troubles);
        return Readiness::new(missing, Vec::new(), stopped_lanes);
    }
    Readiness::new(missing, troubles, stopped_lanes)
}

/// The stopped lanes of the versions that answer, whichever instance stopped at them.
async fn read_stopped_lanes(pool: PgPool) -> sqlx::Result<Vec<StoppedLane>> {
    let rows: Vec<(String, i16, String)> =
        sqlx::query_as(include_str!("../../queries/list_stopped_lanes.sql"))
            .bind(STOPPED_MAX)
            .fetch_all(&pool)
            .await?;
    let stopped =
        |(projection, lane, event)| StoppedLane { projection, lane: database::lane(lane).0, event };
    Ok(rows.into_iter().map(stopped).collect())
}
