//! What was replied before: the topic of replies, from its first record to its last.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use service_edge::kafka::Logs;
use shared_events::payment::PaymentReply;

use crate::book::Book;
use crate::client_config;
use crate::config::Config;

/// How long the brokers may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Reads every reply. Blocks.
pub(crate) fn remember(config: &Config) -> anyhow::Result<Book> {
    let topic = config.replies_topic.as_str();
    let mut settings = client_config(config);
    settings.set("group.id", "payment-service-without-commits").set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Logs> = settings.create_with_context(Logs)?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX)?;
    let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
    if partitions.is_empty() {
        bail!("the topic {topic} does not exist");
    }
    let mut book = Book::default();
    for partition in partitions.iter().map(|partition| partition.id()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_MAX)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, partition, Offset::Offset(low))?;
        consumer.assign(&from)?;
        let mut next = low;
        while next < high {
            let record = consumer.poll(ANSWER_MAX).context("the brokers do not answer")??;
            next = record.offset() + 1;
            // What others wrote there does not concern us.
            let reply = record.payload().map(serde_json::from_slice::<PaymentReply>);
            if let Some(Ok(reply)) = reply {
                book.note(reply);
            }
        }
    }
    Ok(book)
}
