//! Reading a topic with librdkafka alone.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Reads so many records from the beginning of a topic, all partitions at once, and throws them
/// away; counted from the first record on.
///
/// # Errors
/// Kafka does not bring them.
pub async fn records_a_second(brokers: &str, topic: &str, records: i64) -> anyhow::Result<f64> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    spawn_blocking(move || consume(&brokers, &topic, records)).await.context("reading broke")?
}

fn consume(brokers: &str, topic: &str, records: i64) -> anyhow::Result<f64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "limit")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX)?;
    let partitions = metadata.topics().first().context("there is no such topic")?.partitions();
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        assigned.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let mut first = None;
    let mut read = 0;
    while read < records {
        let record = consumer.poll(ANSWER_MAX);
        let record = record.with_context(|| format!("{read} of {records} records came"))?;
        record.context("Kafka")?;
        read += 1;
        first.get_or_insert_with(Instant::now);
    }
    let first = first.context("there are no records")?;
    ensure!(read > 1, "one record takes no time");
    Ok((read - 1) as f64 / first.elapsed().as_secs_f64())
}
