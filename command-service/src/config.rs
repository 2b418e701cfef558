//! The settings, read once from flags and the environment. `--help` shows each with its comment.

mod value;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};
use service_edge::process::with_default_action;
use shared_events::record::TOPIC;

pub use self::value::{DatabaseUrl, ListenAddress};

/// Stockbook's command-service: decides stock commands and records what happened.
#[derive(Debug, Clone, Parser)]
#[command(name = "command-service", version)]
pub struct Config {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub action: Action,

    /// What is logged to stderr, such as `info` or `command_service=debug,info`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info,sqlx=warn", global = true)]
    pub log: String,
}

/// What the program is started for.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Answer commands and publish what happened.
    Serve(ServeConfig),
    /// Bring the write database to this version's tables, and fix the number of lanes at the first
    /// time.
    Migrate(MigrateConfig),
    /// Make the Kafka topic, one partition a lane; fine when it exists like that.
    CreateTopic(CreateTopicConfig),
    /// Check the whole log, from its first event on; fails at the first difference.
    Verify(VerifyConfig),
    /// Ask a running service whether it can do its work; fails when it cannot.
    Healthcheck(HealthcheckConfig),
}

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// Where to listen, host:port; port 0 takes a free one. There is no sign-in, so anything but
    /// loopback is for a trusted network.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: ListenAddress,

    /// The write database, as the service's own role.
    #[arg(long, env = "WRITE_DATABASE_URL", hide_env_values = true)]
    pub write_database_url: DatabaseUrl,

    /// Kafka's bootstrap servers, host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: String,

    /// The topic that events are published to.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// Refuse to start unless the log has this many lanes.
    #[arg(long, env = "LANES", value_parser = lanes())]
    pub lanes: Option<u16>,

    /// How long a refusal is remembered for its Idempotency-Key, in days.
    #[arg(long, env = "OUTCOME_RETENTION_DAYS", default_value_t = 30)]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub outcome_retention_days: u16,

    #[command(flatten)]
    pub http: HttpConfig,

    #[command(flatten)]
    pub writer: WriterBounds,
}

/// How requests are taken in and answered.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Execute commands only with an Idempotency-Key header.
    #[arg(
        long,
        env = "REQUIRE_IDEMPOTENCY_KEY",
        value_parser = BoolishValueParser::new(),
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    pub require_idempotency_key: bool,

    /// Connections that may be open; further ones wait in the system's backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub connections_max: u32,

    /// How long a command may wait for its turn before it is dropped unexecuted, in milliseconds.
    #[arg(long, env = "COMMAND_DEADLINE_MS", default_value_t = 5_000, value_parser = at_least_one())]
    pub command_deadline_ms: u32,

    /// How long a command's answer may take before its outcome is called unknown, in milliseconds.
    #[arg(long, env = "ANSWER_TIMEOUT_MS", default_value_t = 30_000, value_parser = at_least_one())]
    pub answer_timeout_ms: u32,

    /// How long a stop waits for requests that are being answered, in milliseconds.
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value_t = 20_000, value_parser = at_least_one())]
    pub drain_timeout_ms: u32,

    /// Database connections for reading the log over HTTP.
    #[arg(long, env = "READ_CONNECTIONS_MAX", default_value_t = 8, value_parser = at_least_one())]
    pub read_connections_max: u32,

    /// How long a statement that reads the log may take, in milliseconds.
    #[arg(long, env = "READ_TIMEOUT_MS", default_value_t = 5_000, value_parser = at_least_one())]
    pub read_timeout_ms: u32,
}

/// The bounds of the writer.
#[derive(Debug, Clone, Args)]
pub struct WriterBounds {
    /// Commands that may wait for the writer; one more is answered `overloaded`.
    #[arg(long, env = "QUEUE_COMMANDS_MAX", default_value_t = 8_192, value_parser = at_least_one())]
    pub queue_commands_max: u32,

    /// Bytes that waiting commands may take together.
    #[arg(long, env = "QUEUE_BYTES_MAX", default_value_t = 256 << 20, value_parser = at_least_one())]
    pub queue_bytes_max: u32,

    /// Commands in one transaction.
    #[arg(long, env = "BATCH_COMMANDS_MAX", default_value_t = 512, value_parser = at_least_one())]
    pub batch_commands_max: u32,

    /// Bytes of events, as estimated beforehand, in one transaction, and so of one command or one
    /// atomic batch.
    #[arg(long, env = "BATCH_BYTES_MAX", default_value_t = 16 << 20, value_parser = at_least_one())]
    pub batch_bytes_max: u32,

    /// Bytes of states kept in memory.
    #[arg(long, env = "CACHE_BYTES_MAX", default_value_t = 256 << 20, value_parser = at_least_one())]
    pub cache_bytes_max: u32,

    /// How long a batch may take before its commit, in milliseconds.
    #[arg(long, env = "BATCH_TIMEOUT_MS", default_value_t = 10_000, value_parser = at_least_one())]
    pub batch_timeout_ms: u32,

    /// How long a commit may take before its outcome counts as unknown, in milliseconds.
    #[arg(long, env = "COMMIT_TIMEOUT_MS", default_value_t = 10_000, value_parser = at_least_one())]
    pub commit_timeout_ms: u32,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateConfig {
    /// The write database, as the role that owns it.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    /// How many lanes the log has. Fixed at the first time, 16 if nothing is said then; another
    /// number later is refused.
    #[arg(long, env = "LANES", value_parser = lanes())]
    pub lanes: Option<u16>,
}

/// Settings of `create-topic`.
#[derive(Debug, Clone, Args)]
pub struct CreateTopicConfig {
    /// Kafka's bootstrap servers, host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: String,

    /// The topic.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// How many lanes the log has; the topic gets as many partitions.
    #[arg(long, env = "LANES", default_value_t = 16, value_parser = lanes())]
    pub lanes: u16,

    /// On how many brokers each partition is kept.
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub replication_factor: u16,
}

/// Settings of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyConfig {
    /// The write database, as the service's own role.
    #[arg(long, env = "WRITE_DATABASE_URL", hide_env_values = true)]
    pub write_database_url: DatabaseUrl,
}

/// Settings of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// Where the service listens, host:port, as it was told itself.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: ListenAddress,
}

fn lanes() -> clap::builder::RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=1024)
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..)
}

/// A time given as whole milliseconds.
pub(crate) fn milliseconds(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into())
}

impl Config {
    /// Reads the arguments, program name first, and the environment.
    ///
    /// # Errors
    /// A setting is missing, malformed, out of range or at odds with another; or help was asked
    /// for, which is an "error" that is not printed to stderr.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let config =
            Self::try_parse_from(with_default_action(&Self::command(), "serve", arguments))?;
        if let Action::Serve(serve) = &config.action {
            serve
                .check()
                .map_err(|message| Self::command().error(ErrorKind::ValueValidation, message))?;
        }
        Ok(config)
    }
}

impl ServeConfig {
    fn check(&self) -> Result<(), &'static str> {
        if self.http.command_deadline_ms >= self.http.answer_timeout_ms {
            return Err(
                "COMMAND_DEADLINE_MS must be below ANSWER_TIMEOUT_MS: a command that is still \
                        waiting has a known outcome, and one that is given up does not",
            );
        }
        if self.writer.batch_bytes_max > self.writer.queue_bytes_max {
            return Err(
                "BATCH_BYTES_MAX must not be above QUEUE_BYTES_MAX: a batch is taken from \
                        the queue",
            );
        }
        Ok(())
    }
}
