//! Takes the replies of the payment service to the writer.
//!
//! A reply that comes twice, late or for an unknown order changes nothing more than once; one that cannot be
//! read goes to another topic with the reason. Nothing stops the consumer but an outage, which it waits out.

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use service_edge::kafka::Logs;
use service_edge::retry::Backoff;
use sha2::{Digest, Sha256};
use shared_events::event::Cause;
use shared_events::payment::PaymentReply;
use shared_events::stream::Stream;
use shared_events::values::{Label, OrderId};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Failure, PAUSE_MAX, Payments, Sender, client_config};
use crate::inventory::{ChangeOrder, Command, OrderChange, Reply, Request};
use crate::log::submission::{IdempotencyKey, NotExecuted, Origin, Outcome, Payload, Submission};
use crate::log::writer::Writer;
use crate::metrics;

/// Replies that are decided at a time.
const BATCH_MAX: usize = 500;

/// How long the writer may take for a command.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// The pause before a reply is submitted again whose outcome is not known.
const AGAIN_PAUSE: Duration = Duration::from_millis(500);

/// How long closing the client may take; it waits for brokers that may be down.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// The name under which the keys of replies are stored, and the actor in their events.
const CALLER: &str = "payment_service";

/// Consumes until the service stops. After a failure it starts again.
pub(crate) async fn consume(payments: Payments, writer: Writer, stop: CancellationToken) {
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    loop {
        let since = Instant::now();
        match run(&payments, &writer, &stop).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(
                %error,
                topic = payments.config.topics.payment_replies_topic,
                "payment replies cannot be consumed, trying again; the topic is made by `create-topic`"
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
    payments: &Payments,
    writer: &Writer,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut config = client_config(&payments.brokers);
    config
        .set("group.id", &payments.config.payment_replies_group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "10000")
        // A topic that is made after this client is found soon.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("fetch.wait.max.ms", "500")
        .set("queued.max.messages.kbytes", "4096");
    let consumer: StreamConsumer<Logs> = config.create_with_context(Logs)?;
    consumer.subscribe(&[&payments.config.topics.payment_replies_topic])?;
    let outcome =
        stop.run_until_cancelled(pump(payments, writer, &consumer)).await.unwrap_or(Ok(()));
    let close = tokio::task::spawn_blocking(move || drop(consumer));
    if timeout(CLOSE_MAX, close).await.is_err() {
        tracing::debug!("the consumer of payment replies does not close in time");
    }
    outcome
}

async fn pump(
    payments: &Payments,
    writer: &Writer,
    consumer: &StreamConsumer<Logs>,
) -> Result<(), Failure> {
    let mut sender = None;
    loop {
        let records = collect(consumer).await?;
        let rejected = decide(payments, writer, &records).await?;
        if !rejected.is_empty() {
            let topic = payments.config.topics.rejected();
            let sender = match &mut sender {
                Some(sender) => sender,
                none => none.insert(Sender::connect(&payments.brokers)?),
            };
            let copies = rejected.iter().map(|(record, reason)| copy(&topic, record, reason));
            sender.send(copies).await?;
        }
        // After the decisions: a crash before it repeats replies, which changes nothing.
        let mut offsets = rdkafka::TopicPartitionList::new();
        for record in &records {
            let next = rdkafka::Offset::Offset(record.offset() + 1);
            let (topic, partition) = (record.topic(), record.partition());
            match offsets.find_partition(topic, partition) {
                Some(mut known) => known.set_offset(next)?,
                None => offsets.add_partition_offset(topic, partition, next)?,
            }
        }
        consumer.commit(&offsets, CommitMode::Async)?;
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

/// Why a reply is set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unreadable {
    #[error("the header ce_id is missing, or is not 1 to 255 printable characters")]
    NoId,
    #[error("the record has no value")]
    Empty,
    #[error("the value is not a reply: {0}")]
    NotAReply(String),
    #[error("the ce_id was used for another reply")]
    IdReused,
    #[error("the order has events that this version of Stockbook does not know")]
    UnknownEvents,
}

/// A reply with the key of its decision.
#[derive(Debug)]
struct Incoming {
    reply: PaymentReply,
    key: IdempotencyKey,
}

fn read(record: &OwnedMessage) -> Result<Incoming, Unreadable> {
    let mut headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    let id = headers.find(|header| header.key == "ce_id").and_then(|header| header.value);
    let id = id.and_then(|value| std::str::from_utf8(value).ok());
    let key: Label = id.and_then(|id| id.parse().ok()).ok_or(Unreadable::NoId)?;
    let value = record.payload().ok_or(Unreadable::Empty)?;
    let reply =
        serde_json::from_slice(value).map_err(|error| Unreadable::NotAReply(error.to_string()))?;
    let request_hash = Sha256::digest(value).into();
    Ok(Incoming { reply, key: IdempotencyKey { caller: label(CALLER), key, request_hash } })
}

/// Has every reply decided; returns those that are set aside, with the reasons.
async fn decide<'a>(
    payments: &Payments,
    writer: &Writer,
    records: &'a [OwnedMessage],
) -> Result<Vec<(&'a OwnedMessage, Unreadable)>, Failure> {
    let read: Vec<_> = records.iter().map(read).collect();
    let orders: Vec<String> = read
        .iter()
        .flatten()
        .filter_map(|incoming| incoming.reply.order.as_str().parse::<OrderId>().ok())
        .map(|id| Stream::Order(id).to_string())
        .collect();
    let known: HashMap<String, String> =
        sqlx::query_as(include_str!("../../queries/find_correlations.sql"))
            .bind(orders)
            .fetch_all(&payments.pool)
            .await?
            .into_iter()
            .collect();
    let decisions = read.into_iter().map(async |read| {
        let incoming = read?;
        let Ok(id) = incoming.reply.order.as_str().parse::<OrderId>() else {
            return Ok("unknown_order");
        };
        let correlation = known.get(&Stream::Order(id.clone()).to_string());
        match correlation.and_then(|correlation| correlation.parse().ok()) {
            Some(correlation) => submit(writer, id, correlation, incoming).await,
            None => Ok("unknown_order"),
        }
    });
    let mut rejected = Vec::new();
    for (record, decided) in records.iter().zip(join_all(decisions).await) {
        match decided {
            Ok(outcome) => metrics::payment_reply(outcome),
            Err(reason) => {
                tracing::warn!(
                    %reason,
                    partition = record.partition(),
                    offset = record.offset(),
                    "a payment reply is set aside in the topic of rejected ones; look at its sender"
                );
                metrics::payment_reply("rejected");
                rejected.push((record, reason));
            }
        }
    }
    Ok(rejected)
}

/// Submits a reply until its outcome is known.
async fn submit(
    writer: &Writer,
    id: OrderId,
    correlation_id: Label,
    incoming: Incoming,
) -> Result<&'static str, Unreadable> {
    let Incoming { reply, key } = incoming;
    let PaymentReply { request, outcome, payment_id, reason, .. } = reply;
    let change = OrderChange::Reply(Reply { request, outcome, payment_id, reason });
    let command = ChangeOrder { id, change, precondition: None, cause: Cause::default() };
    loop {
        let submission = Submission {
            payload: Payload::One(Request {
                command: Command::ChangeOrder(command.clone()),
                occurred_at: None,
            }),
            origin: Origin {
                actor: Some(label(CALLER)),
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

fn label(text: &str) -> Label {
    text.parse().expect("a word is a label")
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;

    use super::*;

    fn record(id: Option<&str>, value: Option<&str>) -> OwnedMessage {
        let headers =
            id.map(|id| OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(id) }));
        let value = value.map(|value| value.as_bytes().to_vec());
        let timestamp = Timestamp::NotAvailable;
        OwnedMessage::new(value, None, "replies".to_owned(), timestamp, 0, 7, headers)
    }

    #[test]
    fn a_reply_is_read_with_its_key_and_members_of_others_are_passed_over() {
        let value =
            r#"{"order":"o","request":"r","outcome":"declined","reason":"no_funds","more":1}"#;
        let read = read(&record(Some("reply-1"), Some(value))).expect("a reply");
        assert_eq!(read.key.key.as_str(), "reply-1");
        assert_eq!(read.reply.reason, "no_funds".parse().ok());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let value = r#"{"order":"o","request":"r","outcome":"perhaps"}"#;
        let refused = |id, value| read(&record(id, value)).expect_err("it is no reply").to_string();
        assert!(refused(None, Some(value)).contains("ce_id"));
        assert!(refused(Some("a\nb"), Some(value)).contains("ce_id"));
        assert!(refused(Some("reply-1"), None).contains("no value"));
        assert!(refused(Some("reply-1"), Some(value)).contains("perhaps"));
        assert!(refused(Some("reply-1"), Some("{")).contains("not a reply"));
    }
}
