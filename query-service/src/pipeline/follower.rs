//! What brings the log to all views: one consumer of the topic, and a look at the heads of the log.

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::pipeline::consumer::TopicConsumer;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::supervisor::supervise;

#[derive(Clone)]
pub struct Follower {
    pub consumer: TopicConsumer,
    pub log: LogClient,
}

impl Follower {
    /// Follows the log until it is stopped.
    pub async fn run(self) {
        metrics::following();
        let start = |stop: &CancellationToken| {
            let consumer = TopicConsumer { stop: stop.clone(), ..self.consumer.clone() };
            let mut tasks = JoinSet::new();
            tasks.spawn(watch_heads(consumer.clone(), self.log.clone()));
            tasks.spawn(consumer.run());
            tasks
        };
        let failed = |reason: String| {
            tracing::error!(reason, "following the log failed and is restarted");
            metrics::consumer_rebuilt();
            self.consumer.assignment.clear();
        };
        supervise(&self.consumer.stop, start, failed).await;
    }
}

/// Hands the heads of the log to the views at a steady pace.
async fn watch_heads(of: TopicConsumer, log: LogClient) {
    let TopicConsumer { config, subscribers, stop, .. } = &of;
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
