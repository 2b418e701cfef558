//! `GET /readyz`: whether commands can be executed, and if not, why.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use service_edge::http::Readiness;
use tokio::time::timeout;

use super::{AppState, WriterState};

/// How long the database may take to answer.
const PING_MAX: Duration = Duration::from_secs(1);

pub(super) async fn ready(State(app): State<Arc<AppState>>) -> Readiness {
    let mut reasons = Vec::new();
    match *app.writer.borrow() {
        WriterState::Starting => reasons.push("the log's lanes are not known yet".to_owned()),
        WriterState::Running(_) => {}
        WriterState::Stopped => reasons.push("the service is stopping".to_owned()),
    }
    if !matches!(timeout(PING_MAX, app.log.ping()).await, Ok(Ok(()))) {
        reasons.push("the write database does not answer".to_owned());
    }
    Readiness::new(reasons, Vec::new(), Vec::new())
}
