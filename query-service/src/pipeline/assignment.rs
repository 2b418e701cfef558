//! How the Kafka client is configured, and which lanes the consumer group assigned to this instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use shared_events::lane::Lane;
use tokio::sync::watch;

use crate::config::{KafkaConfig, Milliseconds};

/// How often the client sends a heartbeat to its group and learns about new assignments.
const HEARTBEAT_INTERVAL_MS: &str = "500";

/// The client's settings, where they differ from librdkafka's own
/// (<https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>).
pub fn client_config(settings: &KafkaConfig) -> ClientConfig {
    let milliseconds = |setting: Milliseconds| setting.0.as_millis().to_string();
    let mut config = settings.brokers.settings();
    config
        .set("client.id", "query-service")
        .set("group.id", format!("{}.views", settings.consumer_group))
        // This librdkafka has known bugs in the newer protocol, fixed in later versions.
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", milliseconds(settings.session_timeout_ms))
        // Lanes move with the heartbeats, and no instance reads a lane in between.
        .set("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS)
        // The checkpoints say what is applied; offsets are committed after that, as a hint.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Starting too early brings duplicates, which are dropped; starting too late leaves a gap, which
        // is read from the log.
        .set("auto.offset.reset", "earliest")
        // How often a missing or recreated topic is looked for.
        .set("topic.metadata.refresh.interval.ms", "2000")
        // A broker that waits for one byte answers with the first record, however long it may wait.
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", milliseconds(settings.fetch_wait_ms))
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", settings.fetch_queue_kib.to_string())
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true");
    config
}

/// The lanes that the consumer group assigned to this instance.
#[derive(Debug, Default)]
pub struct Assignment {
    lanes: watch::Sender<BTreeSet<Lane>>,
    /// Whether the group has ever answered.
    joined: watch::Sender<bool>,
}

impl Assignment {
    pub fn lanes(&self) -> BTreeSet<Lane> {
        self.lanes.borrow().clone()
    }

    pub fn has(&self, lane: Lane) -> bool {
        self.lanes.borrow().contains(&lane)
    }

    /// Whether the group has ever assigned lanes to this instance, even none.
    pub fn has_joined(&self) -> bool {
        *self.joined.borrow()
    }

    /// Whether this instance should have received any of these lanes: it has one of them, or none at
    /// all.
    pub fn covers(&self, lanes: &BTreeSet<Lane>) -> bool {
        let assigned = self.lanes.borrow();
        !lanes.is_empty() && (assigned.is_empty() || !assigned.is_disjoint(lanes))
    }

    /// Forgets the lanes of a client that is gone.
    pub fn clear(&self) {
        self.lanes.send_replace(BTreeSet::new());
    }

    pub(super) fn assign(&self, more: impl IntoIterator<Item = Lane>) {
        self.lanes.send_modify(|lanes| lanes.extend(more));
        self.joined.send_replace(true);
    }

    fn remove(&self, partitions: &TopicPartitionList) {
        let lost = lanes_of(partitions);
        self.lanes.send_modify(|lanes| lanes.retain(|lane| !lost.contains(lane)));
    }
}

fn lanes_of(partitions: &TopicPartitionList) -> BTreeSet<Lane> {
    let elements = partitions.elements();
    let lane = |partition| u16::try_from(partition).ok().map(Lane);
    elements.iter().filter_map(|element| lane(element.partition())).collect()
}

fn names(partitions: &TopicPartitionList) -> String {
    let lanes: Vec<String> = lanes_of(partitions).iter().map(Lane::to_string).collect();
    lanes.join(" ")
}

/// Receives the callbacks of the client.
pub struct AssignmentListener(pub Arc<Assignment>);

impl ClientContext for AssignmentListener {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
    }
}

impl ConsumerContext for AssignmentListener {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.0.assign(lanes_of(partitions));
                tracing::info!(lanes = names(partitions), "lanes assigned");
            }
            Rebalance::Revoke(partitions) => {
                self.0.remove(partitions);
                tracing::info!(lanes = names(partitions), "lanes revoked");
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed"),
        }
    }
}
