//! `sink`: copies the log, event by event, to somewhere that is not Kafka.

mod redis;

use clap::{Args, Subcommand};

pub use self::redis::RedisConfig;

/// Settings of `sink`.
#[derive(Debug, Clone, Args)]
pub struct SinkConfig {
    #[command(subcommand)]
    pub to: Target,
}

/// Where to.
#[derive(Debug, Clone, Subcommand)]
pub enum Target {
    /// Redis Streams: one stream for each lane, with positions as ids.
    Redis(RedisConfig),
}

/// Copies until the process is stopped.
pub async fn sink(config: SinkConfig) -> anyhow::Result<()> {
    match config.to {
        Target::Redis(config) => redis::copy(config).await,
    }
}
