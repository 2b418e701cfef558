//! The relay: publishes the log to Kafka, each lane in order to its partition, without a gap.
//!
//! The log is the outbox; there is no second copy. In the order of an event's way: `handoff`
//! brings it into its lane's `inbox` right after its commit, and `polling` finds what was not
//! handed over; `lane` sends it at the common `pace` and keeps a bounded `window` in flight through the
//! `publisher`.
//! Around that: `ownership` says which instance relays a lane, `take_over` finds out where to go
//! on (`resume` decides, purely), `watch` looks after the topic, and `session` holds it all
//! together, with a `roster` of the lanes, until something fails and [`Relay::run`] begins again.
//!
//! Guarantee: at least once, in order. Every run of records in a partition has no gap and starts
//! no later than one after what was visible, so a reader that drops `position ≤ last` sees the log.
//! A second relay on the same lane is harmless. Writes never wait for any of this.

use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::Lane;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::database::Database;
use self::handoff::Inboxes;
use self::meter::State;
use self::ownership::{Ownership, OwnershipError};
use self::publisher::Publisher;
use self::session::{End, Session};
use crate::backoff::Backoff;
use crate::topic::{self, TopicError};

mod handoff;
mod inbox;
mod polling;
mod lane;
mod pace;
mod window;
mod publisher;
mod ownership;
mod take_over;
mod resume;
mod partition;
mod session;
mod roster;
mod watch;
mod database;
mod meter;
pub(crate) mod client;

pub use self::handoff::Handoff;

/// What the relay works with.
#[derive(Clone)]
pub struct RelayConfig {
    /// Kafka's bootstrap servers, `host:port`, separated by commas.
    pub brokers: String,
    /// The topic; it must have one partition for each lane.
    pub topic: String,
    /// The write database, as the service's role; for the one connection that holds the locks. It
    /// must reach Postgres itself, not a pooler that shares sessions out by transaction.
    pub database_url: String,
    /// Every lane of the log.
    pub lanes: Vec<Lane>,
    /// How much, how often and how long.
    pub bounds: Bounds,
}

/// The relay's bounds. Lengths and bytes are for all lanes together, shared out evenly.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Events handed over in memory and not yet sent: 16,384.
    pub handed_len_max: usize,
    /// Their bytes: 32 MiB.
    pub handed_bytes_max: usize,
    /// Records sent and not yet acknowledged: 16,384.
    pub in_flight_len_max: usize,
    /// Their bytes: 32 MiB.
    pub in_flight_bytes_max: usize,
    /// Events read from the log at a time, in one lane: 1,000.
    pub page_len_max: usize,
    /// How long the producer waits for more records to send together, in milliseconds: 0, for lanes
    /// send in rounds already.
    pub linger_ms: f32,
    /// The least time between two looks at the heads of the lanes: 5 ms, while there is news.
    pub poll_min: Duration,
    /// The most: 250 ms, when there is none.
    pub poll_max: Duration,
    /// How often marks that moved are saved: each 200 ms.
    pub mark_interval: Duration,
    /// How long a shutdown waits for acknowledgements: 10 s.
    pub flush_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            handed_len_max: 16_384,
            handed_bytes_max: 32 << 20,
            in_flight_len_max: 16_384,
            in_flight_bytes_max: 32 << 20,
            page_len_max: 1_000,
            linger_ms: 0.0,
            poll_min: Duration::from_millis(5),
            poll_max: Duration::from_millis(250),
            mark_interval: Duration::from_millis(200),
            flush_max: Duration::from_secs(10),
        }
    }
}

/// The relay, to be run.
pub struct Relay {
    config: RelayConfig,
    database: Database,
    inboxes: Arc<Inboxes>,
}

/// A relay, and the hand-off by which the writer feeds it. `pool` serves its reads; two to four
/// connections are enough.
pub fn relay(config: RelayConfig, pool: PgPool) -> (Handoff, Relay) {
    let share = |total: usize| (total / config.lanes.len().max(1)).max(1);
    let inboxes = Arc::new(Inboxes::new(
        &config.lanes,
        share(config.bounds.handed_len_max),
        share(config.bounds.handed_bytes_max),
    ));
    let relay = Relay { config, database: Database::new(pool), inboxes: Arc::clone(&inboxes) };
    (Handoff::new(inboxes), relay)
}

/// Why a session could not begin.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error("Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("the write database: {0}")]
    Database(#[from] OwnershipError),
}

impl Relay {
    /// Relays until `shutdown` is cancelled. Whatever fails, it says so and begins again.
    pub async fn run(self, shutdown: CancellationToken) {
        meter::describe();
        let patient = || Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
        let mut backoff = patient();
        loop {
            let begun = Instant::now();
            let Some(began) = shutdown.run_until_cancelled(self.begin()).await else {
                break;
            };
            match began {
                Ok(session) => {
                    meter::state(State::Running);
                    match session.run(&shutdown).await {
                        End::Shutdown => break,
                        end => tracing::error!(error = %end, "relay stopped, beginning again"),
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "relay cannot begin, trying again; writes do not wait for it")
                }
            }
            meter::state(State::Waiting);
            if begun.elapsed() > Duration::from_secs(30) {
                backoff = patient();
            }
            if shutdown.run_until_cancelled(backoff.wait()).await.is_none() {
                break;
            }
        }
        meter::state(State::Stopped);
    }

    async fn begin(&self) -> Result<Session<'_>, BeginError> {
        // 1. The topic must be ours to write: a wrong one is worse than a late one.
        let config = &self.config;
        topic::check(&config.brokers, &config.topic, config.lanes.len()).await?;
        // 2. The connection that holds the locks, and the producer: last, as dropping one blocks.
        let ownership = Ownership::connect(&config.database_url).await?;
        let publisher = Publisher::connect(config)?;
        Ok(Session::new(
            config,
            self.database.clone(),
            Arc::clone(&self.inboxes),
            ownership,
            publisher,
        ))
    }
}
