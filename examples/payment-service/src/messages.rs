//! Kafka: what was said before, what comes in, and what goes out.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{Header, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use service_edge::kafka::{Logs, Producer, offsets_after};
use tokio::time::sleep;

use crate::config::Config;

/// Records that are handled at a time.
const BATCH_MAX: usize = 500;

/// How long the brokers may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The common settings of the clients.
fn client_config(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("client.id", "payment-service")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "1000");
    settings
}

/// The values of all records of a topic, from the first to the last. Blocks.
pub(crate) fn all_of(config: &Config, topic: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut settings = client_config(config);
    settings.set("group.id", "payment-service-without-commits").set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Logs> = settings.create_with_context(Logs)?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX)?;
    let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
    if partitions.is_empty() {
        bail!("the topic {topic} does not exist");
    }
    let mut values = Vec::new();
    for partition in partitions.iter().map(|partition| partition.id()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_MAX)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, partition, Offset::Offset(low))?;
        consumer.assign(&from)?;
        let mut next = low;
        while next < high {
            let record = consumer.poll(ANSWER_MAX).context("the brokers do not answer")??;
            next = record.offset() + 1;
            values.extend(record.payload().map(<[u8]>::to_vec));
        }
    }
    Ok(values)
}

/// What goes out about one thing.
pub(crate) struct Outgoing {
    /// The same for the same fact, however often it is sent.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Outgoing {
    fn record<'a>(&'a self, topic: &'a str) -> BaseRecord<'a, String, String> {
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id.as_str()),
            ("ce_source", "/payment-service"),
            ("ce_type", self.kind),
            ("content-type", "application/json"),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        BaseRecord::to(topic).key(&self.key).payload(&self.value).headers(headers)
    }
}

/// Handles the records of one topic by sending to another, until something fails. Offsets are committed after
/// what was sent is acknowledged, so nothing is lost; it may be handled twice.
pub(crate) async fn answer(
    config: &Config,
    from: &str,
    group: &str,
    to: &str,
    mut handle: impl FnMut(&OwnedMessage) -> Option<Outgoing>,
) -> anyhow::Result<()> {
    let mut settings = client_config(config);
    settings
        .set("group.id", group)
        // One instance runs at a time. Under a name it takes its place again at once after a crash; without
        // one the group would wait until the dead one's session has ended.
        .set("group.instance.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "6000")
        .set("fetch.wait.max.ms", "100");
    let consumer: StreamConsumer<Logs> = settings.create_with_context(Logs)?;
    consumer.subscribe(&[from])?;
    let mut settings = client_config(config);
    settings.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "1");
    let producer = Producer::connect(&settings)?;
    tracing::info!(from, to, "taking part");
    loop {
        let records = receive(&consumer, config).await?;
        let mut deliveries = Vec::new();
        for outgoing in records.iter().filter_map(&mut handle) {
            for _ in 0..copies(config) {
                deliveries.push(producer.send(outgoing.record(to))?);
            }
        }
        for delivery in deliveries {
            delivery.await.context("the producer has ended")??;
        }
        consumer.commit(&offsets_after(&records)?, CommitMode::Async)?;
    }
}

/// Waits for a record, as long as an answer takes, and then takes those that are there.
async fn receive(
    consumer: &StreamConsumer<Logs>,
    config: &Config,
) -> anyhow::Result<Vec<OwnedMessage>> {
    let mut records = vec![consumer.recv().await?.detach()];
    sleep(Duration::from_millis(config.delay_ms)).await;
    while records.len() < BATCH_MAX
        && let Some(record) = consumer.recv().now_or_never()
    {
        records.push(record?.detach());
    }
    Ok(records)
}

fn copies(config: &Config) -> usize {
    if rand::random_bool(config.duplicate_rate) { 2 } else { 1 }
}
