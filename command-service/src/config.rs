//! The settings, read once from flags and the environment. `--help` shows each with its comment.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};
use service_edge::callers::CallerConfig;
pub use service_edge::config::{DatabaseUrl, ListenAddress, MigrateConfig, Milliseconds, count};
use service_edge::config::{at_least_one, lanes};
use service_edge::healthcheck::TlsOfService;
use service_edge::kafka::Brokers;
use service_edge::process::with_default_action;
use service_edge::sign_in::config::SignInConfig;
use service_edge::sign_in::scope::Scope;
use service_edge::tls::TlsConfig;
use service_edge::traces::TraceConfig;
use shared_events::payment::{REPLIES_TOPIC, REQUESTS_TOPIC};
use shared_events::record::TOPIC;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode};

use crate::topic::rejected_topic;

/// Stockbook's command-service: decides stock commands and records what happened.
#[derive(Debug, Clone, Parser)]
#[command(name = "command-service", version)]
pub struct Config {
    /// The command; `serve` by default.
    #[command(subcommand)]
    pub action: Action,

    /// The filter of the log on stderr, such as `info` or `command_service=debug,info`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info,sqlx=warn", global = true)]
    pub log: String,
}

/// The commands of the program.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Accept commands and publish events.
    Serve(Box<ServeConfig>),
    /// Migrate the write database to this version. The first migration fixes the number of lanes.
    Migrate(MigrateBothConfig),
    /// Create the Kafka topics of events and of payments with one partition for each lane, unless they exist.
    CreateTopic(CreateTopicConfig),
    /// What an operator does with the topic of events.
    Topic(TopicConfig),
    /// Make, list and revoke API keys.
    Keys(KeysConfig),
    /// Offer the log to logical replication.
    Publication(PublicationConfig),
    /// Check the whole log from its first event; fail at the first difference.
    Verify(VerifyConfig),
    /// Ask a running service whether it is ready; fail if it is not.
    Healthcheck(HealthcheckConfig),
}

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// The address to listen on, host:port; port 0 takes a free port. Beyond loopback, AUTH must be
    /// said, and TLS=off unless there is a certificate.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: ListenAddress,

    /// The write database, as the service's own role.
    #[arg(long, env = "WRITE_DATABASE_URL", hide_env_values = true)]
    pub write_database_url: DatabaseUrl,

    #[command(flatten)]
    pub brokers: Brokers,

    /// The topic that events are published to.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// Refuse to start unless the log has this many lanes.
    #[arg(long, env = "LANES", value_parser = lanes())]
    pub lanes: Option<u16>,

    /// How long a refusal is kept for its Idempotency-Key, in days.
    #[arg(long, env = "OUTCOME_RETENTION_DAYS", default_value_t = 30)]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub outcome_retention_days: u16,

    #[command(flatten)]
    pub personal: PersonalConfig,

    #[command(flatten)]
    pub payments: PaymentConfig,

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
    pub writer: WriterBounds,
}

/// How personal data is kept. Without these settings commands with personal data are refused.
#[derive(Debug, Clone, Args)]
pub struct PersonalConfig {
    /// The database of the subjects' keys, as the service's own role.
    #[arg(long, env = "KEYS_DATABASE_URL", hide_env_values = true, requires = "master_key_file")]
    pub keys_database_url: Option<DatabaseUrl>,

    /// The file of the master keys that seal them: one a line, an id, a colon and 64 hexadecimal digits. The
    /// first seals, all open.
    #[arg(long, env = "MASTER_KEY_FILE", requires = "keys_database_url")]
    pub master_key_file: Option<PathBuf>,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateBothConfig {
    #[command(flatten)]
    pub log: MigrateConfig,

    /// The database of the subjects' keys, as its owner, if personal data is kept.
    #[arg(long, env = "MIGRATE_KEYS_DATABASE_URL", hide_env_values = true)]
    pub migrate_keys_database_url: Option<DatabaseUrl>,
}

/// The topics that the payment service reads and writes.
#[derive(Debug, Clone, Args)]
pub struct PaymentTopics {
    /// The topic of requests to the payment service.
    #[arg(long, env = "PAYMENT_REQUESTS_TOPIC", default_value = REQUESTS_TOPIC, value_parser = NonEmptyStringValueParser::new())]
    pub payment_requests_topic: String,

    /// The topic of its replies. Those that cannot be read go to a topic named like it with `.rejected`.
    #[arg(long, env = "PAYMENT_REPLIES_TOPIC", default_value = REPLIES_TOPIC, value_parser = NonEmptyStringValueParser::new())]
    pub payment_replies_topic: String,

    /// The topic on which others say what they did with holds that they saw on the topic of events, such as
    /// `payments.events`. Without it nobody does.
    #[arg(long, env = "CHOREOGRAPHY_TOPIC", value_parser = NonEmptyStringValueParser::new())]
    pub choreography_topic: Option<String>,
}

impl PaymentTopics {
    /// All of them, with those of messages that cannot be read.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let read = std::iter::once(&self.payment_replies_topic).chain(&self.choreography_topic);
        let rejected = read.clone().map(|topic| rejected_topic(topic));
        let sent = std::iter::once(self.payment_requests_topic.clone());
        sent.chain(read.cloned()).chain(rejected).collect()
    }
}

/// How orders are paid.
#[derive(Debug, Clone, Args)]
pub struct PaymentConfig {
    #[command(flatten)]
    pub topics: PaymentTopics,

    /// The consumer group of replies, the same for all instances.
    #[arg(long, env = "PAYMENT_REPLIES_GROUP", default_value = "stockbook-payments", value_parser = NonEmptyStringValueParser::new())]
    pub payment_replies_group: String,

    /// How long a void is asked for before an operator has to look, in seconds; a day by default.
    #[arg(long, env = "ORDER_OPERATOR_AFTER_SECONDS", default_value_t = 86_400, value_parser = at_least_one())]
    pub order_operator_after_seconds: u32,
}

/// Settings of HTTP.
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

    /// Open connections; more wait in the system's backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 4_096, value_parser = at_least_one())]
    pub connections_max: u32,

    /// How long a command may wait for its turn before it is dropped unexecuted, in milliseconds.
    #[arg(long, env = "COMMAND_DEADLINE_MS", default_value = "5000")]
    pub command_deadline_ms: Milliseconds,

    /// How long a command may take before its outcome is reported as unknown, in milliseconds.
    #[arg(long, env = "ANSWER_TIMEOUT_MS", default_value = "30000")]
    pub answer_timeout_ms: Milliseconds,

    /// How long a stop waits for requests in progress, in milliseconds.
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value = "20000")]
    pub drain_timeout_ms: Milliseconds,

    /// Database connections for reading the log over HTTP.
    #[arg(long, env = "READ_CONNECTIONS_MAX", default_value_t = 8, value_parser = at_least_one())]
    pub read_connections_max: u32,

    /// How long a statement that reads the log may take, in milliseconds.
    #[arg(long, env = "READ_TIMEOUT_MS", default_value = "5000")]
    pub read_timeout_ms: Milliseconds,
}

/// The limits of the writer.
#[derive(Debug, Clone, Args)]
pub struct WriterBounds {
    /// Commands that may wait for the writer; more are answered `overloaded`.
    #[arg(long, env = "QUEUE_COMMANDS_MAX", default_value_t = 8_192, value_parser = at_least_one())]
    pub queue_commands_max: u32,

    /// Bytes of all waiting commands together.
    #[arg(long, env = "QUEUE_BYTES_MAX", default_value_t = 256 << 20, value_parser = at_least_one())]
    pub queue_bytes_max: u32,

    /// Commands in one transaction.
    #[arg(long, env = "BATCH_COMMANDS_MAX", default_value_t = 512, value_parser = at_least_one())]
    pub batch_commands_max: u32,

    /// Estimated bytes of events in one transaction, and so of one command or one atomic batch.
    #[arg(long, env = "BATCH_BYTES_MAX", default_value_t = 16 << 20, value_parser = at_least_one())]
    pub batch_bytes_max: u32,

    /// Bytes of states in memory.
    #[arg(long, env = "CACHE_BYTES_MAX", default_value_t = 256 << 20, value_parser = at_least_one())]
    pub cache_bytes_max: u32,

    /// How long a batch may take before its commit, in milliseconds.
    #[arg(long, env = "BATCH_TIMEOUT_MS", default_value = "10000")]
    pub batch_timeout_ms: Milliseconds,

    /// How long a commit may take before its outcome counts as unknown, in milliseconds.
    #[arg(long, env = "COMMIT_TIMEOUT_MS", default_value = "10000")]
    pub commit_timeout_ms: Milliseconds,
}

/// Settings of `create-topic`.
#[derive(Debug, Clone, Args)]
pub struct CreateTopicConfig {
    #[command(flatten)]
    pub brokers: Brokers,

    /// The topic.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,

    #[command(flatten)]
    pub payments: PaymentTopics,

    /// The number of lanes of the log, and so of partitions.
    #[arg(long, env = "LANES", default_value_t = 16, value_parser = lanes())]
    pub lanes: u16,

    /// The number of brokers that keep each partition.
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub replication_factor: u16,
}

/// Settings of `topic`.
#[derive(Debug, Clone, Args)]
pub struct TopicConfig {
    #[command(subcommand)]
    pub action: TopicAction,
}

/// What is done with the topic.
#[derive(Debug, Clone, Subcommand)]
pub enum TopicAction {
    /// Replace the topic by a new one, which the running services fill from the log: without what redactions
    /// removed.
    Remake(RemakeTopicConfig),
}

/// Settings of `topic remake`.
#[derive(Debug, Clone, Args)]
pub struct RemakeTopicConfig {
    /// The write database, as the service's own role.
    #[arg(long, env = "WRITE_DATABASE_URL", hide_env_values = true)]
    pub write_database_url: DatabaseUrl,

    #[command(flatten)]
    pub brokers: Brokers,

    /// The topic.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub topic: String,
}

/// Settings of `keys`.
#[derive(Debug, Clone, Args)]
pub struct KeysConfig {
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What is done with API keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysAction {
    /// Make a key. It is written to standard output once, and only its hash is stored.
    Create(CreateKeyConfig),
    /// Write every key as a line of JSON, without secrets.
    List(KeyDatabase),
    /// Revoke a key. No instance of any service accepts it a second later.
    Revoke(RevokeKeyConfig),
    /// Replace the master key of personal data. Stopped anywhere, it goes on when it is started again.
    RotateMaster(RotateMasterConfig),
}

/// Settings of `keys list`.
#[derive(Debug, Clone, Args)]
pub struct KeyDatabase {
    /// The write database, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,
}

/// Settings of `keys create`.
#[derive(Debug, Clone, Args)]
pub struct CreateKeyConfig {
    /// Whose key it is: the actor of what it asks for.
    #[arg(long)]
    pub name: Label,

    /// What it may do, such as `stock:read`.
    #[arg(long, required = true, num_args = 1.., value_delimiter = ',')]
    pub scope: Vec<Scope>,

    /// Where it may do it; everywhere if none is named.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub location: Vec<LocationCode>,

    /// When it ends, as RFC 3339 in UTC; never by default.
    #[arg(long)]
    pub expires: Option<Timestamp>,

    /// Requests a second that it may send to each instance; by default RATE_LIMIT of the service.
    #[arg(long)]
    pub rate: Option<NonZeroU32>,

    /// The write database, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,
}

/// Settings of `keys rotate-master`.
#[derive(Debug, Clone, Args)]
pub struct RotateMasterConfig {
    /// The database of the subjects' keys, as the service's own role.
    #[arg(long, env = "KEYS_DATABASE_URL", hide_env_values = true)]
    pub keys_database_url: DatabaseUrl,

    /// The file of the master keys. If it has one, a new one is put before it; in the end only the first is left.
    #[arg(long, env = "MASTER_KEY_FILE")]
    pub master_key_file: PathBuf,
}

/// Settings of `keys revoke`.
#[derive(Debug, Clone, Args)]
pub struct RevokeKeyConfig {
    /// The key's id: what stands between `sbk_` and the next `_`.
    pub id: String,

    /// The write database, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,
}

/// Settings of `publication`.
#[derive(Debug, Clone, Args)]
pub struct PublicationConfig {
    #[command(subcommand)]
    pub action: PublicationAction,

    /// The write database, as a superuser: only one may make roles that replicate.
    #[arg(long, env = "ADMIN_DATABASE_URL", hide_env_values = true)]
    pub admin_database_url: DatabaseUrl,
}

/// What is done with the publication and its readers.
#[derive(Debug, Clone, Subcommand)]
pub enum PublicationAction {
    /// Publish the events, and make a role that reads them. Its password is written to standard output once.
    Create {
        /// The name of the role.
        #[arg(long)]
        role: Label,
    },
    /// Take a role away, or the publication, which nobody may be following.
    Drop {
        /// The name of the role; the publication if none is named.
        #[arg(long)]
        role: Option<Label>,
    },
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
    /// The address on which the service listens, host:port.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: ListenAddress,

    #[command(flatten)]
    pub tls: TlsOfService,
}

impl Config {
    /// Reads the arguments, program name first, and the environment. A request for help is an error,
    /// too.
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
                "COMMAND_DEADLINE_MS must be below ANSWER_TIMEOUT_MS: a command that still waits has \
                 a known outcome, one that timed out does not",
            );
        }
        if self.writer.batch_bytes_max > self.writer.queue_bytes_max {
            return Err(
                "BATCH_BYTES_MAX must not be above QUEUE_BYTES_MAX: a batch comes from the queue",
            );
        }
        Ok(())
    }
}
