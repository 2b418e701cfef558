//! The log: lanes of events in Postgres, appended by one writer in batches and never changed.
//!
//! In the order of a batch's way: [`submission`] is what the writer is asked and answers,
//! [`writer`] owns the queue, [`session`] its
//! connection, [`batch`] runs the six steps of a transaction, [`load`] brings states
//! from the log, [`cache`] keeps them, [`outcomes`] are the stored answers to keyed requests,
//! [`append`] writes. [`read`] serves the log's
//! endpoints, [`merge`] puts its lanes in one order for them, [`purge`] forgets old outcomes, and
//! [`row`] is an event as Postgres returns it.

pub mod submission;
pub mod writer;
mod session;
mod batch;
mod load;
mod cache;
mod outcomes;
mod append;
pub mod read;
mod merge;
pub mod purge;
pub mod row;
