//! The payment service, which speaks over Kafka only: `requests` sends on what orders ask of it, `inbox` takes
//! what it says to the writer: `replies` about orders, and by `choreography` what it does with holds.
//!
//! Both directions deliver at least once. A request is an event before it is sent, and its id is the same however
//! often that happens; a message is decided before its offset is committed, and its `ce_id` is the key of the
//! decision.

pub(crate) mod choreography;
pub(crate) mod inbox;
pub(crate) mod replies;
pub(crate) mod requests;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use service_edge::kafka::Brokers;
use shared_events::lane::Lane;
use sqlx::PgPool;

use crate::config::{DatabaseUrl, PaymentConfig};
use crate::kafka;

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Everything that both directions need.
#[derive(Debug, Clone)]
pub(crate) struct Payments {
    pub(crate) brokers: Brokers,
    pub(crate) config: PaymentConfig,
    pub(crate) database: DatabaseUrl,
    pub(crate) pool: PgPool,
    pub(crate) lanes: Vec<Lane>,
}

/// Why one direction starts again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the log has a payment request that cannot be read: {0}")]
    Stored(#[from] serde_json::Error),
}

fn client_config(brokers: &Brokers) -> ClientConfig {
    let mut config = kafka::settings(brokers);
    config.set("client.id", "stockbook-payments");
    config
}
