//! The check that runs all the time: lane after lane, slowly, by one instance at a time.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use crate::backoff::{Backoff, Stopping};
use crate::integrity::check::Subject;
use crate::integrity::findings::Findings;
use crate::integrity::proof::Scope;
use crate::integrity::proof::difference::Difference;
use crate::integrity::walk::{Halt, Pace};
use crate::metrics;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// The pause between two rounds, and between two looks at whether another instance still checks.
const ROUND_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause after a round that failed.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Differences of a lane that are told; further ones are left to the next round.
const DIFFERENCES_MAX: usize = 100;

/// Steps a second in which the events of a second are read.
const STEPS_PER_SECOND: u32 = 4;

/// Events of one step at most.
const STEP_EVENTS_MAX: u32 = 1_000;

/// Checks round after round until told to stop.
pub async fn watch(projections: ProjectionSet, events_per_second: u32) {
    let stop = projections.stop().clone();
    let mut backoff = Backoff::up_to(RETRY_PAUSE_MAX);
    while !stop.is_cancelled() {
        let outcome = rounds(&projections, events_per_second, &mut backoff).await;
        if let Err(halt) = outcome {
            tracing::warn!(%halt, "the integrity check cannot go on, trying again");
        }
        if backoff.pause(&stop).await.is_err() {
            return;
        }
    }
}

/// Checks on one connection, whose lock says that nobody else does, as long as the same version
/// answers.
async fn rounds(
    projections: &ProjectionSet,
    per_second: u32,
    backoff: &mut Backoff,
) -> Result<(), Halt> {
    let Some(subject) = projections.subject() else {
        return Ok(());
    };
    let mut connection = projections.inspector().connect(subject.of).await?;
    loop {
        if is_alone(&mut connection).await? {
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

/// Takes the lock, or finds that this connection has it already.
async fn is_alone(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(include_str!("../../queries/try_integrity_lock.sql"))
        .fetch_one(connection)
        .await
}

async fn round(
    projections: &ProjectionSet,
    subject: &Subject,
    per_second: u32,
    connection: &mut PgConnection,
) -> Result<(), Halt> {
    let started = Instant::now();
    let inspector = projections.inspector();
    let pace = Pace {
        page: (per_second / STEPS_PER_SECOND).clamp(1, STEP_EVENTS_MAX),
        per_second: Some(per_second),
        deadline: None,
        stop: projections.stop().clone(),
    };
    let mut lanes = subject.lane_map.slots().to_vec();
    lanes.sort_unstable();
    lanes.dedup();
    let mut has_skips = false;
    for lane in lanes {
        let findings = Findings::up_to(DIFFERENCES_MAX);
        let place = (lane, Scope::Lane);
        let mut walk = inspector.walk(connection, subject, place, pace.clone(), findings).await?;
        let end = walk.run(connection).await;
        has_skips |= walk.proof.passed_over().next().is_some();
        for difference in walk.findings.into_vec() {
            tell(&difference);
        }
        match end {
            Ok(()) | Err(Halt::Enough) => {}
            Err(Halt::TimeUp) => return Ok(()),
            Err(halt) => return Err(halt),
        }
    }
    if !has_skips
        && let Some(difference) = inspector.compare_promises(connection, subject, None).await?
    {
        tell(&difference);
    }
    metrics::integrity_round_done(started.elapsed());
    Ok(())
}

fn tell(difference: &Difference) {
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
