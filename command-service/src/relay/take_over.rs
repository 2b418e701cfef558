//! Determines where newly locked lanes continue.

use std::collections::BTreeMap;
use std::time::Duration;

use service_edge::kafka::Brokers;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use tokio_util::sync::CancellationToken;

use super::database::{Database, DatabaseError};
use super::partition::{ReadError, read_ends};
use super::resume::{Fork, Log, Partition, resume};

/// Where a lane continues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// The first position to send.
    pub(crate) next: Position,
    /// The chain of the log before it.
    pub(crate) chain: Chain,
    /// The last position of the log.
    pub(crate) head: Position,
    /// The offset after the last record of the partition.
    pub(crate) high: i64,
    pub(crate) mark: Position,
}

/// Why a lane cannot be taken over now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeOverError {
    #[error("fork: {0}")]
    Fork(#[from] Fork),
    #[error("Kafka: {0}")]
    Partition(#[from] ReadError),
    #[error("the log: {0}")]
    Log(String),
}

impl TakeOverError {
    /// Whether a person has to act; the other errors pass by themselves.
    pub(crate) fn needs_a_person(&self) -> bool {
        matches!(self, Self::Fork(_) | Self::Partition(ReadError::Foreign))
    }

    pub(crate) fn retry_after(&self) -> Duration {
        if self.needs_a_person() { Duration::from_secs(30) } else { Duration::from_secs(1) }
    }
}

/// Determines where each of these lanes continues.
pub(crate) async fn take_over(
    brokers: Brokers,
    topic: String,
    database: Database,
    lanes: Vec<Lane>,
    stop: CancellationToken,
) -> Vec<(Lane, Result<Start, TakeOverError>)> {
    starts(brokers, topic, &database, &lanes, stop).await.unwrap_or_else(|error| {
        let failed = |lane| (lane, Err(TakeOverError::Log(error.to_string())));
        lanes.into_iter().map(failed).collect()
    })
}

async fn starts(
    brokers: Brokers,
    topic: String,
    database: &Database,
    lanes: &[Lane],
    stop: CancellationToken,
) -> Result<Vec<(Lane, Result<Start, TakeOverError>)>, DatabaseError> {
    // 1. The marks.
    let saved = database.marks().await?;
    let marks: BTreeMap<Lane, Position> =
        lanes.iter().map(|lane| (*lane, saved.get(lane).copied().unwrap_or_default())).collect();
    // 2. What Kafka has. On a blocking thread: reading blocks, and so does dropping a consumer.
    let asked = marks.clone();
    let ends = tokio::task::spawn_blocking(move || read_ends(&brokers, &topic, &asked, &stop))
        .await
        .expect("reading partitions does not panic, and nothing aborts it");
    // 3. The log, after Kafka: it must have what Kafka has.
    let heads = database.heads(lanes).await?;
    let tails: BTreeMap<Lane, Position> = ends
        .iter()
        .filter_map(|(lane, end)| Some((*lane, end.as_ref().ok()?.tail?.position)))
        .collect();
    let chains: BTreeMap<Lane, Chain> = database.chains(&tails).await?;
    let head = |lane: &Lane| heads.get(lane).copied().unwrap_or_default();
    let next = |lane: &Lane, partition: Result<_, ReadError>| -> Result<_, TakeOverError> {
        let partition: Partition = partition?;
        let log = Log { head: head(lane), chain_at_tail: chains.get(lane).copied() };
        Ok((resume(marks[lane], &partition, log)?, partition.high))
    };
    let next: Vec<(Lane, _)> =
        ends.into_iter().map(|(lane, end)| (lane, next(&lane, end))).collect();
    // 4. What the first record has to follow.
    let before = next.iter().filter_map(|(lane, next)| {
        let (next, _) = next.as_ref().ok()?;
        (next.0 > 1).then_some((*lane, Position(next.0 - 1)))
    });
    let before = database.chains(&before.collect()).await?;
    let start = |lane: Lane, (next, high): (Position, i64)| {
        let chain = match before.get(&lane) {
            Some(chain) => *chain,
            None if next == Position(1) => Chain::default(),
            None => return Err(TakeOverError::Log(format!("it has nothing before {next}"))),
        };
        Ok(Start { next, chain, head: head(&lane), high, mark: marks[&lane] })
    };
    let start =
        |(lane, next): (Lane, Result<_, _>)| (lane, next.and_then(|next| start(lane, next)));
    Ok(next.into_iter().map(start).collect())
}
