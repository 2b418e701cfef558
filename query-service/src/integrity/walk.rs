//! One lane through its proof: pages of the log beside the rows that they left.

use std::time::Duration;

use futures::TryStreamExt;
use shared_events::lane::{Lane, Position};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::database;
use crate::integrity::findings::{Enough, Findings};
use crate::integrity::proof::difference::Difference;
use crate::integrity::proof::rows::DescribedRow;
use crate::integrity::proof::{Comparison, LaneProof, describe};
use crate::integrity::read;
use crate::metrics;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::Arrival;
use crate::pipeline::log_client::{LogClient, LogError};
use crate::projection::ProjectionVersion;

/// Events that may be left to walk when the rows' transaction begins.
const OPEN_EVENTS: i64 = 1_000;

/// How often a lane that grows meanwhile is walked on before its transaction begins all the same.
const APPROACHES_MAX: usize = 5;

/// Why a lane was not walked to its end.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// As many differences as were asked for have been found.
    #[error("there are differences enough")]
    Enough,
    /// The log does not answer.
    #[error("the log cannot be read: {0}")]
    Log(#[from] LogError),
    /// The read database does not answer.
    #[error("the views cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The time was up.
    #[error("the time is up")]
    TimeUp,
    /// The views were set back while they were compared.
    #[error("the views were set back meanwhile")]
    SetBack,
}

impl From<Enough> for Halt {
    fn from(Enough: Enough) -> Self {
        Self::Enough
    }
}

/// How fast, and until when, a lane may be walked.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Events that one request to the log asks for.
    pub page: u32,
    /// Events a second, if that is bounded; they are counted as they are walked.
    pub per_second: Option<u32>,
    /// When the time is up, if it ever is.
    pub deadline: Option<Instant>,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

/// A lane on its way through its proof.
#[derive(Debug)]
pub struct Walk {
    lane: Lane,
    of: ProjectionVersion,
    log: LogClient,
    pace: Pace,
    /// Whether the rows' transaction is open.
    is_open: bool,
    /// What is known of it so far.
    pub proof: LaneProof,
    /// What differs so far.
    pub findings: Findings,
}

impl Walk {
    /// A walk before the lane's first event.
    pub fn new(
        lane: Lane,
        of: ProjectionVersion,
        log: LogClient,
        pace: Pace,
        proof: LaneProof,
        findings: Findings,
    ) -> Self {
        Self { lane, of, log, pace, is_open: false, proof, findings }
    }

    /// Walks the lane as far as it is applied, and compares every row that was written from it.
    ///
    /// # Errors
    /// It was not walked to its end.
    pub async fn run(&mut self, connection: &mut PgConnection) -> Result<(), Halt> {
        // 1. Most of the way with nothing held open: what is applied does not change any more.
        for _ in 0..APPROACHES_MAX {
            let applied = read::checkpoint(connection, self.of, self.lane).await?.position;
            if applied.0 - self.proof.position().0 <= OPEN_EVENTS {
                break;
            }
            self.go_to(connection, applied).await?;
        }
        self.is_open = true;
        // 2. One transaction that sees the views and their checkpoint as of one moment. It only reads;
        //    dropped half-way, it ends with its connection.
        let mut transaction = connection.begin().await?;
        let checkpoint = read::checkpoint(&mut transaction, self.of, self.lane).await?;
        if checkpoint.position < self.proof.position() {
            return Err(Halt::SetBack);
        }
        // 3. The last events, up to exactly there; then all rows.
        self.go_to(&mut transaction, checkpoint.position).await?;
        self.compare(&mut transaction, checkpoint).await?;
        transaction.rollback().await?;
        Ok(())
    }

    /// Takes every event up to a position that is applied.
    async fn go_to(&mut self, connection: &mut PgConnection, upto: Position) -> Result<(), Halt> {
        while self.proof.position() < upto {
            let started = Instant::now();
            let after = self.proof.position();
            let left = u32::try_from(upto.0 - after.0).unwrap_or(u32::MAX);
            let limit = left.min(self.pace.page);
            // 1. The log's page, which an answer's bound may cut short.
            let page = self.log.page_after(self.lane, after, limit).await?;
            let Some(last) = page.events.iter().rev().find_map(position) else {
                return self.end_at(page.events.first());
            };
            // 2. The movements beside it.
            let scope = self.proof.scope();
            let rows = read::movements(connection, self.lane, scope, (after, last)).await?;
            // 3. Each event with its row.
            let mut rows = rows.iter().peekable();
            for arrival in &page.events {
                let Ok(fact) = &arrival.content else {
                    return self.end_at(Some(arrival));
                };
                let at = fact.recorded.position;
                while rows.next_if(|row| row.position < at).is_some() {}
                let row = rows.next_if(|row| row.position == at);
                let difference = self.proof.follow(fact, row);
                self.findings.note(difference)?;
            }
            self.pace.pass(started, page.events.len(), self.is_open).await?;
        }
        Ok(())
    }

    /// Ends where the log has no event, or one that nobody can read.
    fn end_at(&mut self, arrival: Option<&Arrival>) -> Result<(), Halt> {
        let difference = match arrival.map(|arrival| &arrival.content) {
            Some(Err(unreadable)) => self.proof.unreadable(&unreadable.error),
            _ => self.proof.missing(),
        };
        self.findings.note(Some(difference))?;
        Err(Halt::Enough)
    }

    /// Compares what is applied, and every row, with what is known.
    async fn compare(
        &mut self,
        connection: &mut PgConnection,
        checkpoint: Checkpoint,
    ) -> Result<(), Halt> {
        self.findings.note(self.proof.compare_checkpoint(checkpoint))?;
        for view in View::ALL {
            self.compare_view(connection, view).await?;
        }
        self.findings.note(self.proof.absent())?;
        let scope = self.proof.scope();
        let beyond =
            read::movement_beyond(connection, self.lane, scope, checkpoint.position).await?;
        self.findings.note(beyond.map(|position| self.proof.beyond(position)))?;
        Ok(())
    }

    async fn compare_view(
        &mut self,
        connection: &mut PgConnection,
        view: View,
    ) -> Result<(), Halt> {
        let sku = read::sku(self.proof.scope()).map(str::to_owned);
        let mut rows = sqlx::query(view.statement())
            .bind(database::lane_column(self.lane))
            .bind(sku)
            .fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let difference = match view {
                View::Levels => self.proof.compare_level(&read::level(&row)?),
                View::Totals => self.proof.compare_total(&read::total(&row)?),
                View::Items => self.compare_described(&read::item(&row)?).await?,
                View::Locations => self.compare_described(&read::location(&row)?).await?,
                View::Reservations => self.compare_described(&read::reservation(&row)?).await?,
            };
            self.findings.note(difference)?;
        }
        self.pace.check_time()
    }

    async fn compare_described(&mut self, row: &DescribedRow) -> Result<Option<Difference>, Halt> {
        match self.proof.compare_described(row) {
            Comparison::Same => Ok(None),
            Comparison::Differs(difference) => Ok(Some(difference)),
            Comparison::Described(position) => {
                let before = Position(position.0 - 1);
                let page = self.log.page_after(self.lane, before, 1).await?;
                let fact = page.events.first().and_then(|arrival| arrival.content.as_ref().ok());
                Ok(Some(fact.map_or_else(|| self.proof.missing(), |fact| describe(fact, row))))
            }
        }
    }
}

/// A table that holds a row for each stream or sku.
#[derive(Debug, Clone, Copy)]
enum View {
    Levels,
    Totals,
    Items,
    Locations,
    Reservations,
}

impl View {
    const ALL: [Self; 5] =
        [Self::Levels, Self::Totals, Self::Items, Self::Locations, Self::Reservations];

    /// Reads the rows of a lane.
    fn statement(self) -> &'static str {
        match self {
            Self::Levels => include_str!("../../queries/prove_levels.sql"),
            Self::Totals => include_str!("../../queries/prove_totals.sql"),
            Self::Items => include_str!("../../queries/prove_items.sql"),
            Self::Locations => include_str!("../../queries/prove_locations.sql"),
            Self::Reservations => include_str!("../../queries/prove_reservations.sql"),
        }
    }
}

impl Pace {
    /// Waits until the next page may be read after one that began at `started`, unless a transaction
    /// is open, and sees to the time.
    async fn pass(&self, started: Instant, events: usize, is_open: bool) -> Result<(), Halt> {
        if let Some(per_second) = self.per_second {
            metrics::integrity_checked(events as u64);
            let due =
                started + Duration::from_secs(1).mul_f64(events as f64 / f64::from(per_second));
            if !is_open {
                let _ = self.stop.run_until_cancelled(tokio::time::sleep_until(due)).await;
            }
        }
        self.check_time()
    }

    fn check_time(&self) -> Result<(), Halt> {
        let is_up = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if is_up || self.stop.is_cancelled() { Err(Halt::TimeUp) } else { Ok(()) }
    }
}

fn position(arrival: &Arrival) -> Option<Position> {
    arrival.content.as_ref().ok().map(|fact| fact.recorded.position)
}
