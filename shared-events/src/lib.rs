//! The contract between Stockbook's services: events, their position in the log, and their form on Kafka.
//! Pure: no IO, no clock, no async.
//!
//! - [`values`], [`time`]: checked text and times
//! - [`slot`], [`stream`], [`lane`]: where an event belongs
//! - [`event`], [`reservation`], [`transfer`], [`order`], [`reference`](mod@reference): what happened
//! - [`payment`]: what a payment service is asked, and replies
//! - [`personal`]: personal data, sealed
//! - [`redaction`]: what was removed from events, and the proof of what was left
//! - [`recorded`], [`chain`]: an event in the log, protected by a hash chain
//! - [`lane_check`]: the rules that every event of a lane has to fulfil
//! - [`record`]: an event on Kafka
//! - [`schema`], [`asyncapi`]: the same for machines of others: JSON Schemas, and a description of the topics
//!
//! Compatibility: a published event type and version never changes. A new shape is a new
//! `schema_version`, and every version has a golden file in `tests/golden`.

pub mod slot;
pub mod values;
pub mod patterns;
mod words;
pub mod time;
pub mod stream;
pub mod lane;
pub mod reference;
pub mod event;
pub mod reservation;
pub mod transfer;
pub mod order;
pub mod payment;
pub mod personal;
pub mod redaction;
pub mod chain;
pub mod recorded;
pub mod lane_check;
pub mod record;
pub mod schema;
pub mod asyncapi;
