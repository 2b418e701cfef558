//! The log: lanes of events in Postgres, appended by one writer in batches and never changed.
//!
//! In the order of a batch's way: [`submission`] is what the writer is asked and answers,
//! [`writer`] owns the queue, [`session`] its connection. [`ahead`] decides a batch on what the writer
//! remembers, in the time that [`foresight`] tells; [`batch`] decides one under its locks where that
//! cannot be: [`plan`] finds out what it touches, [`locks`] takes them, [`load`] brings states from the
//! log, [`snapshot`] spares it long histories, [`cache`] keeps them, [`past`] are the facts that
//! reversals are about, [`outcomes`] the stored answers to keyed requests. Either way [`deciding`] goes
//! from request to request, [`places`] gives events their places, [`append`] writes, and [`due`] keeps
//! the deadlines. [`read`] serves the log's endpoints, [`rehearsal`] says what reversals would do,
//! [`merge`] puts its lanes in one order, [`purge`] forgets old outcomes, and [`row`] is an event as
//! Postgres returns it.

pub mod submission;
pub mod writer;
mod session;
mod ahead;
mod foresight;
mod batch;
mod plan;
mod locks;
mod load;
mod snapshot;
mod cache;
pub(crate) mod past;
pub(crate) mod outcomes;
mod deciding;
mod places;
mod append;
pub(crate) mod due;
pub mod read;
pub(crate) mod rehearsal;
mod merge;
pub mod purge;
pub mod row;

#[cfg(test)]
pub(crate) mod sample;
