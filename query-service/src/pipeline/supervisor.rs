//! Runs the consumer and the runner of one version of a projection, and restarts them if one fails.

use std::sync::Arc;
use std::time::Duration;

use service_edge::retry::Backoff;
use shared_events::lane::LaneMap;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{self, ServeConfig};
use crate::pipeline::assignment::Assignment;
use crate::pipeline::consumer;
use crate::pipeline::context::Context;
use crate::pipeline::fetcher::watch_heads;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::pipeline::runner::ProjectionRunner;
use crate::projection::ProjectionVersion;
use crate::{database, metrics};

/// Deliveries that may wait for the runner.
const INBOX_DELIVERIES: usize = 2;

/// The longest pause before a failed projection is restarted.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What one version of a projection runs with.
pub struct Supervisor {
    pub of: ProjectionVersion,
    pub config: ServeConfig,
    pub log: LogClient,
    pub lane_map: LaneMap,
    pub progress: Arc<Progress>,
    pub assignment: Arc<Assignment>,
    pub stop: CancellationToken,
}

impl Supervisor {
    pub async fn run(self) {
        let span = tracing::info_span!("projection", projection = self.of.schema());
        async {
            let mut backoff = Backoff::up_to(RESTART_PAUSE_MAX);
            loop {
                let stop = self.stop.child_token();
                let mut tasks = self.start(&stop);
                // No task ends by itself, unless it fails.
                let ended = tasks.join_next().await;
                stop.cancel();
                while tasks.join_next().await.is_some() {}
                if self.stop.is_cancelled() {
                    return;
                }
                let reason = match ended {
                    Some(Err(panic)) => panic.to_string(),
                    _ => "a task ended by itself".to_owned(),
                };
                tracing::error!(reason, "the projection failed and is restarted");
                metrics::projection_restarted(self.of);
                self.progress.set_trouble(Some(reason));
                self.assignment.clear();
                if backoff.pause(&self.stop).await.is_err() {
                    return;
                }
            }
        }
        .instrument(span)
        .await;
    }

    fn start(&self, stop: &CancellationToken) -> JoinSet<()> {
        metrics::followed(self.of);
        let config = &self.config;
        let (sender, inbox) = mpsc::channel(INBOX_DELIVERIES);
        let context = Arc::new(Context {
            projection: self.of,
            config: config.clone(),
            log: self.log.clone(),
            pool: database::projection_pool(&config.database, self.of, &config.projection),
            lane_map: self.lane_map.clone(),
            progress: Arc::clone(&self.progress),
            assignment: Arc::clone(&self.assignment),
            inbox: sender,
            fetches: Semaphore::new(config::count(config.log.log_requests_max)),
            offsets: watch::Sender::default(),
            stalled: watch::Sender::default(),
            stop: stop.clone(),
        });
        let runner = ProjectionRunner::new(Arc::clone(&context));
        let mut tasks = JoinSet::new();
        tasks.spawn(runner.run(inbox).in_current_span());
        tasks.spawn(consumer::run(Arc::clone(&context)).in_current_span());
        tasks.spawn(watch_heads(Arc::clone(&context)).in_current_span());
        tasks.spawn(poll_progress(context).in_current_span());
        tasks
    }
}

async fn poll_progress(context: Arc<Context>) {
    let interval = context.config.database.position_poll_ms.0;
    let Context { progress, pool, projection, stop, .. } = &*context;
    progress.poll(pool, *projection, interval, stop).await;
}
