//! Consumes the topic, for all views together.
//!
//! Kafka gives at-least-once delivery, in order per lane; the checkpoints make it exactly once. So
//! offsets are committed late and only as a hint, a rebalance needs no seek, and the client can be
//! replaced at any moment.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use rdkafka::consumer::{CommitMode, Consumer as _, MessageStream, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use service_edge::retry::{Backoff, Stopping};
use shared_events::lane::Lane;
use shared_events::record;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::{self, ProjectionConfig, ServeConfig};
use crate::metrics;
use crate::pipeline::assignment::{Assignment, AssignmentListener, client_config};
use crate::pipeline::delivery::{Arrival, LINGER_RECORDS_MAX, Unreadable};
use crate::pipeline::fact::Fact;
use crate::pipeline::subscribers::Subscribers;

/// How often offsets are committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// How long records gather before they are handed to the views: each delivery costs every view a
/// transaction.
const LINGER: Duration = Duration::from_millis(4);

/// A batch comes in so many deliveries at least, so that the next ones are decoded while it is applied.
const DELIVERIES_PER_BATCH: usize = 4;

/// The longest pause before a new client is created.
const REBUILD_BACKOFF: Duration = Duration::from_secs(5);

/// How long closing the client may take; it waits for brokers that may be down.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Brings the records of the topic to the views.
#[derive(Clone)]
pub struct TopicConsumer {
    pub config: ServeConfig,
    pub subscribers: Arc<Subscribers>,
    pub assignment: Arc<Assignment>,
    pub stop: CancellationToken,
}

impl TopicConsumer {
    /// Consumes until it is stopped. Replaces a client that failed permanently or became silent.
    pub async fn run(self) {
        let mut backoff = Backoff::up_to(REBUILD_BACKOFF);
        loop {
            match consume(&self).await {
                Ok(()) => return,
                Err(reason) => {
                    tracing::warn!(%reason, "the Kafka consumer is replaced");
                    metrics::consumer_rebuilt();
                }
            }
            self.assignment.clear();
            if backoff.pause(&self.stop).await == Err(Stopping) {
                return;
            }
        }
    }
}

/// Why a client is replaced.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("the log is ahead, but Kafka has brought nothing for {} s since then", .0.as_secs())]
    Silent(Duration),
}

/// Runs one client. Returns `Ok` only when it is stopped.
async fn consume(own: &TopicConsumer) -> Result<(), Failure> {
    let listener = AssignmentListener(Arc::clone(&own.assignment));
    let consumer: StreamConsumer<AssignmentListener> =
        client_config(&own.config.kafka).create_with_context(listener)?;
    consumer.subscribe(&[&own.config.kafka.topic])?;
    let outcome = own.stop.run_until_cancelled(pump(own, &consumer)).await.unwrap_or(Ok(()));
    close(consumer, offsets(own)).await;
    outcome
}

/// Hands records to the views, commits the applied offsets, and notices when Kafka is silent.
async fn pump(
    own: &TopicConsumer,
    consumer: &StreamConsumer<AssignmentListener>,
) -> Result<(), Failure> {
    let mut stream = consumer.stream();
    let mut commits = tokio::time::interval(COMMIT_INTERVAL);
    let mut committed = None;
    let mut silence = Silence::after(Instant::now());
    let mut lingers_from = Instant::now();
    loop {
        tokio::select! {
            first = stream.next() => {
                let Some(first) = first else { return Ok(()) };
                sleep_until(lingers_from + LINGER).await;
                let (records, bytes) = collect(first, &mut stream, &own.config.projection)?;
                let now = Instant::now();
                silence = Silence::after(now);
                if records.len() < LINGER_RECORDS_MAX {
                    lingers_from = now;
                }
                metrics::records_received(records.len());
                if !records.is_empty() {
                    own.subscribers.hand_over(records, bytes).await;
                }
            }
            _ = commits.tick() => {
                let offsets = offsets(own);
                // A failed commit only causes duplicates after a restart.
                if offsets != committed
                    && let Some(offsets) = &offsets
                    && let Err(error) = consumer.commit(offsets, CommitMode::Async)
                {
                    tracing::debug!(%error, "offsets are not committed");
                }
                committed = offsets;
                let are_ours = |lanes: &_| own.assignment.covers(lanes);
                if let Some(ahead_since) = own.subscribers.ahead_since(are_ours) {
                    let lasts = silence.since(ahead_since).elapsed();
                    if lasts >= own.config.kafka.kafka_silence_max_ms.0 {
                        return Err(Failure::Silent(lasts));
                    }
                }
            }
        }
    }
}

/// How long Kafka has been silent. While nothing is recorded it has nothing to bring: its silence begins
/// when the log is first seen ahead, and ends with the next record.
#[derive(Debug, Clone, Copy)]
struct Silence {
    brought_last: Instant,
    ahead_since: Option<Instant>,
}

impl Silence {
    /// Kafka has just brought something.
    fn after(brought_last: Instant) -> Self {
        Self { brought_last, ahead_since: None }
    }

    /// When the silence began, now that the log is seen ahead since a moment.
    fn since(&mut self, ahead_since: Instant) -> Instant {
        *self.ahead_since.get_or_insert(ahead_since.max(self.brought_last))
    }
}

/// Where Kafka should continue, for the lanes of this instance; `None` if nothing is known.
fn offsets(own: &TopicConsumer) -> Option<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (lane, offset) in own.subscribers.offsets(&own.assignment.lanes()) {
        let (topic, partition) = (&own.config.kafka.topic, i32::from(lane.0));
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset that Kafka gave is one that it takes");
    }
    (list.count() > 0).then_some(list)
}

/// Commits the offsets once more and drops the client. Both block, so not on a thread of the runtime.
async fn close(consumer: StreamConsumer<AssignmentListener>, offsets: Option<TopicPartitionList>) {
    let closing = tokio::task::spawn_blocking(move || {
        if let Some(offsets) = offsets
            && let Err(error) = consumer.commit(&offsets, CommitMode::Sync)
        {
            tracing::debug!(%error, "offsets are not committed");
        }
        drop(consumer);
    });
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the Kafka consumer does not close and is abandoned");
    }
}

/// Collects the first record and those that are ready after it, up to the bounds, and counts their bytes.
/// Only a permanent failure is an error; the client recovers from all others.
fn collect<'a>(
    first: KafkaResult<BorrowedMessage<'a>>,
    stream: &mut MessageStream<'a, AssignmentListener>,
    bounds: &ProjectionConfig,
) -> KafkaResult<(Vec<Arrival>, usize)> {
    let records_max = config::count(bounds.batch_events_max).div_ceil(DELIVERIES_PER_BATCH);
    let bytes_max = config::count(bounds.batch_bytes_max);
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Ok(message) => {
                bytes += message.payload_len();
                records.push(arrival(&message));
            }
            Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(error),
            // The listener has logged it.
            Err(error) => tracing::debug!(%error, "Kafka"),
        }
        if records.len() >= records_max || bytes >= bytes_max {
            break;
        }
        next = stream.next().now_or_never().flatten();
    }
    Ok((records, bytes))
}

/// Decodes one record. What comes from outside is not trusted: a record that is not an event becomes
/// [`Unreadable`], and the runner stops its lane there.
fn arrival(message: &BorrowedMessage<'_>) -> Arrival {
    let (partition, offset) = (message.partition(), message.offset());
    let headers = message.headers().map(Headers::iter);
    let headers =
        headers.into_iter().flatten().filter_map(|header| Some((header.key, header.value?)));
    let event = record::read(partition, message.payload().unwrap_or_default(), headers)
        .map_err(|error| error.to_string())
        .and_then(|event| match event.position.0 {
            1.. => Ok(event),
            _ => Err("positions begin at 1".to_owned()),
        });
    Arrival {
        lane: Lane(u16::try_from(partition).unwrap_or(u16::MAX)),
        next_offset: Some(offset + 1),
        content: event.map(Fact::of).map_err(|error| Unreadable {
            place: format!("partition {partition} offset {offset}"),
            error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_when_the_log_is_first_seen_ahead() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // Two minutes in which nothing was recorded do not count.
        let mut silence = Silence::after(start);
        assert_eq!(silence.since(at(120)), at(120));
        // The log may have been read since, and be ahead again: Kafka is still silent.
        assert_eq!(silence.since(at(130)), at(120));
        // What Kafka brings ends the silence, also for lanes that were behind before.
        let mut silence = Silence::after(at(131));
        assert_eq!(silence.since(at(129)), at(131));
    }
}
