//! Settings and logging of all Kafka clients of this service.

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

pub(crate) fn settings(brokers: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", brokers)
        .set("client.id", "stockbook-relay")
        // A missing topic must be an error; asking for it must not create it.
        .set("allow.auto.create.topics", "false")
        // Finds a broker that is back within about a second.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.timeout.ms", "10000")
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    settings
}

/// Logs what librdkafka reports, at debug level: it heals by itself or comes back as the error of a
/// call, and repeats twice a second while brokers are away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs;

impl ClientContext for Logs {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Logs {}
