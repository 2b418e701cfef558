//! The event log: lanes of events in Postgres, appended in batches by one writer and never changed.
//!
//! - [`submission`]: requests to the writer and their outcomes
//! - [`writer`]: the queue, batches, transactions and the cache
//! - [`idempotency`]: stored outcomes of requests with a key
//! - [`reversal`]: the targets of reversals, and dry runs
//! - [`read`]: reading the log for HTTP
//! - [`append`], [`load`], [`snapshot`], [`row`]: statements and rows that the others share

pub mod submission;
pub mod writer;
pub mod idempotency;
pub(crate) mod reversal;
pub mod read;
pub(crate) mod append;
mod load;
mod snapshot;
pub mod row;

#[cfg(test)]
pub(crate) mod sample;
