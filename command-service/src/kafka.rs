//! Settings of all Kafka clients of this service.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use service_edge::kafka::Brokers;

pub(crate) fn settings(brokers: &Brokers) -> ClientConfig {
    let mut settings = brokers.settings();
    settings
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
