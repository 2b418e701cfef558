//! Runs tasks and restarts them if one fails: here those of one version of a projection.

use std::sync::Arc;
use std::time::Duration;

use service_edge::retry::Backoff;
use shared_events::lane::LaneMap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{self, ServeConfig};
use crate::pipeline::assignment::Assignment;
use crate::pipeline::context::Context;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::pipeline::runner::ProjectionRunner;
use crate::pipeline::subscribers::{Subscribers, Subscription};
use crate::projection::ProjectionVersion;
use crate::{database, metrics};

/// The longest pause before failed tasks are restarted.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Runs tasks until `stop` is cancelled. When one ends, the others are stopped and all are restarted.
pub async fn supervise(
    stop: &CancellationToken,
    start: impl Fn(&CancellationToken) -> JoinSet<()>,
    failed: impl Fn(String),
) {
    let mut backoff = Backoff::up_to(RESTART_PAUSE_MAX);
    loop {
        let running = stop.child_token();
        let mut tasks = start(&running);
        // No task ends by itself, unless it fails.
        let ended = tasks.join_next().await;
        running.cancel();
        while tasks.join_next().await.is_some() {}
        if stop.is_cancelled() {
            return;
        }
        failed(match ended {
            Some(Err(panic)) => panic.to_string(),
            _ => "a task ended by itself".to_owned(),
        });
        if backoff.pause(stop).await.is_err() {
            return;
        }
    }
}

/// What one version of a projection runs with.
pub struct Supervisor {
    pub of: ProjectionVersion,
    pub config: ServeConfig,
    pub log: LogClient,
    pub lane_map: LaneMap,
    pub progress: Arc<Progress>,
    pub assignment: Arc<Assignment>,
    pub subscribers: Arc<Subscribers>,
    pub stop: CancellationToken,
}

impl Supervisor {
    pub async fn run(self) {
        let span = tracing::info_span!("projection", projection = self.of.schema());
        let failed = |reason: String| {
            tracing::error!(reason, "the projection failed and is restarted");
            metrics::projection_restarted(self.of);
            self.progress.set_trouble(Some(reason));
        };
        supervise(&self.stop, |stop| self.start(stop), failed).instrument(span).await;
        self.subscribers.remove(self.of);
    }

    fn start(&self, stop: &CancellationToken) -> JoinSet<()> {
        metrics::followed(self.of);
        let config = &self.config;
        let (subscription, inbox) = Subscription::new();
        let context = Arc::new(Context {
            projection: self.of,
            config: config.clone(),
            log: self.log.clone(),
            pool: database::projection_pool(&config.database, self.of, &config.projection),
            lane_map: self.lane_map.clone(),
            progress: Arc::clone(&self.progress),
            assignment: Arc::clone(&self.assignment),
            subscription: Arc::clone(&subscription),
            fetches: Semaphore::new(config::count(config.log.log_requests_max)),
            stop: stop.clone(),
        });
        let runner = ProjectionRunner::new(Arc::clone(&context));
        let mut tasks = JoinSet::new();
        tasks.spawn(runner.run(inbox).in_current_span());
        tasks.spawn(poll_progress(context).in_current_span());
        self.subscribers.add(self.of, subscription);
        tasks
    }
}

async fn poll_progress(context: Arc<Context>) {
    let interval = context.config.database.position_poll_ms.0;
    let Context { progress, pool, projection, assignment, stop, .. } = &*context;
    progress.poll(pool, *projection, assignment, interval, stop).await;
}
