//! Finds out, for lanes just locked, where to go on.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use tokio_util::sync::CancellationToken;

use super::database::{Database, DatabaseError};
use super::partition::{ReadError, read_ends};
use super::resume::{Fork, Log, Partition, resume};

/// Where a lane goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The position to be sent first.
    pub(super) next: Position,
    /// The log's head as it was seen.
    pub(super) head: Position,
    /// The offset after the partition's last record.
    pub(super) high: i64,
    /// The mark as it was found.
    pub(super) mark: Position,
}

/// Why a lane cannot be taken over now.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeOverError {
    #[error("fork: {0}")]
    Fork(#[from] Fork),
    #[error("Kafka: {0}")]
    Partition(#[from] ReadError),
    #[error("the log: {0}")]
    Log(String),
}

impl TakeOverError {
    /// Whether it takes a person; the others pass by themselves.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Fork(_) | Self::Partition(ReadError::Foreign))
    }

    /// When to try again.
    pub(super) fn retry_after(&self) -> Duration {
        if self.is_lasting() { Duration::from_secs(30) } else { Duration::from_secs(1) }
    }
}

/// Where each of these lanes goes on.
pub(super) async fn take_over(
    brokers: String,
    topic: String,
    database: Database,
    lanes: Vec<Lane>,
    stop: CancellationToken,
) -> Vec<(Lane, Result<Start, TakeOverError>)> {
    match facts(brokers, topic, &database, &lanes, stop).await {
        Ok(facts) => {
            facts.into_iter().map(|(lane, facts)| (lane, facts.and_then(Facts::start))).collect()
        }
        Err(error) => lanes
            .into_iter()
            .map(|lane| (lane, Err(TakeOverError::Log(error.to_string()))))
            .collect(),
    }
}

struct Facts {
    mark: Position,
    partition: Partition,
    log: Log,
}

impl Facts {
    fn start(self) -> Result<Start, TakeOverError> {
        Ok(Start {
            next: resume(self.mark, &self.partition, self.log)?,
            head: self.log.head,
            high: self.partition.high,
            mark: self.mark,
        })
    }
}

async fn facts(
    brokers: String,
    topic: String,
    database: &Database,
    lanes: &[Lane],
    stop: CancellationToken,
) -> Result<BTreeMap<Lane, Result<Facts, TakeOverError>>, DatabaseError> {
    // 1. The marks.
    let saved = database.marks().await?;
    let marks: BTreeMap<Lane, Position> =
        lanes.iter().map(|lane| (*lane, saved.get(lane).copied().unwrap_or_default())).collect();
    // 2. What is on Kafka. In a thread of its own: reading blocks, and so does dropping a consumer.
    let asked = marks.clone();
    let ends = tokio::task::spawn_blocking(move || read_ends(&brokers, &topic, &asked, &stop))
        .await
        .expect("reading partitions does not panic, and nobody aborts it");
    // 3. The log, later than Kafka: what is on Kafka must be in it by now.
    let heads = database.heads(lanes).await?;
    let tails: BTreeMap<Lane, Position> = ends
        .iter()
        .filter_map(|(lane, end)| Some((*lane, end.as_ref().ok()?.tail?.position)))
        .collect();
    let chains: BTreeMap<Lane, Chain> = database.chains(&tails).await?;
    Ok(ends
        .into_iter()
        .map(|(lane, end)| {
            let facts = end.map_err(TakeOverError::from).map(|partition| Facts {
                mark: marks.get(&lane).copied().unwrap_or_default(),
                partition,
                log: Log {
                    head: heads.get(&lane).copied().unwrap_or_default(),
                    chain_at_tail: chains.get(&lane).copied(),
                },
            });
            (lane, facts)
        })
        .collect())
}
