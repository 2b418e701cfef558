//! The write side of Stockbook: decides stock commands and records what happened.
//!
//! The modules stand in the order of a command's way: `http` parses it, `inventory` decides it
//! (pure), `log` appends what was decided and leaves it in `relay_inbox`, from where `relay` publishes it.
//! `deadlines` expires holds and lets orders go on, `payments` speaks with the payment service, `reversals`
//! reverses the events of a time window, `redaction` takes bytes out of recorded events. `api_keys` says who may
//! ask, `personal` seals what is known of people. `kafka` has the settings of clients, `topic` and `migrate` create the
//! topics and the tables, `verify` checks the whole log.

pub mod config;
pub mod personal;
mod metrics;
mod digest;
mod kafka;
pub mod app;
pub mod http;
pub mod log;
pub mod relay_inbox;
pub mod api_keys;
pub mod relay;
pub mod deadlines;
mod subjects;
mod payments;
pub mod reversals;
pub mod redaction;
pub mod topic;
pub mod migrate;
pub mod publication;
pub mod verify;
#[cfg(test)]
mod simulation;

pub use inventory;
