//! Projections: named, versioned sets of tables that follow the log and can be made again from it.
//!
//! The path of a batch: what came in ([`delivery`]) is compared with the checkpoints ([`checkpoint`])
//! and folded into rows in memory ([`plan`], [`changes`], and one module a projection: [`stock`],
//! [`daily_flow`], [`low_stock`]), all of it pure; rows and checkpoints are then written in one
//! transaction ([`apply`]). [`follow`] is the loop around it, [`progress`] what it tells the rest of
//! the service, [`versions`] which versions there are.
//!
//! A new projection is a variant here, its module with its [`changes`], what it writes ([`apply`]),
//! and its migration.

pub mod delivery;
pub mod checkpoint;
pub mod plan;
pub mod changes;
pub mod stock;
pub mod daily_flow;
pub mod low_stock;
pub mod apply;
pub mod follow;
pub mod progress;
pub mod versions;

use std::time::Duration;

/// A projection that this binary can keep and answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[clap(rename_all = "snake_case")]
pub enum Projection {
    /// Levels, totals, movements, reservations, items and locations.
    Stock,
    /// What came in and went out of each item on each day.
    DailyFlow,
    /// Which item is short at which location, and the alerts about it.
    LowStock,
}

impl Projection {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Stock, Self::DailyFlow, Self::LowStock];

    /// The name, without a version.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::DailyFlow => "daily_flow",
            Self::LowStock => "low_stock",
        }
    }

    /// How long events may gather before they are applied together. What a caller waits for right
    /// after a command is brief; what only sums up is not worth a transaction for each event.
    pub fn gather(self) -> Duration {
        match self {
            Self::Stock => Duration::from_millis(4),
            Self::DailyFlow | Self::LowStock => Duration::from_millis(50),
        }
    }

    /// The projection with this name, if this binary knows it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }

    /// One version of it.
    pub fn version(self, version: i16) -> ProjectionVersion {
        ProjectionVersion { projection: self, version }
    }
}

/// One filled set of a projection's tables, with checkpoints of its own. The first is made by the
/// migrations, each rebuild makes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectionVersion {
    projection: Projection,
    version: i16,
}

impl ProjectionVersion {
    /// Of which projection.
    pub fn projection(self) -> Projection {
        self.projection
    }

    /// The projection's name.
    pub fn name(self) -> &'static str {
        self.projection.name()
    }

    /// The number, from 1.
    pub fn version(self) -> i16 {
        self.version
    }

    /// The schema of its tables.
    pub fn schema(self) -> String {
        format!("{}_v{}", self.name(), self.version)
    }
}
