//! What the tasks of one running version share.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_events::lane::{Lane, LaneMap};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::projection::ProjectionVersion;

pub struct Context {
    pub projection: ProjectionVersion,
    pub config: ServeConfig,
    pub log: LogClient,
    pub pool: PgPool,
    pub lane_map: LaneMap,
    pub progress: Arc<Progress>,
    pub assignment: Arc<Assignment>,
    /// To the runner. It holds few deliveries, so that memory stays bounded.
    pub inbox: mpsc::Sender<Delivery>,
    /// One permit for each page of the log that is fetched or waits for the runner.
    pub fetches: Semaphore,
    /// Where Kafka should continue, by lane; committed there as a hint.
    pub offsets: watch::Sender<BTreeMap<Lane, i64>>,
    /// Lanes for which Kafka brought nothing although the log was ahead, each with the moment since when
    /// it was.
    pub stalled: watch::Sender<BTreeMap<Lane, Instant>>,
    /// Ends the tasks after the current batch.
    pub stop: CancellationToken,
}
