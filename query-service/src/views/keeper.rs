//! Keeps one version of a projection up to date: its parts together, started anew when one fails.

use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::LaneMap;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::backoff::Backoff;
use crate::config::{self, ServeConfig};
use crate::consumer;
use crate::consumer::assign::Assignment;
use crate::consumer::gap::{self, Fetcher, LogClient};
use crate::consumer::receive::Bounds;
use crate::projection::ProjectionVersion;
use crate::projection::follow::{Feedback, Follower, Tools};
use crate::projection::progress::Progress;
use crate::{database, metrics};

/// Hand-overs that may wait for the projection.
const INBOX_DELIVERIES: usize = 2;

/// The longest pause before a projection that failed is started anew.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What one version of a projection is kept with.
pub(super) struct Keeper {
    pub(super) of: ProjectionVersion,
    pub(super) config: ServeConfig,
    pub(super) log: LogClient,
    pub(super) lane_map: LaneMap,
    pub(super) progress: Arc<Progress>,
    pub(super) assignment: Arc<Assignment>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    /// Keeps it until told to stop.
    pub(super) async fn run(self) {
        let span = tracing::info_span!("keep", projection = self.of.schema());
        async {
            let mut backoff = Backoff::up_to(RESTART_PAUSE_MAX);
            loop {
                let stop = self.stop.child_token();
                let mut parts = self.start(&stop);
                // None of the parts ends by itself, unless it fails.
                let ended = parts.join_next().await;
                stop.cancel();
                while parts.join_next().await.is_some() {}
                if self.stop.is_cancelled() {
                    return;
                }
                let reason = match ended {
                    Some(Err(panic)) => panic.to_string(),
                    _ => "a part of it ended by itself".to_owned(),
                };
                tracing::error!(reason, "the projection failed and is started anew");
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

    /// Starts the parts.
    fn start(&self, stop: &CancellationToken) -> JoinSet<()> {
        metrics::followed(self.of);
        let config = &self.config;
        let feedback = Arc::new(Feedback::default());
        let (sender, inbox) = mpsc::channel(INBOX_DELIVERIES);
        let pool = database::projection_pool(&config.database, self.of, &config.projection);
        let fetcher = Fetcher {
            client: self.log.clone(),
            permits: Arc::new(Semaphore::new(config::count(config.log.log_requests_max))),
            pause_max: config.projection.retry_pause_max_ms.0,
            inbox: sender.clone(),
            stop: stop.clone(),
        };
        let follower = Follower::new(Tools {
            projection: self.of,
            pool: pool.clone(),
            lane_map: self.lane_map.clone(),
            settings: config.projection,
            fetcher: fetcher.clone(),
            progress: Arc::clone(&self.progress),
            feedback: Arc::clone(&feedback),
            stop: stop.clone(),
        });
        let consumer = consumer::Tools {
            projection: self.of,
            settings: config.kafka.clone(),
            bounds: Bounds {
                records_max: config::count(config.projection.batch_events_max),
                bytes_max: config::count(config.projection.batch_bytes_max),
            },
            inbox: sender,
            feedback,
            assignment: Arc::clone(&self.assignment),
            stop: stop.clone(),
        };
        let poll = {
            let (progress, of, stop) = (Arc::clone(&self.progress), self.of, stop.clone());
            let interval = config.database.position_poll_ms.0;
            async move { progress.poll(&pool, of, interval, &stop).await }
        };
        let mut parts = JoinSet::new();
        parts.spawn(follower.run(inbox).in_current_span());
        parts.spawn(consumer::run(consumer).in_current_span());
        parts.spawn(gap::watch_heads(fetcher, config.log.heads_interval_ms.0).in_current_span());
        parts.spawn(poll.in_current_span());
        parts
    }
}
