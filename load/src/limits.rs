//! What the machine can do at most, with nothing decided and nothing answered.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sqlx::{Connection as _, PgConnection};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::environment::Environment;

/// A payload of the usual size, and a hash.
const DATA: &str = r#"{"sku":"sku-00017","location":"MAIN","quantity":1,"after":{"on_hand":1000000,"reserved":0,"allocated":0,"available":1000000}}"#;
const HASH: [u8; 32] = [7; 32];

const POLL_MAX: Duration = Duration::from_secs(10);

/// Events a second that Postgres itself can generate and append to a bare table, so many in each
/// durable transaction, one after another on one connection.
pub(crate) async fn stored_events(
    environment: &Environment,
    transaction: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let database = environment.database("limit").await?;
    let mut connection = PgConnection::connect(database.as_str()).await?;
    sqlx::raw_sql(include_str!("../schema.sql")).execute(&mut connection).await?;
    let transaction = i64::try_from(transaction)?;
    let begun = Instant::now();
    let mut stored = 0;
    while begun.elapsed() < duration {
        sqlx::query(include_str!("../queries/insert_events.sql"))
            .bind(stored)
            .bind(stored + transaction - 1)
            .bind(DATA)
            .bind(HASH)
            .execute(&mut connection)
            .await?;
        stored += transaction;
    }
    let rate = stored as f64 / begun.elapsed().as_secs_f64();
    connection.close().await?;
    Ok(rate)
}

/// Records a second that librdkafka alone reads from the beginning of a topic, all partitions at
/// once, counted from the first record on.
pub(crate) async fn consumed_records(
    brokers: &str,
    topic: &str,
    records: i64,
) -> anyhow::Result<f64> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    spawn_blocking(move || consume(&brokers, &topic, records)).await.context("reading panicked")?
}

fn consume(brokers: &str, topic: &str, records: i64) -> anyhow::Result<f64> {
    ensure!(records > 1, "one record takes no time");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "limit")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), POLL_MAX)?;
    let partitions = metadata.topics().first().context("there is no such topic")?.partitions();
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        assigned.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let mut first = None;
    for read in 0..records {
        let record = consumer.poll(POLL_MAX);
        record.with_context(|| format!("{read} of {records} records came"))??;
        first.get_or_insert_with(Instant::now);
    }
    let first = first.context("there are no records")?;
    Ok((records - 1) as f64 / first.elapsed().as_secs_f64())
}
