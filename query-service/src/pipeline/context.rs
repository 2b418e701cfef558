//! What the tasks of one running version of a view share.

use std::sync::Arc;

use shared_events::lane::LaneMap;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::pipeline::subscribers::Subscription;
use crate::projection::ProjectionVersion;

pub struct Context {
    pub projection: ProjectionVersion,
    pub config: ServeConfig,
    pub log: LogClient,
    pub pool: PgPool,
    pub lane_map: LaneMap,
    pub progress: Arc<Progress>,
    pub assignment: Arc<Assignment>,
    pub subscription: Arc<Subscription>,
    /// One permit for each page of the log that is fetched or waits for the runner.
    pub fetches: Semaphore,
    /// Ends the tasks after the current batch.
    pub stop: CancellationToken,
}
