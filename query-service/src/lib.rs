//! Stockbook's read side: follows the log by Kafka, keeps views of it in Postgres, and answers from
//! them.
//!
//! In reading order: what can be set ([`config`]), how the parts are put together ([`app`]), the tables
//! ([`migrate`], [`database`]), how events come in ([`consumer`]), how they become rows
//! ([`projection`]), what a handler sees of a projection ([`read_model`]), how the projections stand side by
//! side ([`views`]), how they are proved to be
//! what the log says ([`integrity`]), how alerts get out ([`alerts`]), what an operator may do
//! ([`skip`], [`rebuild`]), how rows become answers ([`http`]), what is counted ([`metrics`]), and
//! how long to wait before trying again ([`backoff`]).

pub mod config;
pub mod app;
pub mod migrate;
pub mod database;
pub mod consumer;
pub mod projection;
pub mod read_model;
pub mod views;
pub mod integrity;
pub mod alerts;
pub mod skip;
pub mod rebuild;
pub mod http;
pub mod metrics;
pub mod backoff;
