//! How the client is set up, and which lanes the group has given to this instance.

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
use crate::projection::{Projection, ProjectionVersion};

/// How often the client tells its group that it lives, and hears who has which lane.
const HEARTBEAT_INTERVAL_MS: &str = "500";

/// The client's settings, where they differ from librdkafka's own
/// (<https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>).
pub fn client_config(settings: &KafkaConfig, projection: ProjectionVersion) -> ClientConfig {
    let milliseconds = |setting: Milliseconds| setting.0.as_millis().to_string();
    let group = format!("{}.{}", settings.consumer_group, projection.schema());
    let wait = settings.fetch_wait_ms.0.max(projection.projection().gather());
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.kafka_brokers)
        .set("client.id", "query-service")
        .set("group.id", group)
        // Known faults of the newer protocol in this librdkafka are mended only in later ones.
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", milliseconds(settings.session_timeout_ms))
        // Lanes change hands in step with the heartbeats, and nobody reads a lane meanwhile.
        .set("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS)
        // The checkpoints say what is applied; offsets are committed after that, as a hint.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Too early a start brings duplicates, which are dropped; too late a one a gap, which is read
        // from the log.
        .set("auto.offset.reset", "earliest")
        // A missing topic, or one made anew, is looked for this often.
        .set("topic.metadata.refresh.interval.ms", "2000")
        // A record is fetched as soon as it is worth an answer, and again soon after the queue was full.
        .set("fetch.min.bytes", worth(projection.projection()))
        .set("fetch.wait.max.ms", wait.as_millis().to_string())
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", settings.fetch_queue_kib.to_string())
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true");
    config
}

/// How many bytes of records are worth an answer before the broker has waited its time.
fn worth(projection: Projection) -> &'static str {
    match projection {
        Projection::Stock => "1",
        Projection::DailyFlow | Projection::LowStock => "262144",
    }
}

/// The lanes that the group has given to this instance.
#[derive(Debug, Default)]
pub struct Assignment {
    lanes: watch::Sender<BTreeSet<Lane>>,
    /// Whether the group has ever given an answer.
    joined: watch::Sender<bool>,
}

impl Assignment {
    /// The lanes.
    pub fn lanes(&self) -> BTreeSet<Lane> {
        self.lanes.borrow().clone()
    }

    /// Whether the group has ever said which lanes are this instance's, be it none.
    pub fn has_joined(&self) -> bool {
        *self.joined.borrow()
    }

    /// Whether any of these lanes should have come to this instance: it has one of them, or it has
    /// none at all.
    pub fn covers(&self, lanes: &BTreeSet<Lane>) -> bool {
        let assigned = self.lanes.borrow();
        !lanes.is_empty() && (assigned.is_empty() || !assigned.is_disjoint(lanes))
    }

    /// The client is gone, and its lanes with it.
    pub fn clear(&self) {
        self.lanes.send_replace(BTreeSet::new());
    }

    fn add(&self, partitions: &TopicPartitionList) {
        self.lanes.send_modify(|lanes| lanes.extend(lanes_of(partitions)));
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

/// What the client calls back.
pub struct Context {
    /// The projection that is fed.
    pub projection: ProjectionVersion,
    /// Kept up to date with the group's decisions.
    pub assignment: Arc<Assignment>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let projection = self.projection.schema();
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.assignment.add(partitions);
                tracing::info!(projection, lanes = names(partitions), "lanes assigned");
            }
            Rebalance::Revoke(partitions) => {
                self.assignment.remove(partitions);
                tracing::info!(projection, lanes = names(partitions), "lanes revoked");
            }
            Rebalance::Error(error) => tracing::warn!(%error, projection, "rebalance failed"),
        }
    }
}
