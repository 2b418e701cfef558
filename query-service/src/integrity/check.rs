//! Checks everything, or one item, while a caller waits.
//!
//! Only the chain from the first event of a lane proves an event, so even one item takes a scan of its
//! whole lane. A scan that is not finished in the time of a request fails; the check in the
//! [`background`](super::background) has no such limit.

use std::sync::Arc;

use shared_events::lane::{Lane, LaneMap, Position, PositionToken};
use shared_events::values::Sku;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::DatabaseConfig;
use crate::database;
use crate::integrity::agreement::Views;
use crate::integrity::allocations;
use crate::integrity::difference::Difference;
use crate::integrity::scan::{Halt, Pace, Scan};
use crate::integrity::verification::{Scope, Verification};
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::projection::ProjectionVersion;

/// Lanes that a check scans at once, each on its own connection.
const LANES_AT_ONCE: usize = 4;

/// Events in one page.
const PAGE_EVENTS: u32 = 2_000;

/// Compares one version of the projection `stock` with the log.
#[derive(Debug, Clone)]
pub struct Checker {
    pub database: DatabaseConfig,
    pub log: LogClient,
    pub stop: CancellationToken,
    /// One for each check of a caller.
    pub permits: Arc<Semaphore>,
}

/// The versions of the projections that are compared: `stock` with the log, the others with it.
#[derive(Debug, Clone)]
pub struct Subject {
    pub of: ProjectionVersion,
    pub views: Views,
    pub lane_map: LaneMap,
    pub progress: Arc<Progress>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number of events compared.
    pub checked: u64,
    /// How many of them are redacted.
    pub redacted: u64,
    /// The position at which each lane was compared.
    pub position: PositionToken,
    /// The first difference, in the order of the lanes.
    pub first_difference: Option<Difference>,
    /// The skipped events that the views do not show.
    pub passed_over: Vec<(Lane, Position)>,
}

/// Why a check has no result.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("other checks are running")]
    Busy,
    #[error("only {checked} events could be checked in time, without a difference")]
    Unfinished { checked: u64 },
    #[error("{0}")]
    Failed(Halt),
}

/// The scan of one lane, and how it ended.
type LaneResult = (Scan, Result<(), Halt>);

impl Checker {
    /// Checks every lane, every row, and what spans lanes.
    pub async fn check_all(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Report, CheckError> {
        let _permit = self.permit()?;
        let mut waiting = subject.lane_map.lanes();
        waiting.reverse();
        let mut running = JoinSet::new();
        let mut results = Vec::new();
        loop {
            while running.len() < LANES_AT_ONCE
                && let Some(lane) = waiting.pop()
            {
                let (checker, subject) = (self.clone(), subject.clone());
                running.spawn(async move {
                    checker.check_lane(&subject, lane, Scope::Lane, deadline).await
                });
            }
            match running.join_next().await {
                Some(Ok(result)) => results.push(result.map_err(CheckError::Failed)?),
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                None => break,
            }
        }
        results.sort_unstable_by_key(|(scan, _)| scan.lane);
        self.report(subject, results, None).await
    }

    /// Checks one item and its stock at all locations.
    pub async fn check_sku(
        &self,
        subject: &Subject,
        sku: &Sku,
        deadline: Instant,
    ) -> Result<Report, CheckError> {
        let _permit = self.permit()?;
        let lane = subject.lane_map.lane_of_item(sku);
        let result = self.check_lane(subject, lane, Scope::Sku(sku.clone()), deadline).await;
        self.report(subject, vec![result.map_err(CheckError::Failed)?], Some(sku)).await
    }

    fn permit(&self) -> Result<SemaphorePermit<'_>, CheckError> {
        self.permits.try_acquire().map_err(|_| CheckError::Busy)
    }

    /// A connection for scans only: a dropped scan leaves nothing open in a pool.
    pub async fn connect(&self, of: ProjectionVersion) -> sqlx::Result<PgConnection> {
        database::check_options(&self.database, of).connect().await
    }

    /// A scan in front of the first event of a lane.
    pub async fn scan(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
        (lane, scope): (Lane, Scope),
        pace: Pace,
        wanted: usize,
    ) -> sqlx::Result<Scan> {
        let skipped: Vec<i64> = sqlx::query_scalar(include_str!("../../queries/list_skips.sql"))
            .bind(subject.of.name())
            .bind(subject.of.version())
            .bind(i16::from(lane))
            .fetch_all(connection)
            .await?;
        let skipped = skipped.into_iter().map(Position);
        let verification = Verification::new(lane, subject.lane_map.clone(), scope, skipped);
        let (of, log) = (subject.of, self.log.clone());
        Ok(Scan { lane, of, log, pace, wanted, verification, differences: Vec::new() })
    }

    /// Compares the other views with `stock`, in these lanes, and what spans lanes.
    pub async fn compare_views(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
        lanes: impl IntoIterator<Item = Lane>,
        sku: Option<&str>,
    ) -> Result<Option<Difference>, Halt> {
        for lane in lanes {
            if let Some(difference) =
                subject.views.compare(connection, subject.of, lane, sku).await?
            {
                return Ok(Some(difference));
            }
        }
        allocations::compare(connection, &self.log, &subject.progress, sku).await
    }

    async fn check_lane(
        &self,
        subject: &Subject,
        lane: Lane,
        scope: Scope,
        deadline: Instant,
    ) -> Result<LaneResult, Halt> {
        let pace = Pace {
            page: PAGE_EVENTS,
            per_second: None,
            deadline: Some(deadline),
            stop: self.stop.clone(),
        };
        let mut connection = self.connect(subject.of).await?;
        let mut scan = self.scan(&mut connection, subject, (lane, scope), pace, 1).await?;
        let end = scan.run(&mut connection).await;
        Ok((scan, end))
    }

    async fn report(
        &self,
        subject: &Subject,
        results: Vec<LaneResult>,
        sku: Option<&Sku>,
    ) -> Result<Report, CheckError> {
        let verifications = || results.iter().map(|(scan, _)| (scan.lane, &scan.verification));
        let lanes: Vec<Lane> = verifications().map(|(lane, _)| lane).collect();
        let mut report = Report {
            checked: verifications().map(|(_, one)| one.checked()).sum(),
            redacted: verifications().map(|(_, one)| one.redacted()).sum(),
            position: verifications().map(|(lane, one)| (lane, one.position())).collect(),
            first_difference: None,
            passed_over: Vec::new(),
        };
        for (mut scan, end) in results {
            match end {
                Ok(()) | Err(Halt::Enough) => {}
                // A difference is valid even if another lane was not finished.
                Err(_) if report.first_difference.is_some() => {}
                Err(Halt::TimeUp) => {
                    return Err(CheckError::Unfinished { checked: report.checked });
                }
                Err(halt) => return Err(CheckError::Failed(halt)),
            }
            report.first_difference = report.first_difference.or_else(|| scan.differences.pop());
            let passed_over = scan.verification.passed_over();
            report.passed_over.extend(passed_over.map(|position| (scan.lane, position)));
        }
        // Where events were skipped, the views need not agree.
        if report.first_difference.is_none() && report.passed_over.is_empty() {
            let compared = async {
                let mut connection = self.connect(subject.of).await?;
                let sku = sku.map(Sku::as_str);
                self.compare_views(&mut connection, subject, lanes, sku).await
            };
            report.first_difference = compared.await.map_err(CheckError::Failed)?;
        }
        Ok(report)
    }
}
