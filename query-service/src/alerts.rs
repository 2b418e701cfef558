//! Publishes alerts to Kafka. The projection `low_stock` puts them into outboxes, one for items that are
//! short, one for transfers that are overdue and one for orders that wait for an operator, in the transaction
//! that writes its rows. One instance at a time publishes them, and deletes those that are acknowledged.
//!
//! At least once, and in order for each item. The id of an alert never changes, so that readers can drop
//! repetitions. While the brokers are away the outbox grows and the projection continues.

mod record;

use std::convert::Infallible;
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use service_edge::kafka::{Logs, Sender, new_topic};
use service_edge::outage::Outage;
use service_edge::retry::Backoff;
use shared_events::values::ValueError;
use sqlx::PgExecutor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::record::{Alert, Outbox};
use crate::config::{DatabaseConfig, KafkaConfig};
use crate::{database, metrics};

/// Alerts of each outbox that are in flight at once.
const IN_FLIGHT_MAX: i64 = 500;

/// The channel of Postgres on which `insert_alerts.sql` and its like announce alerts.
const CHANNEL: &str = "alert_outbox";

/// How often an empty outbox is read although no alert was announced.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How often an instance tries to get the lock of the publisher.
const LOCK_INTERVAL: Duration = Duration::from_secs(2);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long the brokers may take to create the topic.
const CREATE_MAX: Duration = Duration::from_secs(10);

pub struct AlertPublisher {
    pub database: DatabaseConfig,
    pub kafka: KafkaConfig,
    /// The number of partitions of a new topic.
    pub lanes: u16,
    pub stop: CancellationToken,
}

/// Why publishing starts again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the outbox: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the outbox contains an invalid alert: {0}")]
    Stored(#[from] ValueError),
    #[error("Kafka does not accept alerts: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the connection with the lock of the publisher is lost")]
    LockLost,
}

impl AlertPublisher {
    /// Publishes until the service stops. After a failure it starts again.
    pub async fn run(self) {
        let mut backoff = Backoff::up_to(PAUSE_MAX);
        let outage = Outage::none();
        loop {
            let mut sent = 0;
            match self.stop.run_until_cancelled(self.publish(&outage, &mut sent)).await {
                None => return,
                Some(Ok(never)) => match never {},
                Some(Err(error)) => {
                    if let Some(failures) = outage.failed() {
                        tracing::warn!(%error, failures, "alerts cannot be published, trying again");
                    }
                }
            }
            if sent > 0 {
                backoff = Backoff::up_to(PAUSE_MAX);
            }
            if backoff.pause(&self.stop).await.is_err() {
                return;
            }
        }
    }

    /// Publishes for as long as the connection with the lock lives.
    async fn publish(&self, outage: &Outage, sent: &mut usize) -> Result<Infallible, Failure> {
        // 1. Wait for the lock, on the connection that hears of new alerts.
        let options = database::alert_options(&self.database);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut outbox = PgListener::connect_with(&pool).await?;
        outbox.listen(CHANNEL).await?;
        while !lock(&mut outbox).await? {
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        // 2. Create the topic. After a failure it may exist all the same.
        if let Err(error) = create_topic(&self.kafka, self.lanes).await {
            let topic = &self.kafka.alerts_topic;
            tracing::warn!(%error, topic, "cannot create the topic of alerts; sending them anyway");
        }
        // 3. Send alerts and delete those that the brokers acknowledged.
        let producer = Sender::connect(client_config(&self.kafka))?;
        loop {
            let alerts = load(&mut outbox).await?;
            if alerts.is_empty() {
                if outage.is_over() {
                    tracing::info!("alerts are published again");
                }
                // `None` says that the connection, and the lock with it, is lost.
                match timeout(LOOK_INTERVAL, outbox.try_recv()).await {
                    Ok(Ok(None)) => return Err(Failure::LockLost),
                    Ok(Err(error)) => return Err(error.into()),
                    Ok(Ok(Some(_))) | Err(_) => continue,
                }
            }
            let topic = &self.kafka.alerts_topic;
            producer.send(alerts.iter().map(|alert| alert.record(topic))).await?;
            delete(&mut outbox, &alerts).await?;
            metrics::alerts_published(alerts.len());
            *sent += alerts.len();
        }
    }
}

async fn lock(connection: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar(include_str!("../queries/lock_alerts.sql")).fetch_one(connection).await
}

async fn load(connection: &mut PgListener) -> Result<Vec<Alert>, Failure> {
    let mut alerts = Vec::new();
    for (outbox, statement) in [
        (Outbox::LowStock, include_str!("../queries/load_alerts.sql")),
        (Outbox::Overdue, include_str!("../queries/load_overdue.sql")),
        (Outbox::Orders, include_str!("../queries/load_order_alerts.sql")),
    ] {
        let query = sqlx::query(statement).bind(IN_FLIGHT_MAX);
        for row in query.fetch_all(&mut *connection).await? {
            alerts.push(Alert::of(outbox, &row)?);
        }
    }
    Ok(alerts)
}

async fn delete(connection: &mut PgListener, alerts: &[Alert]) -> sqlx::Result<()> {
    let of = |outbox| alerts.iter().filter(|alert| alert.outbox == outbox).collect::<Vec<&Alert>>();
    let low = of(Outbox::LowStock);
    let lanes = |alerts: &[&Alert]| alerts.iter().map(|alert| alert.lane()).collect::<Vec<i16>>();
    let positions =
        |alerts: &[&Alert]| alerts.iter().map(|alert| alert.position()).collect::<Vec<i64>>();
    if !low.is_empty() {
        sqlx::query(include_str!("../queries/delete_alerts.sql"))
            .bind(lanes(&low))
            .bind(positions(&low))
            .bind(low.iter().map(|alert| alert.place.as_str()).collect::<Vec<&str>>())
            .execute(&mut *connection)
            .await?;
    }
    for (alerts, statement) in [
        (of(Outbox::Overdue), include_str!("../queries/delete_overdue.sql")),
        (of(Outbox::Orders), include_str!("../queries/delete_order_alerts.sql")),
    ] {
        if !alerts.is_empty() {
            sqlx::query(statement)
                .bind(lanes(&alerts))
                .bind(positions(&alerts))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// The common settings of the clients.
fn client_config(settings: &KafkaConfig) -> ClientConfig {
    let mut config = settings.brokers.settings();
    config
        .set("client.id", "query-service-alerts")
        // Only `create_topic` knows the right number of partitions.
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "2000")
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// Creates the topic with one partition for each lane, unless it exists.
async fn create_topic(settings: &KafkaConfig, lanes: u16) -> Result<(), KafkaError> {
    let settings = settings.clone();
    // Requests block, and so does dropping the client.
    let create = move || {
        let client: AdminClient<Logs> = client_config(&settings).create_with_context(Logs)?;
        let copies = i32::try_from(settings.alerts_replication_factor).unwrap_or(i32::MAX);
        let topic = new_topic(&settings.alerts_topic, i32::from(lanes), copies);
        let options = AdminOptions::new()
            .request_timeout(Some(CREATE_MAX))
            .operation_timeout(Some(CREATE_MAX));
        for result in block_on(client.create_topics([&topic], &options))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(create).await.expect("creating a topic does not panic")
}
