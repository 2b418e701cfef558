//! Fills a version from the log's endpoints: several lanes at once, reading the next page while one is
//! written.
//!
//! Each page moves the checkpoint of its lane in the transaction that writes its rows, so a fill may be
//! killed, started again, or run next to a service that follows the version already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use service_edge::retry::Backoff;
use shared_events::lane::{Lane, LaneMap, Position};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::database;
use crate::pipeline::apply::{self, ApplyError};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::{Arrival, Page};
use crate::pipeline::log_client::LogClient;
use crate::pipeline::memory::Memory;
use crate::pipeline::plan::{Arrivals, Stop, plan};
use crate::pipeline::progress::Positions;
use crate::projection::ProjectionVersion;
use crate::rebuild::RebuildParts;
use crate::skip::skip_event;

/// How often progress is reported to the operator.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How long one transaction may take.
const APPLY_MAX: Duration = Duration::from_secs(120);

/// How long the log or the database may be unavailable before the fill gives up.
const UNAVAILABLE_MAX: Duration = Duration::from_secs(60);

/// The longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Fills one version.
#[derive(Clone)]
pub(super) struct Filler(Arc<Parts>);

struct Parts {
    of: ProjectionVersion,
    log: LogClient,
    pool: PgPool,
    lane_map: LaneMap,
    lanes_at_once: usize,
    /// Nobody reads while a version is filled.
    memory: Arc<Memory>,
    applied: AtomicI64,
}

impl Filler {
    pub(super) fn new(
        parts: &RebuildParts,
        of: ProjectionVersion,
        lane_map: LaneMap,
    ) -> anyhow::Result<Self> {
        let lanes_at_once = config::count(parts.log.log_requests_max);
        Ok(Self(Arc::new(Parts {
            of,
            log: LogClient::new(&parts.log)?,
            pool: database::fill_pool(&parts.migrate_database_url, of, lanes_at_once),
            lane_map,
            lanes_at_once,
            memory: Arc::default(),
            applied: AtomicI64::new(0),
        })))
    }

    pub(super) fn of(&self) -> ProjectionVersion {
        self.0.of
    }

    /// Applies everything recorded by now, and reports the speed.
    pub(super) async fn fill_to_heads(&self, notes: &mut PgConnection) -> anyhow::Result<()> {
        let heads = self.0.log.heads().await.context("the log does not answer (COMMAND_URL)")?;
        let heads: Positions =
            heads.lanes.into_iter().map(|(lane, head)| (lane, head.position)).collect();
        let at = self.positions().await?;
        let before: i64 = at.values().map(|position| position.0).sum();
        let all: i64 = heads.values().map(|position| position.0).sum();
        let started = Instant::now();
        self.0.applied.store(0, Ordering::Relaxed);
        let report = || {
            let applied = self.0.applied.load(Ordering::Relaxed);
            let rate = applied as f64 / started.elapsed().as_secs_f64().max(0.001);
            let schema = self.0.of.schema();
            tracing::info!("{schema}: {} of {all} events, {rate:.0} events/s", before + applied);
        };
        let filling = self.fill(&heads, notes);
        tokio::pin!(filling);
        let mut ticks = tokio::time::interval(REPORT_INTERVAL);
        ticks.tick().await;
        loop {
            tokio::select! {
                filled = &mut filling => {
                    filled?;
                    report();
                    return Ok(());
                }
                _ = ticks.tick() => report(),
            }
        }
    }

    /// Applies every lane up to at least these positions, except for lanes that stop at an event.
    pub(super) async fn fill(
        &self,
        to: &Positions,
        notes: &mut PgConnection,
    ) -> anyhow::Result<()> {
        let at = apply::load_checkpoints(&self.0.pool, self.0.of).await?;
        let permits = Arc::new(Semaphore::new(self.0.lanes_at_once));
        let mut lanes = JoinSet::new();
        for (lane, to) in to {
            let Some(at) = at.get(lane) else {
                bail!("the log has lane {lane}, but the read database was created without it");
            };
            if at.position < *to {
                let (filler, permits) = (self.clone(), Arc::clone(&permits));
                let (lane, at, to) = (*lane, *at, *to);
                lanes.spawn(async move {
                    let _permit = permits.acquire().await?;
                    filler.fill_lane(lane, at, to).await
                });
            }
        }
        let mut stops = Vec::new();
        while let Some(filled) = lanes.join_next().await {
            stops.extend(filled.context("a lane could not be filled")??);
        }
        for stopped in stops {
            self.skip_or_report(stopped, to, notes).await?;
        }
        Ok(())
    }

    /// The last applied position of every lane.
    pub(super) async fn positions(&self) -> sqlx::Result<Positions> {
        let at = apply::load_checkpoints(&self.0.pool, self.0.of).await?;
        Ok(at.into_iter().map(|(lane, at)| (lane, at.position)).collect())
    }

    /// Applies page after page, up to a position or to an event that cannot be applied.
    async fn fill_lane(
        &self,
        lane: Lane,
        mut at: Checkpoint,
        to: Position,
    ) -> anyhow::Result<Option<Stopped>> {
        let mut retry = Retry::default();
        let mut page = self.page_after(lane, at.position, &mut retry).await?;
        while at.position < to {
            if page.after != at.position {
                page = self.page_after(lane, at.position, &mut retry).await?;
            }
            let Some(last) = page.events.iter().rev().find_map(|event| event.position()) else {
                bail!("lane {lane} ends at {}, but its head was {to}", at.position);
            };
            let next = async {
                if last < to { self.0.log.events_after(lane, last).await.ok() } else { None }
            };
            let (applied, next) = tokio::join!(self.apply(lane, at, page.events, &mut retry), next);
            match applied? {
                Applied::To(reached) => at = reached,
                Applied::Stopped(stop) => return Ok(Some(Stopped { lane, at, stop })),
            }
            page = next.unwrap_or(Page { lane, after: Position(-1), events: Vec::new() });
        }
        Ok(None)
    }

    async fn page_after(
        &self,
        lane: Lane,
        after: Position,
        retry: &mut Retry,
    ) -> anyhow::Result<Page> {
        loop {
            match self.0.log.events_after(lane, after).await {
                Ok(page) => return Ok(page),
                Err(error) => retry.wait(error.to_string()).await?,
            }
        }
    }

    /// Applies a page, or as much of it as the database accepts.
    async fn apply(
        &self,
        lane: Lane,
        at: Checkpoint,
        mut events: Vec<Arc<Arrival>>,
        retry: &mut Retry,
    ) -> anyhow::Result<Applied> {
        loop {
            let count = events.len();
            let arrivals = Arrivals::from([(lane, events)]);
            let checkpoints = BTreeMap::from([(lane, at)]);
            let mut plan = plan(self.0.of.projection(), &checkpoints, &self.0.lane_map, &arrivals);
            let Some(advance) = plan.advances.pop() else {
                return match plan.stops.remove(&lane) {
                    Some(stop) => Ok(Applied::Stopped(stop)),
                    None => bail!("lane {lane} has a gap after {}", at.position),
                };
            };
            let after = advance.after;
            let pool = &self.0.pool;
            let outcome = apply::apply(
                pool,
                self.0.of,
                &self.0.memory,
                vec![advance],
                plan.changes,
                APPLY_MAX,
            )
            .await;
            match outcome {
                Ok(()) => {
                    self.0.applied.fetch_add(after.position.0 - at.position.0, Ordering::Relaxed);
                    *retry = Retry::default();
                    return Ok(Applied::To(after));
                }
                Err(ApplyError::Refused(error)) if count == 1 => {
                    let event = arrivals[&lane][0].name();
                    return Ok(Applied::Stopped(Stop { event, error }));
                }
                Err(ApplyError::Refused(_)) => {}
                Err(moved_or_unavailable) => {
                    if let ApplyError::Unavailable(error) = moved_or_unavailable {
                        retry.wait(error).await?;
                    }
                    let stored = apply::load_checkpoints(pool, self.0.of).await?;
                    let stored = stored.get(&lane).context("the version was dropped")?;
                    return Ok(Applied::To(*stored));
                }
            }
            // Halves a refused page until the one event is found.
            events = arrivals.into_values().flatten().collect();
            events.truncate(count / 2);
        }
    }

    /// Skips an event that an operator had skipped before. At any other event the lane stays stopped,
    /// as it is in the version that answers.
    async fn skip_or_report(
        &self,
        stopped: Stopped,
        to: &Positions,
        notes: &mut PgConnection,
    ) -> anyhow::Result<()> {
        let Stopped { lane, at, stop } = stopped;
        apply::save_stop(&self.0.pool, self.0.of, lane, at.position, &stop).await?;
        let reason: Option<String> =
            sqlx::query_scalar(include_str!("../../queries/find_skipped.sql"))
                .bind(self.0.of.name())
                .bind(i16::from(lane))
                .bind(at.position.next().0)
                .fetch_optional(&mut *notes)
                .await?;
        let Some(reason) = reason else {
            tracing::warn!("lane {lane} stops at {}: {}", stop.event, stop.error);
            return Ok(());
        };
        let page = self.0.log.events_after(lane, at.position).await?;
        let first = page.events.first().map(|arrival| &arrival.content);
        let Some(Ok(fact)) = first else {
            bail!("the log has no readable event after {} in lane {lane}", at.position);
        };
        skip_event(notes, self.0.of, &fact.recorded, &reason).await?;
        tracing::warn!("{} is skipped here too", fact.recorded.id());
        Box::pin(self.fill(to, notes)).await
    }
}

/// A lane that cannot apply its next event.
struct Stopped {
    lane: Lane,
    at: Checkpoint,
    stop: Stop,
}

enum Applied {
    To(Checkpoint),
    Stopped(Stop),
}

/// Retries while the log or the database is unavailable, for a bounded time.
struct Retry {
    backoff: Backoff,
    until: Instant,
}

impl Default for Retry {
    fn default() -> Self {
        let until = Instant::now() + UNAVAILABLE_MAX;
        Self { backoff: Backoff::up_to(RETRY_PAUSE_MAX), until }
    }
}

impl Retry {
    async fn wait(&mut self, error: String) -> anyhow::Result<()> {
        if Instant::now() > self.until {
            let seconds = UNAVAILABLE_MAX.as_secs();
            bail!("gave up after {seconds} s: {error}; start the rebuild again to continue");
        }
        tracing::warn!(error, "trying again");
        // Only the end of the process stops it.
        let _ = self.backoff.pause(&CancellationToken::new()).await;
        Ok(())
    }
}
