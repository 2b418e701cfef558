//! The contract between Stockbook's services: what a fact looks like, where it stands in the log,
//! and how it travels on Kafka. Values in, values out: no IO, no clock, no async.
//!
//! In reading order: the words everything is made of ([`values`], [`time`]), where a fact belongs
//! ([`slot`], [`stream`], [`lane`]), what happened ([`event`], with [`reservation`] as a thing of
//! its own), the proof that nothing was changed ([`chain`]), a fact with its place ([`recorded`]),
//! and its form on Kafka ([`record`]).
//!
//! Compatibility: a published event type and version never changes. A new shape is a new
//! `schema_version`, and every version has a golden file in `tests/golden`.

#![warn(missing_docs)]

pub mod slot;
pub mod values;
pub mod time;
pub mod stream;
pub mod lane;
pub mod event;
pub mod reservation;
pub mod chain;
pub mod recorded;
pub mod record;
