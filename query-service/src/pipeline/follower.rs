//! What brings the log to all views: one consumer of the topic, and a look at the heads of the log.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::metrics;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::consumer;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::subscribers::Subscribers;
use crate::pipeline::supervisor::supervise;

#[derive(Clone)]
pub struct Follower {
    pub config: ServeConfig,
    pub log: LogClient,
    pub subscribers: Arc<Subscribers>,
    pub assignment: Arc<Assignment>,
    pub stop: CancellationToken,
}

impl Follower {
    /// Follows the log until it is stopped.
    pub async fn run(self) {
        metrics::following();
        let start = |stop: &CancellationToken| {
            let follower = Arc::new(Self { stop: stop.clone(), ..self.clone() });
            let mut tasks = JoinSet::new();
            tasks.spawn(consumer::run(Arc::clone(&follower)));
            tasks.spawn(watch_heads(follower));
            tasks
        };
        let failed = |reason: String| {
            tracing::error!(reason, "following the log failed and is restarted");
            metrics::consumer_rebuilt();
            self.assignment.clear();
        };
        supervise(&self.stop, start, failed).await;
    }
}

/// Hands the heads of the log to the views at a steady pace.
async fn watch_heads(follower: Arc<Follower>) {
    let Follower { config, log, subscribers, stop, .. } = &*follower;
    let mut rounds = tokio::time::interval(config.log.heads_interval_ms.0);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = async {
        loop {
            rounds.tick().await;
            match log.heads().await {
                Ok(heads) => subscribers.hand_heads(&heads),
                Err(error) => tracing::debug!(%error, "the log's heads cannot be read"),
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}
