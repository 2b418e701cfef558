//! Real Postgres and real Kafka on this machine without containers, and Stockbook's services on
//! top of them.
//!
//! Used by `cargo stack`, by the integration tests and by the load tool. Everything listens on
//! 127.0.0.1 only.

pub mod up;
pub mod reset;
pub mod replay;
pub mod topic;
pub mod servers;
pub mod services;
pub mod postgres;
pub mod kafka;
pub mod credentials;
pub mod cache;
pub mod java;
pub mod process;
pub mod folder;
pub mod places;
pub mod ports;
pub mod user;
mod whole;
