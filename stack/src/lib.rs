//! Real Postgres and real Kafka on this machine without containers, and Stockbook's services on top
//! of them, for `cargo stack`, the integration tests and the load tool.
//!
//! Everything listens on 127.0.0.1 only.

pub mod access;
mod cache;
pub mod certificates;
pub mod credentials;
pub mod folder;
mod java;
pub mod kafka;
pub mod places;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod replay;
pub mod reset;
mod server;
pub mod servers;
pub mod services;
pub mod topic;
pub mod up;
mod user;
mod whole;
