//! The relay: publishes the log to Kafka, each lane in order to its partition, without a gap.
//!
//! The log is the outbox. In the order in which an event passes them:
//!
//! - `relay_inbox` takes events from the writer right after their commit; `polling` finds all others.
//! - `lane` sends the events of a lane, in the rounds of the `pacer`, with a bounded `window` in flight
//!   at the `publisher`.
//! - `ownership` holds the lock of each lane that is relayed here, `lane_registry` the state of each.
//! - `take_over` determines where a lane continues; `resume` decides that, from the log and the end of
//!   the `partition`.
//! - `status` says how far each lane is.
//! - `remake` makes the topic again, for an operator.
//! - `topic_monitor` checks the topic; `session` runs all of this until something fails, and then
//!   [`Relay::run`] starts another one.
//!
//! Guarantee: at least once, in order. Every run of records in a partition has no gap and starts no
//! later than one after what was visible, so a reader that drops `position ≤ last` sees the log. A
//! second relay on the same lane does no harm. Writes never wait for the relay.

use std::sync::Arc;
use std::time::Duration;

use service_edge::kafka::Brokers;
use service_edge::outage::Outage;
use service_edge::retry::Backoff;
use shared_events::lane::Lane;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::database::Database;
use self::metrics::State;
use self::ownership::{Ownership, OwnershipError};
use self::publisher::Publisher;
use self::session::{End, Session};
pub use self::status::RelayStatus;
pub(crate) use self::status::RelayedLane;
use crate::config::DatabaseUrl;
use crate::relay_inbox::{Inboxes, RelaySender};
use crate::topic::{self, TopicError};

mod polling;
mod lane;
mod pacer;
mod window;
mod publisher;
mod ownership;
mod lane_registry;
mod take_over;
pub(crate) mod resume;
mod partition;
mod topic_monitor;
mod session;
mod status;
mod database;
mod metrics;
pub mod remake;

/// How long a shutdown waits for acknowledgements.
pub const FLUSH_MAX: Duration = Duration::from_secs(10);

/// Events handed over in memory and not yet sent, for all lanes together.
const HANDED_LEN_MAX: usize = 16_384;
const HANDED_BYTES_MAX: usize = 32 << 20;

/// Records sent and not yet acknowledged, for all lanes together.
const IN_FLIGHT_LEN_MAX: usize = 16_384;
const IN_FLIGHT_BYTES_MAX: usize = 32 << 20;

#[derive(Clone)]
pub struct RelayConfig {
    pub brokers: Brokers,
    /// The topic; it must have one partition for each lane.
    pub topic: String,
    /// The write database, as the service's role, for the connection that holds the locks. It must reach
    /// Postgres itself, not a pooler that shares sessions.
    pub database: DatabaseUrl,
    /// Every lane of the log.
    pub lanes: Vec<Lane>,
}

impl RelayConfig {
    /// The share of one lane in a limit of all lanes.
    fn share(&self, total: usize) -> usize {
        (total / self.lanes.len().max(1)).max(1)
    }
}

/// A relay that does not run yet.
pub struct Relay {
    config: RelayConfig,
    database: Database,
    inboxes: Arc<Inboxes>,
    status: RelayStatus,
}

/// Creates a relay, and the sender with which the writer feeds it. `pool` serves its reads; two to four
/// connections are enough. `status` shows how far it is.
pub fn relay(config: RelayConfig, pool: PgPool, status: RelayStatus) -> (RelaySender, Relay) {
    let (len_max, bytes_max) = (config.share(HANDED_LEN_MAX), config.share(HANDED_BYTES_MAX));
    let inboxes = Arc::new(Inboxes::new(&config.lanes, len_max, bytes_max));
    let database = Database::new(pool);
    let relay = Relay { config, database, inboxes: Arc::clone(&inboxes), status };
    (RelaySender::new(inboxes), relay)
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
    /// Relays until `shutdown` is cancelled. After a failure it starts again.
    pub async fn run(self, shutdown: CancellationToken) {
        metrics::describe();
        let patient = || Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
        let mut backoff = patient();
        let outage = Outage::none();
        loop {
            let begun = Instant::now();
            let Some(began) = shutdown.run_until_cancelled(self.begin()).await else {
                break;
            };
            match began {
                Ok(session) => {
                    metrics::state(State::Running);
                    if outage.is_over() {
                        tracing::info!("the relay has started again");
                    }
                    match session.run(&shutdown).await {
                        End::Shutdown => break,
                        end => tracing::error!(error = %end, "the relay failed, starting again"),
                    }
                }
                Err(error) => {
                    if let Some(failures) = outage.failed() {
                        tracing::error!(%error, failures, "the relay cannot start, trying again; writes do not wait for it");
                    }
                }
            }
            metrics::state(State::Waiting);
            if begun.elapsed() > Duration::from_secs(30) {
                backoff = patient();
            }
            if shutdown.run_until_cancelled(backoff.wait()).await.is_none() {
                break;
            }
        }
        metrics::state(State::Stopped);
    }

    async fn begin(&self) -> Result<Session<'_>, BeginError> {
        // 1. Check the topic: writing to a wrong one is worse than waiting.
        let config = &self.config;
        topic::check(&config.brokers, &config.topic, config.lanes.len()).await?;
        // 2. Connect for the locks, then create the producer, which blocks when it is dropped.
        let ownership = Ownership::connect(&config.database).await?;
        let publisher = Publisher::connect(config)?;
        Ok(Session::new(
            config,
            self.database.clone(),
            Arc::clone(&self.inboxes),
            ownership,
            publisher,
            self.status.clone(),
        ))
    }
}
