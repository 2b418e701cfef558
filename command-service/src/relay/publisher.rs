//! The Kafka producer: sends events in the order given, each to the partition of its lane.

use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducerContext};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use shared_events::record::Record;
use shared_events::recorded::RecordedEvent;

use super::RelayConfig;
use super::client::{Logs, settings};
use crate::topic::RECORD_BYTES_MAX;

/// How long one request about a partition may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// An idempotent producer for one topic. Dropping it blocks.
pub(super) struct Publisher {
    producer: FutureProducer<Logs>,
    topic: String,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(super) enum SendError {
    /// Too much is in flight; the same event may be sent again later.
    QueueFull,
    /// This event can never be sent.
    TooLarge,
    /// The producer cannot be used any more.
    Kafka(KafkaError),
}

impl Publisher {
    pub(super) fn connect(config: &RelayConfig) -> KafkaResult<Self> {
        let bounds = &config.bounds;
        let mut settings = settings(&config.brokers);
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            // An error that would leave a gap is fatal: we start again from what is really there.
            .set("enable.gapless.guarantee", "true")
            // Never give up on a record while later ones might get through.
            .set("message.timeout.ms", "0")
            .set("linger.ms", bounds.linger_ms.to_string())
            // A topic that was deleted fails what is queued for it after this long.
            .set("topic.metadata.propagation.max.ms", "5000")
            // Beyond our own windows, so that these never decide.
            .set("queue.buffering.max.messages", (bounds.in_flight_len_max * 2).to_string())
            .set("queue.buffering.max.kbytes", (bounds.in_flight_bytes_max / 1024 * 2).to_string());
        Ok(Self { producer: settings.create_with_context(Logs)?, topic: config.topic.clone() })
    }

    /// Puts an event behind those already sent, without waiting.
    pub(super) fn send(&self, event: &RecordedEvent) -> Result<DeliveryFuture, SendError> {
        let record = Record::of(event);
        let headers = record.headers.iter().fold(
            OwnedHeaders::new_with_capacity(record.headers.len()),
            |headers, (key, value)| headers.insert(Header { key, value: Some(value) }),
        );
        let message = FutureRecord::to(&self.topic)
            .partition(record.partition)
            .key(&record.key)
            .payload(&record.value)
            .headers(headers);
        // Not `send`, which sleeps when the queue is full.
        self.producer.send_result(message).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => SendError::QueueFull,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => SendError::TooLarge,
            _ => SendError::Kafka(error),
        })
    }

    /// The offset after the last record of a partition. Blocks.
    pub(super) fn high_watermark(&self, partition: i32) -> KafkaResult<i64> {
        self.client().fetch_watermarks(&self.topic, partition, REQUEST_MAX).map(|(_, high)| high)
    }

    /// The topic that is written.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The client, to ask about the topic.
    pub(super) fn client(&self) -> &Client<FutureProducerContext<Logs>> {
        self.producer.client()
    }
}
