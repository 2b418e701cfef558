//! The settings, read once from flags and the environment. `--help` shows each with its comment.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, value_parser};
use reqwest::Url;
use service_edge::callers::CallerConfig;
use service_edge::config::at_least_one;
pub use service_edge::config::{DatabaseUrl, ListenAddress, Milliseconds, Secret, count};
use service_edge::healthcheck::TlsOfService;
use service_edge::kafka::Brokers;
use service_edge::sign_in::config::SignInConfig;
use service_edge::tls::TlsConfig;
use service_edge::traces::TraceConfig;
use shared_events::record::TOPIC;

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// The address to listen on, host:port; port 0 takes a free port. Beyond loopback, AUTH must be
    /// said, and TLS=off unless there is a certificate.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: ListenAddress,

    #[command(flatten)]
    pub callers: CallerConfig,

    #[command(flatten)]
    pub sign_in: SignInConfig,

    #[command(flatten)]
    pub tls: TlsConfig,

    #[command(flatten)]
    pub traces: TraceConfig,

    #[command(flatten)]
    pub http: HttpConfig,

    #[command(flatten)]
    pub database: DatabaseConfig,

    /// The read database, as its owner, for rebuilds by `POST /v1/projections/{name}/rebuild`. Without it
    /// they are refused.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: Option<DatabaseUrl>,

    #[command(flatten)]
    pub kafka: KafkaConfig,

    #[command(flatten)]
    pub log: LogConfig,

    #[command(flatten)]
    pub projection: ProjectionConfig,

    #[command(flatten)]
    pub integrity: IntegrityConfig,
}

/// Settings of HTTP.
#[derive(Debug, Clone, Copy, Args)]
pub struct HttpConfig {
    /// Requests in progress; more are answered `overloaded`.
    #[arg(long, env = "REQUESTS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub requests_max: u32,

    /// Open connections; more wait in the system's backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub connections_max: u32,

    /// How long an answer may take beyond the wait that the caller requests, in milliseconds.
    #[arg(long, env = "ANSWER_TIMEOUT_MS", default_value = "5000")]
    pub answer_timeout_ms: Milliseconds,

    /// How long a stop waits for requests and batches in progress, in milliseconds.
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value = "20000")]
    pub drain_timeout_ms: Milliseconds,
}

/// The read database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// The read database, as the service's own role.
    #[arg(long, env = "READ_DATABASE_URL", hide_env_values = true)]
    pub read_database_url: DatabaseUrl,

    /// Database connections for answers, for each projection. Writers have their own.
    #[arg(long, env = "READ_CONNECTIONS_MAX", default_value_t = 8, value_parser = at_least_one())]
    pub read_connections_max: u32,

    /// How long a query may wait for a connection, and how long its statement may take, in
    /// milliseconds.
    #[arg(long, env = "READ_TIMEOUT_MS", default_value = "2000")]
    pub read_timeout_ms: Milliseconds,

    /// How often the checkpoints are read while a request waits for a position, in milliseconds.
    #[arg(long, env = "POSITION_POLL_MS", default_value = "5")]
    pub position_poll_ms: Milliseconds,
}

/// Kafka, which delivers events as they happen.
#[derive(Debug, Clone, Args)]
pub struct KafkaConfig {
    #[command(flatten)]
    pub brokers: Brokers,

    /// The topic that events are published to.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// The consumer group, to which `.views` is added. Instances of one group share the lanes.
    #[arg(long, env = "CONSUMER_GROUP", default_value = "stockbook", value_parser = NonEmptyStringValueParser::new())]
    pub consumer_group: String,

    /// The topic that low-stock alerts are published to. It is created if it is missing.
    #[arg(long, env = "ALERTS_TOPIC", default_value = "inventory.alerts", value_parser = NonEmptyStringValueParser::new())]
    pub alerts_topic: String,

    /// Copies of each alert that the brokers keep, if the topic has to be created.
    #[arg(long, env = "ALERTS_REPLICATION_FACTOR", default_value_t = 1, value_parser = at_least_one())]
    pub alerts_replication_factor: u32,

    /// How long the broker may hold a fetch while there are no records, in milliseconds. Records that
    /// arrive are not delayed by it; a lane that is newly assigned may be.
    #[arg(long, env = "FETCH_WAIT_MS", default_value = "500")]
    pub fetch_wait_ms: Milliseconds,

    /// How long the group waits for a silent instance, in milliseconds.
    #[arg(long, env = "SESSION_TIMEOUT_MS", default_value = "10000")]
    pub session_timeout_ms: Milliseconds,

    /// KiB of records that the client buffers.
    #[arg(long, env = "FETCH_QUEUE_KIB", default_value_t = 32 << 10, value_parser = at_least_one())]
    pub fetch_queue_kib: u32,

    /// How long Kafka may deliver nothing, from when the log is first seen ahead, before the client is
    /// replaced, in milliseconds.
    #[arg(long, env = "KAFKA_SILENCE_MAX_MS", default_value = "15000")]
    pub kafka_silence_max_ms: Milliseconds,
}

/// The log's HTTP endpoints, for events that Kafka did not deliver.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// Base URLs of the command-service, separated by commas, which are tried in turn.
    #[arg(
        long,
        env = "COMMAND_URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8080"
    )]
    pub command_url: Vec<Url>,

    /// What to sign in with there: an API key with the scopes log:read and operate. Not needed where
    /// command-service has no sign-in.
    #[arg(long, env = "COMMAND_KEY", hide_env_values = true)]
    pub command_key: Option<Secret>,

    /// Certificates, in PEM, of those who may issue command-service's; by default those that this machine
    /// trusts. Read at the start.
    #[arg(long, env = "COMMAND_CA")]
    pub command_ca: Option<PathBuf>,

    /// How long one request to the log may take, in milliseconds.
    #[arg(long, env = "LOG_TIMEOUT_MS", default_value = "10000")]
    pub log_timeout_ms: Milliseconds,

    /// Events in one request to the log.
    #[arg(long, env = "LOG_PAGE_EVENTS", default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=10_000))]
    pub log_page_events: u32,

    /// Lanes that are read from the log in parallel.
    #[arg(long, env = "LOG_REQUESTS_MAX", default_value_t = 4, value_parser = at_least_one())]
    pub log_requests_max: u32,

    /// How often the lane heads are compared with the checkpoints, in milliseconds.
    #[arg(long, env = "HEADS_INTERVAL_MS", default_value = "1000")]
    pub heads_interval_ms: Milliseconds,
}

/// The limits of each projection.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProjectionConfig {
    /// Parallel transactions, each with its own lanes, when there is much to apply.
    #[arg(long, env = "PROJECTION_WRITERS", default_value_t = 2, value_parser = at_least_one())]
    pub projection_writers: u32,

    /// Events that are applied in one batch.
    #[arg(long, env = "BATCH_EVENTS_MAX", default_value_t = 10_000, value_parser = at_least_one())]
    pub batch_events_max: u32,

    /// Bytes of records in one delivery, unless a single record is larger.
    #[arg(long, env = "BATCH_BYTES_MAX", default_value_t = 8 << 20, value_parser = at_least_one())]
    pub batch_bytes_max: u32,

    /// How long one statement of a transaction may take, in milliseconds.
    #[arg(long, env = "APPLY_TIMEOUT_MS", default_value = "60000")]
    pub apply_timeout_ms: Milliseconds,

    /// The longest pause between two tries while the database or the log is unavailable, in
    /// milliseconds.
    #[arg(long, env = "RETRY_PAUSE_MAX_MS", default_value = "2000")]
    pub retry_pause_max_ms: Milliseconds,

    /// How often a stopped lane is tried again, from the log, in milliseconds.
    #[arg(long, env = "STOPPED_RETRY_MS", default_value = "60000")]
    pub stopped_retry_ms: Milliseconds,
}

/// The continuous check of the views against the log.
#[derive(Debug, Clone, Copy, Args)]
pub struct IntegrityConfig {
    /// Events that one instance checks each second, all the time; 0 checks only on request.
    #[arg(long, env = "INTEGRITY_EVENTS_PER_SECOND", default_value_t = 2_000)]
    pub integrity_events_per_second: u32,
}

/// Settings of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// The address on which the service listens, host:port.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: ListenAddress,

    #[command(flatten)]
    pub tls: TlsOfService,
}
