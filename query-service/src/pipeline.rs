//! From Kafka to committed rows.
//!
//! For all views together:
//!
//! - [`follower`], [`consumer`], [`assignment`]: records from Kafka, fetched and decoded once
//! - [`subscribers`]: hands them to every view
//! - [`log_client`]: events and heads from the log over HTTP
//!
//! For one version of a projection:
//!
//! - [`delivery`]: what its runner receives
//! - [`fetcher`]: pages of the log
//! - [`checkpoint`], [`plan`]: what a batch changes. PURE
//! - [`apply`]: one transaction for rows and checkpoints
//! - [`runner`]: the loop around it
//! - [`progress`]: how far the projection is, for queries
//! - [`memory`]: whether a value kept in memory still equals its row
//! - [`context`]: what its tasks share
//! - [`supervisor`]: restarts tasks of either that fail
//! - [`versions`]: which versions exist

pub mod apply;
pub mod assignment;
pub mod checkpoint;
pub mod consumer;
pub mod context;
pub mod delivery;
pub mod fact;
pub mod fetcher;
pub mod follower;
pub mod log_client;
pub mod memory;
pub mod plan;
pub mod progress;
#[cfg(test)]
pub(crate) mod properties;
pub mod runner;
pub mod subscribers;
pub mod supervisor;
pub mod versions;
