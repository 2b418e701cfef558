//! The harness of the integration tests: one real Postgres and one real Kafka for the run, and for
//! every test its own databases, topic and service processes.

pub mod world;
pub mod stockbook;
pub mod api;
pub mod oracle;
pub mod topic;
pub mod eventually;
pub mod size;
pub mod proxy;
pub mod seed;
