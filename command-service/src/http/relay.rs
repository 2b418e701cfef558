//! How far the log is published to Kafka.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::openapi::ReadProblems;
use super::problem::Problem;
use crate::relay::RelayedLane;

/// How far each lane is published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Relayed {
    /// Lanes ascending.
    items: Vec<RelayedLane>,
}

/// How far each lane is published to Kafka, and by which instance.
///
/// `state` is that of the instance which answers; of the lanes of others it knows the owner and the mark.
#[utoipa::path(
    get, path = "/v1/relay", tag = "operators",
    responses((status = 200, description = "Lanes ascending", body = Relayed), ReadProblems),
)]
pub(crate) async fn list_relayed(
    State(app): State<Arc<AppState>>,
) -> Result<Json<Relayed>, Problem> {
    Ok(Json(Relayed { items: app.relay.lanes().await? }))
}
