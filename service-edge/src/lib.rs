//! Where a service meets its process and its callers, the same for both services: arguments, logs,
//! signals and exit codes ([`process`]), the socket with its bounds ([`server`]), bodies that nobody
//! read to their end ([`unread`]), how requests were answered ([`answered`]), and the question whether
//! a running service can do its work ([`healthcheck`]).
//!
//! Nothing here knows of stock.

pub mod process;
pub mod server;
pub mod unread;
pub mod answered;
pub mod healthcheck;
