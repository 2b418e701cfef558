//! Where events come from: Kafka brings them as they happen, the log has them all.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, value_parser};
use reqwest::Url;
use shared_events::record::TOPIC;

use super::{Milliseconds, at_least_one};

/// Where events come from as they happen.
#[derive(Debug, Clone, Args)]
pub struct KafkaConfig {
    /// Kafka's bootstrap servers, host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: String,

    /// The topic that events are published to.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// The consumer group; each projection's name and version are added. Instances of one group share
    /// the lanes.
    #[arg(long, env = "CONSUMER_GROUP", default_value = "stockbook", value_parser = NonEmptyStringValueParser::new())]
    pub consumer_group: String,

    /// The topic that low-stock alerts are published to; it is made if it is missing.
    #[arg(long, env = "ALERTS_TOPIC", default_value = "inventory.alerts", value_parser = NonEmptyStringValueParser::new())]
    pub alerts_topic: String,

    /// Copies that the brokers keep of each alert, if the topic has to be made.
    #[arg(long, env = "ALERTS_REPLICATION_FACTOR", default_value_t = 1, value_parser = at_least_one())]
    pub alerts_replication_factor: u32,

    /// How long the broker may hold a fetch that has nothing to bring, in milliseconds.
    #[arg(long, env = "FETCH_WAIT_MS", default_value = "20")]
    pub fetch_wait_ms: Milliseconds,

    /// How long the group waits for an instance that went silent, in milliseconds.
    #[arg(long, env = "SESSION_TIMEOUT_MS", default_value = "10000")]
    pub session_timeout_ms: Milliseconds,

    /// KiB of records that the client keeps ready.
    #[arg(long, env = "FETCH_QUEUE_KIB", default_value_t = 32 << 10, value_parser = at_least_one())]
    pub fetch_queue_kib: u32,

    /// How long Kafka may bring nothing, while the log goes on, before the client is made anew, in
    /// milliseconds.
    #[arg(long, env = "KAFKA_SILENCE_MAX_MS", default_value = "15000")]
    pub kafka_silence_max_ms: Milliseconds,
}

/// The log's own endpoints, for what Kafka did not bring.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// Base URLs of the command-service, separated by commas; they are tried in turn.
    #[arg(
        long,
        env = "COMMAND_URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8080"
    )]
    pub command_url: Vec<Url>,

    /// How long one request to the log may take, in milliseconds.
    #[arg(long, env = "LOG_TIMEOUT_MS", default_value = "10000")]
    pub log_timeout_ms: Milliseconds,

    /// Events that one request to the log asks for.
    #[arg(long, env = "LOG_PAGE_EVENTS", default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=10_000))]
    pub log_page_events: u32,

    /// Lanes that may be read from the log at once.
    #[arg(long, env = "LOG_REQUESTS_MAX", default_value_t = 4, value_parser = at_least_one())]
    pub log_requests_max: u32,

    /// How often the log's heads are compared with the checkpoints, in milliseconds.
    #[arg(long, env = "HEADS_INTERVAL_MS", default_value = "1000")]
    pub heads_interval_ms: Milliseconds,
}
