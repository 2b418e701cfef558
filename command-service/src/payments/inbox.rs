//! Takes what others say over Kafka to the writer.
//!
//! A message that comes twice, late or about something unknown changes nothing more than once; one that cannot be
//! read goes to another topic with the reason. Nothing stops the consumer but an outage, which it waits out.

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use service_edge::kafka::{Logs, Sender, offsets_after};
use service_edge::retry::Backoff;
use sha2::{Digest, Sha256};
use shared_events::stream::Stream;
use shared_events::values::Label;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Failure, PAUSE_MAX, Payments, client_config};
use crate::inventory::{Command, Request};
use crate::log::submission::{
    IdempotencyKey, NotExecuted, Origin, Outcome, Payload, RequestHash, Submission,
};
use crate::log::writer::Writer;
use crate::metrics;
use crate::topic::rejected_topic;

/// Messages that are decided at a time.
const BATCH_MAX: usize = 500;

/// How long the writer may take for a command.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// The pause before a message is submitted again whose outcome is not known.
const AGAIN_PAUSE: Duration = Duration::from_millis(500);

/// How long closing the client may take; it waits for brokers that may be down.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// The name under which the keys of messages are stored, and the actor in their events.
const CALLER: &str = "payment_service";

/// The stream that a message is about, with its command; none if it asks for nothing.
pub(crate) type Asked = Option<(Stream, Command)>;

/// Where messages come from, and what they ask for.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) topic: String,
    pub(crate) group: String,
    /// What a message asks for, or why it cannot be read.
    pub(crate) read: fn(&[u8]) -> Result<Asked, serde_json::Error>,
}

/// Consumes until the service stops. After a failure it starts again.
pub(crate) async fn consume(
    source: Source,
    payments: Payments,
    writer: Writer,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    loop {
        let since = Instant::now();
        match run(&source, &payments, &writer, &stop).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(
                %error,
                topic = source.topic,
                "messages cannot be consumed, trying again; the topic is made by `create-topic`"
            ),
        }
        if since.elapsed() > PAUSE_MAX {
            backoff = Backoff::up_to(PAUSE_MAX);
        }
        if backoff.pause(&stop).await.is_err() {
            return;
        }
    }
}

/// Runs one client. Returns `Ok` only when it is stopped.
async fn run(
    source: &Source,
    payments: &Payments,
    writer: &Writer,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut config = client_config(&payments.brokers);
    config
        .set("group.id", &source.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        // Instances have no names that they keep over a restart, so the group waits for a dead one: as short as
        // brokers allow by default. Others learn of it with their heartbeats.
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500")
        // A topic that is made after this client is found soon.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("fetch.wait.max.ms", "500")
        .set("queued.max.messages.kbytes", "4096");
    let consumer: StreamConsumer<Logs> = config.create_with_context(Logs)?;
    consumer.subscribe(&[&source.topic])?;
    let outcome =
        stop.run_until_cancelled(pump(source, payments, writer, &consumer)).await.unwrap_or(Ok(()));
    let close = tokio::task::spawn_blocking(move || drop(consumer));
    if timeout(CLOSE_MAX, close).await.is_err() {
        tracing::debug!("a consumer does not close in time");
    }
    outcome
}

async fn pump(
    source: &Source,
    payments: &Payments,
    writer: &Writer,
    consumer: &StreamConsumer<Logs>,
) -> Result<(), Failure> {
    let mut sender = None;
    loop {
        let records = collect(consumer).await?;
        let rejected = decide(source, payments, writer, &records).await?;
        if !rejected.is_empty() {
            let topic = rejected_topic(&source.topic);
            let sender = match &mut sender {
                Some(sender) => sender,
                none => none.insert(Sender::connect(client_config(&payments.brokers))?),
            };
            let copies = rejected.iter().map(|(record, reason)| copy(&topic, record, reason));
            sender.send(copies).await?;
        }
        // After the decisions: a crash before it repeats messages, which changes nothing.
        consumer.commit(&offsets_after(&records)?, CommitMode::Async)?;
    }
}

/// Waits for a record and takes those that are ready after it.
async fn collect(consumer: &StreamConsumer<Logs>) -> Result<Vec<OwnedMessage>, Failure> {
    let mut records = Vec::new();
    let mut next = Some(consumer.recv().await);
    while let Some(received) = next {
        match received {
            Ok(record) => records.push(record.detach()),
            Err(
                error @ (KafkaError::MessageConsumptionFatal(_)
                | KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition)),
            ) => return Err(error.into()),
            // The client recovers from all others.
            Err(error) => tracing::debug!(%error, "Kafka"),
        }
        next = if records.is_empty() {
            Some(consumer.recv().await)
        } else if records.len() < BATCH_MAX {
            consumer.recv().now_or_never()
        } else {
            None
        };
    }
    Ok(records)
}

/// Why a message is set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unreadable {
    #[error("the header ce_id is missing, or is not 1 to 255 printable characters")]
    NoId,
    #[error("the record has no value")]
    Empty,
    #[error("the value does not fit: {0}")]
    Misfit(String),
    #[error("the ce_id was used for another message")]
    IdReused,
    #[error("it is about events that this version of Stockbook does not know")]
    UnknownEvents,
}

/// What a message asks for, under the key of its decision.
#[derive(Debug)]
struct Incoming {
    asked: Asked,
    key: IdempotencyKey,
}

fn read(source: &Source, record: &OwnedMessage) -> Result<Incoming, Unreadable> {
    let mut headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    let id = headers.find(|header| header.key == "ce_id").and_then(|header| header.value);
    let id = id.and_then(|value| std::str::from_utf8(value).ok());
    let key: Label = id.and_then(|id| id.parse().ok()).ok_or(Unreadable::NoId)?;
    let value = record.payload().ok_or(Unreadable::Empty)?;
    let asked = (source.read)(value).map_err(|error| Unreadable::Misfit(error.to_string()))?;
    let request_hash = RequestHash::of(Sha256::digest(value).into());
    Ok(Incoming { asked, key: IdempotencyKey { caller: Label::known(CALLER), key, request_hash } })
}

/// Has every message decided; returns those that are set aside, with the reasons.
async fn decide<'a>(
    source: &Source,
    payments: &Payments,
    writer: &Writer,
    records: &'a [OwnedMessage],
) -> Result<Vec<(&'a OwnedMessage, Unreadable)>, Failure> {
    let read: Vec<_> = records.iter().map(|record| read(source, record)).collect();
    let asked = read.iter().flatten().filter_map(|incoming| incoming.asked.as_ref());
    let streams: Vec<String> = asked.map(|(stream, _)| stream.to_string()).collect();
    let known: HashMap<String, String> =
        sqlx::query_as(include_str!("../../queries/find_correlations.sql"))
            .bind(streams)
            .fetch_all(&payments.pool)
            .await?
            .into_iter()
            .collect();
    let decisions = read.into_iter().map(async |read| {
        let Incoming { asked, key } = read?;
        let Some((stream, command)) = asked else { return Ok("ignored") };
        match known.get(&stream.to_string()).and_then(|correlation| correlation.parse().ok()) {
            Some(correlation) => submit(writer, command, correlation, key).await,
            None => Ok("unknown"),
        }
    });
    let mut rejected = Vec::new();
    for (record, decided) in records.iter().zip(join_all(decisions).await) {
        match decided {
            Ok(outcome) => metrics::payment_message(outcome),
            Err(reason) => {
                tracing::warn!(
                    %reason,
                    topic = record.topic(),
                    partition = record.partition(),
                    offset = record.offset(),
                    "a message is set aside in the topic of rejected ones; look at its sender"
                );
                metrics::payment_message(metrics::REJECTED);
                rejected.push((record, reason));
            }
        }
    }
    Ok(rejected)
}

/// Submits a command until its outcome is known.
async fn submit(
    writer: &Writer,
    command: Command,
    correlation_id: Label,
    key: IdempotencyKey,
) -> Result<&'static str, Unreadable> {
    loop {
        let submission = Submission {
            payload: Payload::One(Request { command: command.clone(), occurred_at: None }),
            personal: Vec::new(),
            origin: Origin {
                actor: Some(Label::known(CALLER)),
                caller: None,
                correlation_id: correlation_id.clone(),
                causation_id: Some(key.key.clone()),
                traceparent: None,
            },
            key: Some(key.clone()),
            validate_only: false,
            deadline: Instant::now() + REQUEST_MAX,
        };
        match writer.submit(submission).await {
            Outcome::Decided(_) | Outcome::Valid(_) | Outcome::ValidTogether(_) => {
                return Ok("decided");
            }
            Outcome::Replayed(_) => return Ok("repeated"),
            Outcome::KeyReused => return Err(Unreadable::IdReused),
            Outcome::NotExecuted(
                NotExecuted::Unreadable
                | NotExecuted::PersonalNotKept
                | NotExecuted::TooLarge { .. }
                | NotExecuted::TooManyEvents { .. },
            ) => return Err(Unreadable::UnknownEvents),
            Outcome::NotExecuted(
                NotExecuted::DeadlinePassed
                | NotExecuted::DatabaseUnavailable
                | NotExecuted::QueueFull { .. }
                | NotExecuted::Stopping,
            )
            | Outcome::InProgress
            | Outcome::Unknown => sleep(AGAIN_PAUSE).await,
        }
    }
}

/// The record as it came, with the reason why it is set aside.
fn copy<'a>(
    topic: &'a str,
    record: &'a OwnedMessage,
    reason: &Unreadable,
) -> BaseRecord<'a, [u8], [u8]> {
    let headers = record.headers().cloned().unwrap_or_else(OwnedHeaders::new);
    let reason = reason.to_string();
    let headers = headers.insert(Header { key: "rejected_because", value: Some(&reason) });
    let mut copy = BaseRecord::to(topic).headers(headers);
    if let Some(key) = record.key() {
        copy = copy.key(key);
    }
    if let Some(value) = record.payload() {
        copy = copy.payload(value);
    }
    copy
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;

    use super::*;
    use crate::payments::replies;

    fn read(id: Option<&str>, value: Option<&str>) -> Result<Incoming, Unreadable> {
        let headers =
            id.map(|id| OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(id) }));
        let value = value.map(|value| value.as_bytes().to_vec());
        let timestamp = Timestamp::NotAvailable;
        let record = OwnedMessage::new(value, None, "t".to_owned(), timestamp, 0, 7, headers);
        let source = Source { topic: "t".to_owned(), group: "g".to_owned(), read: replies::read };
        super::read(&source, &record)
    }

    #[test]
    fn a_message_is_decided_under_its_id() {
        let value = r#"{"order":"o","request":"r","outcome":"declined"}"#;
        let incoming = read(Some("reply-1"), Some(value)).expect("a reply");
        assert_eq!(incoming.key.key.as_str(), "reply-1");
        assert!(incoming.asked.is_none(), "nothing can have the id o");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let value = r#"{"order":"o","request":"r","outcome":"perhaps"}"#;
        let refused = |id, value| read(id, value).expect_err("it is no message").to_string();
        assert!(refused(None, Some(value)).contains("ce_id"));
        assert!(refused(Some("a\nb"), Some(value)).contains("ce_id"));
        assert!(refused(Some("reply-1"), None).contains("no value"));
        assert!(refused(Some("reply-1"), Some(value)).contains("perhaps"));
        assert!(refused(Some("reply-1"), Some("{")).contains("does not fit"));
    }
}
