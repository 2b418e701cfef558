//! Reading a topic as a stranger would: from the first record to the last, without a group.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use shared_events::record::{self, Record};
use shared_events::recorded::RecordedEvent;

use crate::eventually::LOOK_AGAIN;

const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Every record of a partition, as the event it carries and as its own form.
pub async fn read_partition(
    brokers: &str,
    topic: &str,
    partition: u16,
) -> Vec<(RecordedEvent, Record)> {
    let messages = read_messages(brokers, topic, partition).await;
    messages.iter().map(|message| read(i32::from(partition), message)).collect()
}

fn read(partition: i32, message: &OwnedMessage) -> (RecordedEvent, Record) {
    let headers: Vec<(&str, &[u8])> = message
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter())
        .filter_map(|header| Some((header.key, header.value?)))
        .collect();
    let value = message.payload().unwrap_or_default();
    let event = record::read(partition, value, headers.iter().copied()).expect("our record");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seen = |(name, _)| {
        let (_, value) = headers.iter().find(|(key, _)| *key == name)?;
        Some((name, text(value)))
    };
    let record = Record {
        partition,
        key: text(message.key().unwrap_or_default()),
        value: text(value),
        headers: Record::of(&event).headers.into_iter().filter_map(seen).collect(),
    };
    (event, record)
}

/// Every message of a partition.
pub async fn read_messages(brokers: &str, topic: &str, partition: u16) -> Vec<OwnedMessage> {
    let (brokers, topic, partition) = (brokers.to_owned(), topic.to_owned(), i32::from(partition));
    let read = move || read_blocking(&brokers, &topic, partition);
    tokio::task::spawn_blocking(read).await.expect("the topic can be read")
}

fn read_blocking(brokers: &str, topic: &str, partition: i32) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader-without-commits")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer can be made");
    let (low, high) = watermarks(&consumer, topic, partition);
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
    consumer.assign(&from).expect("a partition can be assigned");
    let (mut messages, mut next) = (Vec::new(), low);
    while next < high {
        let message = match consumer.poll(ANSWER_MAX).expect("a record in time") {
            Ok(message) => message,
            // Another one has the partition, too.
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure)) => {
                continue;
            }
            Err(error) => panic!("a record: {error}"),
        };
        next = message.offset() + 1;
        messages.push(message.detach());
    }
    messages
}

/// The first offset and the one after the last, once the broker leads the partition: that of a topic that has just been
/// made again, it does not yet.
fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let until = Instant::now() + ANSWER_MAX;
    loop {
        match consumer.fetch_watermarks(topic, partition, ANSWER_MAX) {
            Ok(watermarks) => return watermarks,
            Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            )) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            Err(error) => panic!("the partition has watermarks: {error}"),
        }
    }
}
