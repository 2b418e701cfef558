//! The Kafka producer: sends events in order, each to the partition of its lane.

use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use service_edge::kafka::{Deliveries, Delivery, Producer};
use shared_events::record::Record;
use shared_events::recorded::RecordedEvent;

use super::{IN_FLIGHT_BYTES_MAX, IN_FLIGHT_LEN_MAX, RelayConfig};
use crate::kafka::settings;
use crate::topic::RECORD_BYTES_MAX;

/// How long one request about a partition may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// An idempotent producer for one topic. Dropping it blocks.
pub(crate) struct Publisher {
    producer: Producer,
    topic: String,
}

/// Why an event was not accepted.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Too much is in flight; the event may be sent later.
    QueueFull,
    /// The event can never be sent.
    TooLarge,
    /// The producer is unusable.
    Kafka(KafkaError),
}

impl Publisher {
    pub(crate) fn connect(config: &RelayConfig) -> KafkaResult<Self> {
        let mut settings = settings(&config.brokers);
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            // An error that would leave a gap is fatal, and the session starts again from what Kafka has.
            .set("enable.gapless.guarantee", "true")
            // Never give up on a record while later ones might succeed.
            .set("message.timeout.ms", "0")
            // Lanes send in rounds already; their events come one by one, and librdkafka shall see them all.
            .set("linger.ms", "0.2")
            // A topic that was deleted fails what is queued for it after this long.
            .set("topic.metadata.propagation.max.ms", "5000")
            // Larger than our windows, so that only those limit the records in flight.
            .set("queue.buffering.max.messages", (IN_FLIGHT_LEN_MAX * 2).to_string())
            .set("queue.buffering.max.kbytes", (IN_FLIGHT_BYTES_MAX / 1024 * 2).to_string());
        Ok(Self { producer: Producer::connect(&settings)?, topic: config.topic.clone() })
    }

    /// Queues an event behind those already sent, without waiting.
    pub(crate) fn send(&self, event: &RecordedEvent) -> Result<Delivery, SendError> {
        let record = Record::of(event);
        let headers = record.headers.iter().fold(
            OwnedHeaders::new_with_capacity(record.headers.len()),
            |headers, (key, value)| headers.insert(Header { key, value: Some(value) }),
        );
        let message = BaseRecord::to(&self.topic)
            .partition(record.partition)
            .key(&record.key)
            .payload(&record.value)
            .headers(headers);
        self.producer.send(message).map_err(|error| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => SendError::QueueFull,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => SendError::TooLarge,
            _ => SendError::Kafka(error),
        })
    }

    /// The offset after the last record of a partition. Blocks.
    pub(crate) fn high_watermark(&self, partition: i32) -> KafkaResult<i64> {
        self.client().fetch_watermarks(&self.topic, partition, REQUEST_MAX).map(|(_, high)| high)
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The client, for requests about the topic.
    pub(crate) fn client(&self) -> &Client<Deliveries> {
        self.producer.client()
    }
}
