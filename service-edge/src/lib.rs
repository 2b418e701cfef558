//! The frame of a service: everything that the services have in common and that knows nothing of stock.
//!
//! - [`config`]: types of settings
//! - [`process`]: arguments, logs, signals, exit code
//! - [`migrate`]: what both `migrate` commands share
//! - [`database`]: errors of Postgres
//! - [`parts`]: the long-running tasks of a service
//! - [`retry`]: pauses between tries
//! - [`outage`]: when to log what fails again and again
//! - [`server`]: the listening socket and its limits
//! - [`tls`]: the certificate of that socket, and whom this service trusts elsewhere
//! - [`callers`]: whom a service without sign-in answers
//! - [`sign_in`]: who asks, and whether they may
//! - [`http`]: what surrounds the handlers
//! - [`openapi`]: what the descriptions of all routes have in common
//! - [`body`]: request bodies, from bytes to JSON
//! - [`problem`]: refusals and failures as RFC 9457 documents
//! - `unread`: request bodies that no handler read to the end
//! - `answered`, [`recorder`]: metrics
//! - [`traces`]: spans for an OpenTelemetry collector
//! - [`kafka`]: a producer for records that need acknowledgements
//! - [`healthcheck`]: asks a running service whether it is ready

pub mod config;
pub mod process;
pub mod migrate;
pub mod database;
pub mod parts;
pub mod retry;
pub mod outage;
pub mod server;
pub mod tls;
pub mod callers;
pub mod sign_in;
pub mod http;
pub mod openapi;
pub mod body;
pub mod problem;
mod unread;
mod answered;
pub mod recorder;
pub mod traces;
pub mod kafka;
pub mod healthcheck;
