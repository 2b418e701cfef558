//! The way in: what Kafka brings, and what the log's own endpoints say that Kafka did not.
//!
//! At least once, in order per lane, is what Kafka gives; exactly once is what the projection's
//! checkpoints make of it. So offsets are committed late and only as a hint, no rebalance needs a
//! seek, and the client can be thrown away and made anew at any moment.

pub mod assign;
pub mod receive;
pub mod decode;
pub mod gap;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Stopping};
use crate::config::KafkaConfig;
use crate::consumer::assign::{Assignment, Context};
use crate::consumer::receive::Bounds;
use crate::metrics;
use crate::projection::ProjectionVersion;
use crate::projection::delivery::Delivery;
use crate::projection::follow::Feedback;

/// How often offsets are committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Records that are as many as a transaction is worth: behind them, nothing has to gather.
const CROWD: usize = 1_000;

/// The longest pause before the client is made anew.
const REBUILD_BACKOFF: Duration = Duration::from_secs(5);

/// How long closing the client may take; it waits for brokers that may be gone.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What [`run`] works with.
pub struct Tools {
    /// The projection that is fed.
    pub projection: ProjectionVersion,
    /// Brokers, topic and group.
    pub settings: KafkaConfig,
    /// Bounds of one hand-over.
    pub bounds: Bounds,
    /// Where records are handed over; it holds few batches, so that memory stays bounded.
    pub inbox: mpsc::Sender<Delivery>,
    /// What the projection says back.
    pub feedback: Arc<Feedback>,
    /// Which lanes Kafka has given to this instance, for others to see.
    pub assignment: Arc<Assignment>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Consumes until told to stop; a client that failed for good, or went silent, is made anew.
pub async fn run(tools: Tools) {
    let mut backoff = Backoff::up_to(REBUILD_BACKOFF);
    loop {
        match consume(&tools).await {
            Ok(()) => return,
            Err(reason) => {
                let projection = tools.projection.schema();
                tracing::warn!(%reason, projection, "the Kafka consumer is made anew");
                metrics::consumer_rebuilt(tools.projection);
            }
        }
        tools.assignment.clear();
        if backoff.pause(&tools.stop).await == Err(Stopping) {
            return;
        }
    }
}

/// Why a client has to be made anew.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("the log went on, but Kafka brought nothing for {} s", .0.as_secs())]
    Silent(Duration),
}

/// One client's life; it ends well only when told to stop.
async fn consume(tools: &Tools) -> Result<(), Failure> {
    let context =
        Context { projection: tools.projection, assignment: Arc::clone(&tools.assignment) };
    let consumer: StreamConsumer<Context> =
        assign::client_config(&tools.settings, tools.projection).create_with_context(context)?;
    consumer.subscribe(&[&tools.settings.topic])?;
    let outcome = tools.stop.run_until_cancelled(pump(tools, &consumer)).await.unwrap_or(Ok(()));
    close(consumer, offsets(tools)).await;
    outcome
}

/// Hands records over, commits the projection's offsets, and watches that Kafka is not silent.
async fn pump(tools: &Tools, consumer: &StreamConsumer<Context>) -> Result<(), Failure> {
    let mut stream = consumer.stream();
    let mut commits = tokio::time::interval(COMMIT_INTERVAL);
    let mut applied = tools.feedback.offsets.subscribe();
    let mut stalled = tools.feedback.stalled.subscribe();
    let mut brought_last = Instant::now();
    let mut gathers_from = Instant::now();
    loop {
        tokio::select! {
            first = stream.next() => {
                let Some(first) = first else { return Ok(()) };
                sleep_until(gathers_from + tools.projection.projection().gather()).await;
                let records = receive::collect(first, &mut stream, tools.bounds)?;
                brought_last = Instant::now();
                if records.len() < CROWD {
                    gathers_from = brought_last;
                }
                metrics::records_received(tools.projection, records.len());
                if !records.is_empty() && tools.inbox.send(Delivery::Records(records)).await.is_err() {
                    return Ok(());
                }
            }
            _ = commits.tick() => {
                let is_news = applied.has_changed().unwrap_or(false);
                applied.mark_unchanged();
                // A failure costs nothing but duplicates after a start.
                if is_news
                    && let Some(offsets) = offsets(tools)
                    && let Err(error) = consumer.commit(&offsets, CommitMode::Async)
                {
                    tracing::debug!(%error, "offsets are not committed");
                }
            }
            changed = stalled.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let silence = brought_last.elapsed();
                let is_ours = tools.assignment.covers(&stalled.borrow_and_update());
                if is_ours && silence >= tools.settings.kafka_silence_max_ms.0 {
                    return Err(Failure::Silent(silence));
                }
            }
        }
    }
}

/// Where Kafka should go on, for the lanes this instance has; none if there is nothing to tell.
fn offsets(tools: &Tools) -> Option<TopicPartitionList> {
    let assigned = tools.assignment.lanes();
    let mut list = TopicPartitionList::new();
    for (lane, offset) in tools.feedback.offsets.borrow().iter() {
        if assigned.contains(lane) {
            let (topic, partition) = (&tools.settings.topic, i32::from(lane.0));
            list.add_partition_offset(topic, partition, Offset::Offset(*offset))
                .expect("an offset that Kafka gave is one that it takes");
        }
    }
    (list.count() > 0).then_some(list)
}

/// Commits the offsets once more and drops the client, away from the runtime's threads: both block.
async fn close(consumer: StreamConsumer<Context>, offsets: Option<TopicPartitionList>) {
    let closing = tokio::task::spawn_blocking(move || {
        if let Some(offsets) = offsets
            && let Err(error) = consumer.commit(&offsets, CommitMode::Sync)
        {
            tracing::debug!(%error, "offsets are not committed");
        }
        drop(consumer);
    });
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the Kafka consumer does not close, it is left to itself");
    }
}
