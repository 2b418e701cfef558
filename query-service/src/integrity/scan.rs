//! Scans one lane: verifies its events, page by page, with the rows that they left.

use std::time::Duration;

use futures::TryStreamExt;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::integrity::difference::{Difference, Kind};
use crate::integrity::rows::{MovementRow, TableRow};
use crate::integrity::verification::{Comparison, Scope, Verification};
use crate::metrics;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::{Arrival, Page};
use crate::pipeline::log_client::{LogClient, LogError};
use crate::projection::ProjectionVersion;

/// Events that may be left when the transaction that reads the rows begins.
const OPEN_EVENTS: i64 = 1_000;

/// How often the scan catches up with a growing lane before that transaction begins anyway.
const CATCH_UPS_MAX: usize = 5;

/// How often redactions are read again for a page that shows newer ones.
const REDACTIONS_READ_MAX: usize = 5;

/// Why a lane was not scanned to its end.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    #[error("as many differences as wanted were found")]
    Enough,
    #[error("the log cannot be read: {0}")]
    Log(#[from] LogError),
    #[error("the views cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the time is up")]
    TimeUp,
    #[error("the views were reset during the scan")]
    Reset,
}

/// How fast, and until when, a lane may be scanned.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Events in one page.
    pub page: u32,
    /// The limit of a background scan, which also counts its events as metrics.
    pub per_second: Option<u32>,
    pub deadline: Option<Instant>,
    pub stop: CancellationToken,
}

/// The scan of one lane.
#[derive(Debug)]
pub struct Scan {
    pub lane: Lane,
    pub of: ProjectionVersion,
    pub log: LogClient,
    pub pace: Pace,
    /// The scan ends after this number of differences.
    pub wanted: usize,
    pub verification: Verification,
    pub differences: Vec<Difference>,
}

impl Scan {
    /// Verifies the lane as far as it is applied, and every row that was written from it.
    pub async fn run(&mut self, connection: &mut PgConnection) -> Result<(), Halt> {
        // 1. Most of the events without an open transaction: applied positions never change.
        for _ in 0..CATCH_UPS_MAX {
            let applied = self.checkpoint(connection).await?.position;
            if applied.0 - self.verification.position().0 <= OPEN_EVENTS {
                break;
            }
            self.scan_to(connection, applied, false).await?;
        }
        // 2. One transaction that sees the rows and their checkpoint as of one moment.
        let mut transaction = connection.begin().await?;
        let checkpoint = self.checkpoint(&mut transaction).await?;
        if checkpoint.position < self.verification.position() {
            return Err(Halt::Reset);
        }
        // 3. The last events up to that checkpoint, then all rows.
        self.scan_to(&mut transaction, checkpoint.position, true).await?;
        self.compare(&mut transaction, checkpoint).await?;
        transaction.rollback().await?;
        Ok(())
    }

    async fn scan_to(
        &mut self,
        connection: &mut PgConnection,
        end: Position,
        in_transaction: bool,
    ) -> Result<(), Halt> {
        self.verification.expect(self.log.redactions(self.lane).await?, end);
        while self.verification.position() < end {
            let started = Instant::now();
            let after = self.verification.position();
            let left = u32::try_from(end.0 - after.0).unwrap_or(u32::MAX);
            let limit = left.min(self.pace.page);
            // 1. Its movements, first: what the views have removed, the log has removed before.
            let rows: Vec<MovementRow> =
                sqlx::query_as(include_str!("../../queries/verify_movements.sql"))
                    .bind(i16::from(self.lane))
                    .bind(after.0)
                    .bind(after.0 + i64::from(limit))
                    .bind(self.sku())
                    .fetch_all(&mut *connection)
                    .await?;
            // 2. A page of the log, which the limit on answers may cut short.
            let page = self.page_after(after, limit, end).await?;
            if page.events.iter().all(|event| event.position().is_none()) {
                return self.end_at(page.events.first().map(|event| &**event));
            }
            // 3. Each event with its row.
            let mut rows = rows.iter().peekable();
            for arrival in &page.events {
                let Ok(fact) = &arrival.content else {
                    return self.end_at(Some(arrival));
                };
                let at = fact.recorded.position.0;
                while rows.next_if(|row| row.position < at).is_some() {}
                let row = rows.next_if(|row| row.position == at);
                let difference = self.verification.follow(fact, row);
                self.note(difference)?;
            }
            self.pace.wait(started, page.events.len(), in_transaction).await?;
        }
        Ok(())
    }

    /// A page of the log with all redactions that its events show. An event is redacted together with what
    /// announces it, so a page that is read after the announcements shows at least those.
    async fn page_after(
        &mut self,
        after: Position,
        limit: u32,
        end: Position,
    ) -> Result<Page, LogError> {
        let mut attempts = 0;
        loop {
            let page = self.log.page_after(self.lane, after, limit).await?;
            let events = page.events.iter().filter_map(|event| event.content.as_ref().ok());
            attempts += 1;
            if self.verification.knows_redactions_of(events.map(|fact| &fact.recorded))
                || attempts > REDACTIONS_READ_MAX
            {
                return Ok(page);
            }
            self.verification.expect(self.log.redactions(self.lane).await?, end);
        }
    }

    /// Ends the scan where the log has no event, or a line that is not one.
    fn end_at(&mut self, arrival: Option<&Arrival>) -> Result<(), Halt> {
        let difference = match arrival.map(|arrival| &arrival.content) {
            Some(Err(unreadable)) => self.verification.unreadable(&unreadable.error),
            _ => self.verification.missing(),
        };
        self.note(Some(difference))?;
        Err(Halt::Enough)
    }

    fn note(&mut self, difference: Option<Difference>) -> Result<(), Halt> {
        self.differences.extend(difference);
        if self.differences.len() < self.wanted { Ok(()) } else { Err(Halt::Enough) }
    }

    /// Compares the checkpoint, then every row.
    async fn compare(
        &mut self,
        connection: &mut PgConnection,
        checkpoint: Checkpoint,
    ) -> Result<(), Halt> {
        let (lane, sku) = (i16::from(self.lane), self.sku().map(str::to_owned));
        self.note(self.verification.compare_checkpoint(checkpoint))?;
        for (kind, statement) in TABLES {
            let mut rows = sqlx::query_as(statement).bind(lane).bind(&sku).fetch(&mut *connection);
            while let Some(row) = rows.try_next().await? {
                let difference = self.compare_row(kind, &row).await?;
                self.note(difference)?;
            }
            self.pace.check_time()?;
        }
        let mut rows = sqlx::query_as(include_str!("../../queries/verify_waitlist.sql"))
            .bind(lane)
            .bind(&sku)
            .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let difference = self.verification.compare_waiter(&row);
            self.note(difference)?;
        }
        drop(rows);
        self.note(self.verification.absent())?;
        let beyond: Option<i64> =
            sqlx::query_scalar(include_str!("../../queries/find_movement_beyond.sql"))
                .bind(lane)
                .bind(checkpoint.position.0)
                .bind(sku)
                .fetch_one(connection)
                .await?;
        self.note(beyond.map(|position| self.verification.beyond(Position(position))))
    }

    async fn compare_row(
        &mut self,
        kind: Kind,
        row: &TableRow,
    ) -> Result<Option<Difference>, Halt> {
        match self.verification.compare(kind, row) {
            Comparison::Same => Ok(None),
            Comparison::Differs(difference) => Ok(Some(difference)),
            Comparison::ContentsDiffer(position) => {
                let page = self.log.page_after(self.lane, Position(position.0 - 1), 1).await?;
                let fact = page.events.first().and_then(|arrival| arrival.content.as_ref().ok());
                Ok(match fact {
                    Some(fact) => self.verification.compare_contents(fact, row),
                    None => Some(self.verification.missing()),
                })
            }
        }
    }

    /// How far the lane is applied.
    async fn checkpoint(&self, connection: &mut PgConnection) -> sqlx::Result<Checkpoint> {
        let (position, chain): (i64, [u8; 32]) =
            sqlx::query_as(include_str!("../../queries/get_checkpoint.sql"))
                .bind(self.of.name())
                .bind(self.of.version())
                .bind(i16::from(self.lane))
                .fetch_one(connection)
                .await?;
        Ok(Checkpoint { position: Position(position), chain: Chain(chain) })
    }

    fn sku(&self) -> Option<&str> {
        match self.verification.scope() {
            Scope::Lane => None,
            Scope::Sku(sku) => Some(sku.as_str()),
        }
    }
}

/// The tables with a row for each stream or sku, and the statements that read those of one lane.
const TABLES: [(Kind, &str); 6] = [
    (Kind::Level, include_str!("../../queries/verify_levels.sql")),
    (Kind::Total, include_str!("../../queries/verify_totals.sql")),
    (Kind::Item, include_str!("../../queries/verify_items.sql")),
    (Kind::Location, include_str!("../../queries/verify_locations.sql")),
    (Kind::Reservation, include_str!("../../queries/verify_reservations.sql")),
    (Kind::Transfer, include_str!("../../queries/verify_transfers.sql")),
];

impl Pace {
    /// Waits until the next page may be read after one that began at `started`; never inside a
    /// transaction.
    async fn wait(
        &self,
        started: Instant,
        events: usize,
        in_transaction: bool,
    ) -> Result<(), Halt> {
        if let Some(per_second) = self.per_second {
            metrics::integrity_checked(events as u64);
            let due =
                started + Duration::from_secs(1).mul_f64(events as f64 / f64::from(per_second));
            if !in_transaction {
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
