//! Reading a topic as a stranger would: from the first record to the last, without a group.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use shared_events::record::{self, Record};
use shared_events::recorded::RecordedEvent;

const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Every record of a partition, as the event it carries and as its own form.
///
/// Blocks; to be called through `spawn_blocking`.
pub fn read_partition(brokers: &str, topic: &str, partition: u16) -> Vec<(RecordedEvent, Record)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader-without-commits")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer can be made");
    let partition = i32::from(partition);
    let (low, high) = consumer
        .fetch_watermarks(topic, partition, ANSWER_MAX)
        .expect("the partition has watermarks");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
    consumer.assign(&from).expect("a partition can be assigned");
    let mut records = Vec::new();
    let mut next = low;
    while next < high {
        let message = consumer.poll(ANSWER_MAX).expect("a record in time").expect("a record");
        next = message.offset() + 1;
        let headers: Vec<(&str, &[u8])> = message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter())
            .filter_map(|header| Some((header.key, header.value?)))
            .collect();
        let value = message.payload().unwrap_or_default();
        let event = record::read(partition, value, headers.iter().copied()).expect("our record");
        let seen = Record {
            partition,
            key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
            headers: Record::of(&event)
                .headers
                .into_iter()
                .filter_map(|(name, _)| {
                    let (_, value) = headers.iter().find(|(key, _)| *key == name)?;
                    Some((name, String::from_utf8_lossy(value).into_owned()))
                })
                .collect(),
        };
        records.push((event, seen));
    }
    records
}
