//! A check of everything, or of one item, while somebody waits.
//!
//! All lanes: a few at a time, each on a connection of its own. One item: its lane, from the first
//! event on, since only the links back to there prove an event; what belongs to other items is passed
//! over but for its link. A lane that cannot be walked in the time that a request has makes the check
//! fail and say how far it came: the check that runs all the time ([`super::watch`]) has no such bound.

use std::sync::Arc;

use shared_events::lane::{Lane, LaneMap, Position, PositionToken};
use shared_events::values::Sku;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::DatabaseConfig;
use crate::database;
use crate::integrity::findings::Findings;
use crate::integrity::proof::difference::Difference;
use crate::integrity::proof::{LaneProof, Scope};
use crate::integrity::walk::{Halt, Pace, Walk};
use crate::integrity::{promises, read};
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::projection::ProjectionVersion;

/// Checks that may run at once; a check takes a good part of the machine.
const CHECKS_MAX: usize = 2;

/// Lanes that a check walks at once.
const LANES_AT_ONCE: usize = 4;

/// Events that one request to the log asks for.
const PAGE_EVENTS: u32 = 2_000;

/// Checks whether the views of one version of `stock` are what the log says.
#[derive(Debug, Clone)]
pub struct Inspector {
    database: DatabaseConfig,
    log: LogClient,
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

/// What is compared with the log.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The version of the projection `stock`.
    pub of: ProjectionVersion,
    /// Which lane each stream belongs to.
    pub lane_map: LaneMap,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many events were looked at.
    pub checked: u64,
    /// The position at which each lane was compared.
    pub position: PositionToken,
    /// The first difference, in the order of the lanes.
    pub first_difference: Option<Difference>,
    /// The events that were passed over because they were skipped.
    pub passed_over: Vec<(Lane, Position)>,
}

/// Why a check came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// As many checks run as this instance takes.
    #[error("other checks are running")]
    Busy,
    /// The time was up.
    #[error("{checked} events were checked in the time there is, and that is not all of them")]
    Unfinished {
        /// How many events were looked at without a difference.
        checked: u64,
    },
    /// The log or the read database does not answer, or the views were set back meanwhile.
    #[error("{0}")]
    Failed(Halt),
}

/// One lane's part of a check.
struct LaneReport {
    lane: Lane,
    proof: LaneProof,
    difference: Option<Difference>,
    end: Result<(), Halt>,
}

impl Inspector {
    /// An inspector that checks nothing yet.
    pub fn new(database: DatabaseConfig, log: LogClient, stop: CancellationToken) -> Self {
        Self { database, log, stop, places: Arc::new(Semaphore::new(CHECKS_MAX)) }
    }

    /// Checks every lane, every row, and what spans lanes.
    ///
    /// # Errors
    /// The check could not be made, or not to its end.
    pub async fn check_all(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Report, CheckError> {
        let _place = self.place()?;
        let mut waiting: Vec<Lane> = subject.lane_map.slots().to_vec();
        waiting.sort_unstable_by(|one, other| other.cmp(one));
        waiting.dedup();
        let mut walking = JoinSet::new();
        let mut reports = Vec::new();
        loop {
            while walking.len() < LANES_AT_ONCE
                && let Some(lane) = waiting.pop()
            {
                let (inspector, subject) = (self.clone(), subject.clone());
                walking.spawn(async move {
                    inspector.check_lane(&subject, lane, Scope::Lane, deadline).await
                });
            }
            match walking.join_next().await {
                Some(Ok(report)) => reports.push(report.map_err(CheckError::Failed)?),
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                None => break,
            }
        }
        reports.sort_unstable_by_key(|report| report.lane);
        self.conclude(subject, reports, None).await
    }

    /// Checks one item and its stock, everywhere.
    ///
    /// # Errors
    /// The check could not be made, or not to its end.
    pub async fn check_sku(
        &self,
        subject: &Subject,
        sku: &Sku,
        deadline: Instant,
    ) -> Result<Report, CheckError> {
        let _place = self.place()?;
        let lane = subject.lane_map.lane_of_item(sku);
        let scope = Scope::Sku(sku.clone());
        let report = self.check_lane(subject, lane, scope, deadline).await;
        self.conclude(subject, vec![report.map_err(CheckError::Failed)?], Some(sku)).await
    }

    /// A connection for checks alone: dropped half-way, it takes everything with it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn connect(&self, of: ProjectionVersion) -> sqlx::Result<PgConnection> {
        let options: PgConnectOptions = database::proof_options(&self.database, of);
        options.connect().await
    }

    /// Puts a lane at the start of its walk.
    ///
    /// # Errors
    /// The database is away.
    pub async fn walk(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
        (lane, scope): (Lane, Scope),
        pace: Pace,
        findings: Findings,
    ) -> sqlx::Result<Walk> {
        let skipped = read::skipped(connection, subject.of, lane).await?;
        let proof = LaneProof::new(lane, subject.lane_map.clone(), scope, skipped);
        Ok(Walk::new(lane, subject.of, self.log.clone(), pace, proof, findings))
    }

    /// Compares what spans lanes. Where events were skipped it does not have to add up.
    ///
    /// # Errors
    /// The read database or the log does not answer.
    pub async fn compare_promises(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
        sku: Option<&str>,
    ) -> Result<Option<Difference>, Halt> {
        promises::compare(connection, &self.log, &subject.progress, sku).await
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, CheckError> {
        self.places.try_acquire().map_err(|_| CheckError::Busy)
    }

    async fn check_lane(
        &self,
        subject: &Subject,
        lane: Lane,
        scope: Scope,
        deadline: Instant,
    ) -> Result<LaneReport, Halt> {
        let pace = Pace {
            page: PAGE_EVENTS,
            per_second: None,
            deadline: Some(deadline),
            stop: self.stop.clone(),
        };
        let mut connection = self.connect(subject.of).await?;
        let place = (lane, scope);
        let findings = Findings::up_to(1);
        let mut walk = self.walk(&mut connection, subject, place, pace, findings).await?;
        let end = walk.run(&mut connection).await;
        let difference = walk.findings.into_vec().pop();
        Ok(LaneReport { lane, proof: walk.proof, difference, end })
    }

    async fn conclude(
        &self,
        subject: &Subject,
        reports: Vec<LaneReport>,
        sku: Option<&Sku>,
    ) -> Result<Report, CheckError> {
        let mut report = Report {
            checked: reports.iter().map(|one| one.proof.checked()).sum(),
            position: reports.iter().map(|one| (one.lane, one.proof.position())).collect(),
            first_difference: None,
            passed_over: Vec::new(),
        };
        for LaneReport { lane, proof, difference, end } in reports {
            match end {
                Ok(()) | Err(Halt::Enough) => {}
                // A difference is one, whatever else was not looked at.
                Err(_) if report.first_difference.is_some() => {}
                Err(Halt::TimeUp) => {
                    return Err(CheckError::Unfinished { checked: report.checked });
                }
                Err(halt) => return Err(CheckError::Failed(halt)),
            }
            report.first_difference = report.first_difference.or(difference);
            report.passed_over.extend(proof.passed_over().map(|position| (lane, position)));
        }
        if report.first_difference.is_none() && report.passed_over.is_empty() {
            let compared = async {
                let mut connection = self.connect(subject.of).await?;
                let sku = sku.map(Sku::as_str);
                self.compare_promises(&mut connection, subject, sku).await
            };
            report.first_difference = compared.await.map_err(CheckError::Failed)?;
        }
        Ok(report)
    }
}
