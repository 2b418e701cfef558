//! The check that always runs: lane after lane, slowly, at one instance at a time.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use crate::backoff::{Backoff, Stopping};
use crate::integrity::check::Subject;
use crate::integrity::difference::Difference;
use crate::integrity::scan::{Halt, Pace};
use crate::integrity::verification::Scope;
use crate::metrics;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// The pause between two rounds, and before asking again whether another instance checks.
const ROUND_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause after a round that failed.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Differences of one lane that are logged in one round.
const DIFFERENCES_MAX: usize = 100;

/// Pages in which the events of a second are read.
const PAGES_PER_SECOND: u32 = 4;

/// Events in one page.
const PAGE_EVENTS_MAX: u32 = 1_000;

/// Checks round after round until the service stops.
pub async fn check(projections: ProjectionSet, events_per_second: u32) {
    let stop = projections.stop().clone();
    let mut backoff = Backoff::up_to(RETRY_PAUSE_MAX);
    while !stop.is_cancelled() {
        let outcome = rounds(&projections, events_per_second, &mut backoff).await;
        if let Err(halt) = outcome {
            tracing::warn!(%halt, "the integrity check failed, trying again");
        }
        if backoff.pause(&stop).await.is_err() {
            return;
        }
    }
}

/// Checks for as long as the same version answers, on the connection that holds the lock.
async fn rounds(
    projections: &ProjectionSet,
    per_second: u32,
    backoff: &mut Backoff,
) -> Result<(), Halt> {
    let Some(subject) = projections.subject() else {
        return Ok(());
    };
    let mut connection = projections.checker().connect(subject.of).await?;
    loop {
        let holds_lock: bool =
            sqlx::query_scalar(include_str!("../../queries/try_integrity_lock.sql"))
                .fetch_one(&mut connection)
                .await?;
        if holds_lock {
            round(projections, &subject, per_second, &mut connection).await?;
            *backoff = Backoff::up_to(RETRY_PAUSE_MAX);
        }
        if pause(projections).await.is_err()
            || projections.active(Stock::PROJECTION).projection != subject.of
        {
            return Ok(());
        }
    }
}

async fn round(
    projections: &ProjectionSet,
    subject: &Subject,
    per_second: u32,
    connection: &mut PgConnection,
) -> Result<(), Halt> {
    let started = Instant::now();
    let checker = projections.checker();
    let pace = Pace {
        page: (per_second / PAGES_PER_SECOND).clamp(1, PAGE_EVENTS_MAX),
        per_second: Some(per_second),
        deadline: None,
        stop: projections.stop().clone(),
    };
    let mut has_skips = false;
    for lane in subject.lanes() {
        let part = (lane, Scope::Lane);
        let mut scan =
            checker.scan(connection, subject, part, pace.clone(), DIFFERENCES_MAX).await?;
        let end = scan.run(connection).await;
        has_skips |= scan.verification.passed_over().next().is_some();
        scan.differences.iter().for_each(report);
        match end {
            Ok(()) | Err(Halt::Enough) => {}
            Err(Halt::TimeUp) => return Ok(()),
            Err(halt) => return Err(halt),
        }
    }
    // Where events were skipped, reservations and figures need not agree.
    if !has_skips
        && let Some(difference) = checker.compare_allocations(connection, subject, None).await?
    {
        report(&difference);
    }
    metrics::integrity_round_done(started.elapsed());
    Ok(())
}

fn report(difference: &Difference) {
    metrics::integrity_differs(difference.what.as_str());
    let event = difference.event.map(|event| event.to_string());
    tracing::error!(event, "the log and the views differ: {difference}");
}

async fn pause(projections: &ProjectionSet) -> Result<(), Stopping> {
    let stop = projections.stop();
    match stop.run_until_cancelled(tokio::time::sleep(ROUND_PAUSE)).await {
        Some(()) => Ok(()),
        None => Err(Stopping),
    }
}
