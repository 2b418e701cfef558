//! From Kafka to committed rows, for one version of a projection.
//!
//! - [`consumer`], [`assignment`]: records from Kafka
//! - [`log_client`], [`fetcher`]: events and heads from the log over HTTP
//! - [`delivery`]: what both hand to the runner
//! - [`checkpoint`], [`plan`]: what a batch changes. PURE
//! - [`apply`]: one transaction for rows and checkpoints
//! - [`runner`]: the loop around it
//! - [`progress`]: how far the projection is, for queries
//! - [`supervisor`], [`context`]: all of it together, restarted on failure
//! - [`versions`]: which versions exist

pub mod apply;
pub mod assignment;
pub mod checkpoint;
pub mod consumer;
pub mod context;
pub mod delivery;
pub mod fetcher;
pub mod log_client;
pub mod plan;
pub mod progress;
#[cfg(test)]
pub(crate) mod properties;
pub mod runner;
pub mod supervisor;
pub mod versions;
