//! Projections: named, versioned sets of tables that follow the log and can be made again from it.
//!
//! The path of a batch: what came in ([`delivery`]) is compared with the checkpoints ([`checkpoint`])
//! and folded into rows in memory ([`plan`], and one module a projection: [`stock`]), all of it pure;
//! rows and checkpoints are then written in one transaction ([`apply`]). [`follow`] is the loop
//! around it, [`progress`] what it tells the rest of the service.
//!
//! A new projection is a variant here, its module, and its migration.

pub mod delivery;
pub mod checkpoint;
pub mod plan;
pub mod stock;
pub mod apply;
pub mod follow;
pub mod progress;

/// A version of a projection that this binary can keep and answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Levels, totals, movements, reservations, items and locations.
    StockV1,
}

impl Projection {
    /// All of them.
    pub const ALL: &[Self] = &[Self::StockV1];

    /// The name, without the version.
    pub fn name(self) -> &'static str {
        match self {
            Self::StockV1 => "stock",
        }
    }

    /// The version; another version has other tables and checkpoints of its own.
    pub fn version(self) -> i16 {
        match self {
            Self::StockV1 => 1,
        }
    }

    /// The schema of its tables.
    pub fn schema(self) -> String {
        format!("{}_v{}", self.name(), self.version())
    }
}
