//! Stockbook's read side: follows the log over Kafka, keeps views of it in Postgres, and answers queries
//! from them.
//!
//! - [`cli`], [`config`]: the program's subcommands and their settings
//! - [`app`]: starts and stops all parts
//! - [`migrate`], [`database`]: the tables and the connections
//! - [`projection`]: what a projection is
//! - [`pipeline`]: from Kafka to committed rows
//! - [`projections`]: the views
//! - [`projection_set`], [`read_model`]: which versions run, and which answer queries
//! - [`router`], [`openapi`], [`endpoints`], [`http`]: all routes and their description, those that belong to no
//!   view, and what they share
//! - [`integrity`]: proves that the view `stock` matches the log
//! - [`alerts`]: publishes low-stock alerts
//! - [`rebuild`], [`skip`]: subcommands for operators
//! - [`export`], [`sink`], [`lane_reader`]: copies the log to files and to Redis for others
//! - [`metrics`]

pub mod alerts;
pub mod api_keys;
pub mod app;
pub mod cli;
pub mod config;
pub mod database;
pub mod endpoints;
pub mod export;
pub mod http;
pub mod integrity;
pub mod lane_reader;
pub mod metrics;
pub mod migrate;
pub mod openapi;
pub mod pipeline;
pub mod projection;
pub mod projection_set;
pub mod projections;
pub mod read_model;
pub mod rebuild;
pub mod router;
#[cfg(test)]
pub(crate) mod sample_log;
pub mod sink;
pub mod skip;
