//! The settings of an operator's errands.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, value_parser};

use super::{DatabaseUrl, LogConfig};
use crate::projection::Projection;
use crate::projections;

/// Settings of `rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RebuildConfig {
    /// Which projection.
    #[arg(value_parser = projections::value_parser())]
    pub projection: Projection,

    /// Compare the new version with the one that answers, row by row, and do not swap. A new version
    /// is made and filled if there is none.
    #[arg(long, conflicts_with_all = ["back", "drop"])]
    pub compare: bool,

    /// Let the older version answer again, which is kept up to date until it is dropped.
    #[arg(long, conflicts_with = "drop")]
    pub back: bool,

    /// Drop the version that does not answer, whether it is the older one or was never filled.
    #[arg(long)]
    pub drop: bool,

    /// The read database, as the role that owns it.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    #[command(flatten)]
    pub log: LogConfig,
}

/// What `rebuild` is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildStep {
    /// Fill a new version, if none is filled yet, and let it answer.
    Swap,
    /// Fill a new version, if none is filled yet, and compare it with the one that answers.
    Compare,
    /// Let the older version answer again.
    Back,
    /// Drop the version that does not answer.
    Drop,
}

impl RebuildConfig {
    /// What is asked for; the flags exclude each other.
    pub fn step(&self) -> RebuildStep {
        match (self.compare, self.back, self.drop) {
            (true, _, _) => RebuildStep::Compare,
            (_, true, _) => RebuildStep::Back,
            (_, _, true) => RebuildStep::Drop,
            (false, false, false) => RebuildStep::Swap,
        }
    }
}

/// Settings of `skip`.
#[derive(Debug, Clone, Args)]
pub struct SkipConfig {
    /// The lane that is stopped.
    #[arg(long, value_parser = value_parser!(u16).range(0..=1023))]
    pub lane: u16,

    /// The position it waits at, as `/v1/projections` shows it in `event`.
    #[arg(long, value_parser = value_parser!(i64).range(1..))]
    pub position: i64,

    /// Why it may be passed over, for those who find it missing later.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,

    /// Only in this projection; else in every one that is stopped there.
    #[arg(long, value_parser = projections::value_parser())]
    pub projection: Option<Projection>,

    /// The read database, as the role that owns it.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    #[command(flatten)]
    pub log: LogConfig,
}
