//! Alerts on their way to Kafka: what `low_stock` put into the outbox, with its own rows and in the
//! same transaction, is published by one instance at a time and taken out once it is acknowledged.
//!
//! At least once, in order per item; an alert's id stays the same, so that a reader can tell one that
//! comes again. While the brokers are away the outbox grows and the projection goes on.

mod topic;
mod record;

use std::time::Duration;

use futures::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::FutureProducer;
use shared_events::values::ValueError;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::alerts::record::Outgoing;
use crate::backoff::Backoff;
use crate::config::{DatabaseConfig, KafkaConfig};
use crate::{database, metrics};

/// Alerts that are in flight at once.
const IN_FLIGHT_MAX: i64 = 500;

/// How often an empty outbox is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How often an instance asks whether it is its turn to publish.
const TURN_INTERVAL: Duration = Duration::from_secs(2);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What [`run`] works with.
pub struct Tools {
    /// Where the outbox is.
    pub database: DatabaseConfig,
    /// Where the alerts go.
    pub kafka: KafkaConfig,
    /// How many partitions a new topic has.
    pub lanes: u16,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Why publishing begins anew.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the outbox: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the outbox holds what is no alert: {0}")]
    Stored(#[from] ValueError),
    #[error("the brokers do not take alerts: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the Kafka client was dropped")]
    Dropped,
}

/// Publishes until told to stop. What fails is begun anew, for as long as it takes.
pub async fn run(tools: Tools) {
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    loop {
        let mut sent = 0;
        match tools.stop.run_until_cancelled(publish(&tools, &mut sent)).await {
            None => return,
            Some(Ok(never)) => match never {},
            Some(Err(error)) => tracing::warn!(%error, "alerts cannot be published, trying again"),
        }
        if sent > 0 {
            backoff = Backoff::up_to(PAUSE_MAX);
        }
        if backoff.pause(&tools.stop).await.is_err() {
            return;
        }
    }
}

/// One turn: it lasts as long as the connection that holds the lock.
async fn publish(tools: &Tools, sent: &mut usize) -> Result<std::convert::Infallible, Failure> {
    // 1. Wait for this instance's turn.
    let mut connection =
        PgConnection::connect_with(&database::alert_options(&tools.database)).await?;
    while !lock(&mut connection).await? {
        tokio::time::sleep(TURN_INTERVAL).await;
    }
    // 2. See that there is a topic. If none can be made there may be one all the same.
    if let Err(error) = topic::create(&tools.kafka, tools.lanes).await {
        tracing::warn!(%error, topic = tools.kafka.alerts_topic, "the topic cannot be made");
    }
    // 3. Send what there is, and take out what the brokers acknowledged.
    let producer = Producer::connect(&tools.kafka)?;
    loop {
        let alerts = load(&mut connection).await?;
        if alerts.is_empty() {
            tokio::time::sleep(LOOK_INTERVAL).await;
            continue;
        }
        producer.send(&tools.kafka.alerts_topic, &alerts).await?;
        delete(&mut connection, &alerts).await?;
        metrics::alerts_published(alerts.len());
        *sent += alerts.len();
    }
}

async fn lock(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(include_str!("../queries/lock_alerts.sql")).fetch_one(connection).await
}

async fn load(connection: &mut PgConnection) -> Result<Vec<Outgoing>, Failure> {
    let rows = sqlx::query(include_str!("../queries/load_alerts.sql"))
        .bind(IN_FLIGHT_MAX)
        .fetch_all(connection)
        .await?;
    rows.iter().map(Outgoing::of).collect()
}

async fn delete(connection: &mut PgConnection, alerts: &[Outgoing]) -> sqlx::Result<()> {
    sqlx::query(include_str!("../queries/delete_alerts.sql"))
        .bind(alerts.iter().map(Outgoing::lane).collect::<Vec<i16>>())
        .bind(alerts.iter().map(Outgoing::position).collect::<Vec<i64>>())
        .bind(alerts.iter().map(|alert| alert.location.as_str()).collect::<Vec<&str>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The settings that every client here starts from.
fn client_config(settings: &KafkaConfig) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.kafka_brokers)
        .set("client.id", "query-service-alerts")
        // A missing topic is made with as many partitions as there are lanes, or not at all.
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "2000")
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// Passes on what the client says, for those who want it: all of it heals or comes back as an error.
struct Logs;

impl ClientContext for Logs {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

/// An idempotent producer that is dropped away from the runtime's threads, since that blocks.
struct Producer(Option<FutureProducer<Logs>>);

impl Producer {
    fn connect(settings: &KafkaConfig) -> Result<Self, KafkaError> {
        let producer = client_config(settings)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Never give up on an alert while later ones of the same item might get through.
            .set("message.timeout.ms", "0")
            .set("linger.ms", "1")
            // A topic that is gone fails what is queued for it after this long.
            .set("topic.metadata.propagation.max.ms", "5000")
            .create_with_context(Logs)?;
        Ok(Self(Some(producer)))
    }

    /// Sends alerts in their order and waits until all of them are acknowledged.
    async fn send(&self, topic: &str, alerts: &[Outgoing]) -> Result<(), Failure> {
        let producer = self.0.as_ref().expect("it is there until it is dropped");
        let mut deliveries = Vec::with_capacity(alerts.len());
        for alert in alerts {
            // Not `send`, which sleeps when the queue is full; so few alerts never fill it.
            let queued = producer.send_result(alert.record(topic));
            deliveries.push(queued.map_err(|(error, _)| error)?);
        }
        for delivery in join_all(deliveries).await {
            delivery.map_err(|_| Failure::Dropped)?.map_err(|(error, _)| error)?;
        }
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let producer = self.0.take();
        tokio::task::spawn_blocking(move || drop(producer));
    }
}
