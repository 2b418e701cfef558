//! An example of a service that takes part in Stockbook's orders, over Kafka and nothing else.
//!
//! It keeps no database. What it has replied is what it knows: a request that comes again gets the same reply,
//! also after a crash. Offsets are committed after the replies are acknowledged, so no request is lost.

mod book;
mod config;
mod replies;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use futures::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use service_edge::kafka::{Logs, Producer};
use service_edge::process;
use service_edge::retry::Backoff;
use shared_events::payment::{PaymentReply, PaymentRequest};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::book::Book;
use self::config::Config;

/// Requests that are answered at a time.
const BATCH_MAX: usize = 500;

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    process::run(Config::try_parse(), |config| &config.log, serve)
}

/// Answers until a signal. After a failure it begins again with what it has replied.
async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    loop {
        match shutdown.run_until_cancelled(answer_all(&config)).await {
            None => return Ok(()),
            Some(Ok(())) => backoff = Backoff::up_to(PAUSE_MAX),
            Some(Err(error)) => tracing::warn!("beginning again: {error:#}"),
        }
        if pause(&mut backoff, &shutdown).await {
            return Ok(());
        }
    }
}

/// Whether a signal came.
async fn pause(backoff: &mut Backoff, shutdown: &CancellationToken) -> bool {
    backoff.pause(shutdown).await.is_err()
}

/// The common settings of the clients.
fn client_config(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("client.id", "payment-service")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "1000");
    settings
}

async fn answer_all(config: &Config) -> anyhow::Result<()> {
    let remembering = config.clone();
    let remembered = tokio::task::spawn_blocking(move || replies::remember(&remembering));
    let mut book = remembered.await.context("reading the replies was interrupted")??;
    let mut settings = client_config(config);
    settings
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "6000")
        .set("fetch.wait.max.ms", "100");
    let consumer: StreamConsumer<Logs> = settings.create_with_context(Logs)?;
    consumer.subscribe(&[&config.requests_topic])?;
    let mut settings = client_config(config);
    settings.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "1");
    let producer = Producer::connect(&settings)?;
    tracing::info!(topic = config.requests_topic, "answering requests");
    loop {
        let requests = receive(&consumer, config).await?;
        let mut deliveries = Vec::new();
        for reply in requests.iter().filter_map(|record| answer(record, &mut book, config)) {
            for _ in 0..copies(config) {
                deliveries.push(producer.send(reply.record(&config.replies_topic))?);
            }
        }
        for delivery in deliveries {
            delivery.await.context("the producer has ended")??;
        }
        // Only now: what is not answered for certain is received again.
        consumer.commit(&offsets(&requests)?, CommitMode::Async)?;
    }
}

/// Waits for a request, as long as a reply takes, and then takes those that are there.
async fn receive(
    consumer: &StreamConsumer<Logs>,
    config: &Config,
) -> anyhow::Result<Vec<OwnedMessage>> {
    let mut requests = vec![consumer.recv().await?.detach()];
    sleep(Duration::from_millis(config.delay_ms)).await;
    while requests.len() < BATCH_MAX
        && let Some(request) = consumer.recv().now_or_never()
    {
        requests.push(request?.detach());
    }
    Ok(requests)
}

/// A reply as it is sent.
struct Outgoing {
    key: String,
    value: String,
    headers: OwnedHeaders,
}

/// The reply to a request, if there is one.
fn answer(record: &OwnedMessage, book: &mut Book, config: &Config) -> Option<Outgoing> {
    let request = serde_json::from_slice::<PaymentRequest>(record.payload().unwrap_or_default());
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, offset = record.offset(), "a request cannot be read");
            return None;
        }
    };
    if rand::random_bool(config.silence_rate) {
        return None;
    }
    let reply = book.answer(&request, config.decline_rate);
    book.note(reply.clone());
    Some(Outgoing::of(&reply))
}

impl Outgoing {
    fn of(reply: &PaymentReply) -> Self {
        let value = serde_json::to_string(reply).expect("a reply is text");
        // The same reply to the same request is one event.
        let outcome = serde_json::to_value(reply.outcome).expect("an outcome is a word");
        let id = format!("{}:{}", reply.request, outcome.as_str().unwrap_or_default());
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", id.as_str()),
            ("ce_source", "/payment-service"),
            ("ce_type", "PaymentReplied"),
            ("content-type", "application/json"),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        Self { key: reply.order.to_string(), value, headers }
    }

    fn record<'a>(&'a self, topic: &'a str) -> BaseRecord<'a, String, String> {
        BaseRecord::to(topic).key(&self.key).payload(&self.value).headers(self.headers.clone())
    }
}

fn copies(config: &Config) -> usize {
    if rand::random_bool(config.duplicate_rate) { 2 } else { 1 }
}

/// Where the next start continues.
fn offsets(requests: &[OwnedMessage]) -> Result<TopicPartitionList, KafkaError> {
    let mut offsets = TopicPartitionList::new();
    for request in requests {
        let next = Offset::Offset(request.offset() + 1);
        match offsets.find_partition(request.topic(), request.partition()) {
            Some(mut known) => known.set_offset(next)?,
            None => offsets.add_partition_offset(request.topic(), request.partition(), next)?,
        }
    }
    Ok(offsets)
}
