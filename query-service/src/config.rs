//! The settings, read once from flags and the environment. `--help` shows each with its comment.

mod source;
mod integrity;
mod value;
mod errand;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::builder::RangedI64ValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};
use service_edge::process::with_default_action;

pub use self::errand::{RebuildConfig, RebuildStep, SkipConfig};
pub use self::integrity::IntegrityConfig;
pub use self::source::{KafkaConfig, LogConfig};
pub use self::value::{DatabaseUrl, ListenAddress, Milliseconds};

/// Stockbook's query-service: follows the log and answers stock queries.
#[derive(Debug, Clone, Parser)]
#[command(name = "query-service", version)]
pub struct Config {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub action: Action,

    /// What is logged to stderr, such as `info` or `query_service=debug,info`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info,sqlx=warn", global = true)]
    pub log: String,
}

/// What the program is started for.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Keep the views up to date and answer from them.
    Serve(Box<ServeConfig>),
    /// Bring the read database to this version's tables, and fix the number of lanes at the first
    /// time.
    Migrate(MigrateConfig),
    /// Fill a projection anew from the log beside the one that answers, then let it answer instead.
    /// Killed on the way, it goes on where it was when it is started again.
    Rebuild(RebuildConfig),
    /// Let a lane pass the one event at which it is stopped. What a view misses then stays on record.
    Skip(SkipConfig),
    /// Ask a running service whether it can do its work; fails when it cannot.
    Healthcheck(HealthcheckConfig),
}

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// Where to listen, host:port; port 0 takes a free one. There is no sign-in, so anything but
    /// loopback is for a trusted network.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: ListenAddress,

    #[command(flatten)]
    pub http: HttpConfig,

    #[command(flatten)]
    pub database: DatabaseConfig,

    #[command(flatten)]
    pub kafka: KafkaConfig,

    #[command(flatten)]
    pub log: LogConfig,

    #[command(flatten)]
    pub projection: ProjectionConfig,

    #[command(flatten)]
    pub integrity: IntegrityConfig,
}

/// How requests are taken in and answered.
#[derive(Debug, Clone, Copy, Args)]
pub struct HttpConfig {
    /// Requests that may be in work or waiting; one more is answered `overloaded`.
    #[arg(long, env = "REQUESTS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub requests_max: u32,

    /// Connections that may be open; further ones wait in the system's backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub connections_max: u32,

    /// How long an answer may take beyond the wait that the caller asks for, in milliseconds.
    #[arg(long, env = "ANSWER_TIMEOUT_MS", default_value = "5000")]
    pub answer_timeout_ms: Milliseconds,

    /// How long a stop waits for requests that are being answered and for the batch in work, in
    /// milliseconds.
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value = "20000")]
    pub drain_timeout_ms: Milliseconds,
}

/// The read database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// The read database, as the service's own role.
    #[arg(long, env = "READ_DATABASE_URL", hide_env_values = true)]
    pub read_database_url: DatabaseUrl,

    /// Database connections for answering, for each projection; what writes has its own.
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

/// Bounds of each projection.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProjectionConfig {
    /// Transactions at once, each with lanes of its own, when there is much to apply.
    #[arg(long, env = "PROJECTION_WRITERS", default_value_t = 2, value_parser = at_least_one())]
    pub projection_writers: u32,

    /// Events that are applied together.
    #[arg(long, env = "BATCH_EVENTS_MAX", default_value_t = 10_000, value_parser = at_least_one())]
    pub batch_events_max: u32,

    /// Bytes of records that are handed over at once, unless a single one is larger.
    #[arg(long, env = "BATCH_BYTES_MAX", default_value_t = 8 << 20, value_parser = at_least_one())]
    pub batch_bytes_max: u32,

    /// How long one statement of a transaction may take, in milliseconds.
    #[arg(long, env = "APPLY_TIMEOUT_MS", default_value = "60000")]
    pub apply_timeout_ms: Milliseconds,

    /// The longest pause between two tries while the database or the log is away, in milliseconds.
    #[arg(long, env = "RETRY_PAUSE_MAX_MS", default_value = "2000")]
    pub retry_pause_max_ms: Milliseconds,

    /// How often a stopped lane is tried again, from the log, in milliseconds.
    #[arg(long, env = "STOPPED_RETRY_MS", default_value = "60000")]
    pub stopped_retry_ms: Milliseconds,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateConfig {
    /// The read database, as the role that owns it.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    /// How many lanes the log has. Fixed at the first time, 16 if nothing is said then; another
    /// number later is refused.
    #[arg(long, env = "LANES", value_parser = value_parser!(u16).range(1..=1024))]
    pub lanes: Option<u16>,
}

/// Settings of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// Where the service listens, host:port, as it was told itself.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: ListenAddress,
}

fn at_least_one() -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..)
}

/// A count as the size of something in memory.
pub(crate) fn count(setting: u32) -> usize {
    usize::try_from(setting).expect("32 bits fit a usize")
}

impl Config {
    /// Reads the arguments, program name first, and the environment.
    ///
    /// # Errors
    /// A setting is missing, malformed or out of range; or help was asked for, which is an "error"
    /// that is not printed to stderr.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_default_action(&Self::command(), "serve", arguments))
    }
}
