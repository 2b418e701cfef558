//! The check that always runs: lane after lane, slowly, at one instance at a time.

use std::time::Duration;

use chrono::Utc;
use serde::Serialize;
use service_edge::retry::{Backoff, Stopping};
use shared_events::lane::{Position, PositionToken};
use shared_events::time::Timestamp;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::integrity::check::{Checker, Subject};
use crate::integrity::difference::Difference;
use crate::integrity::scan::{Halt, Pace};
use crate::integrity::verification::Scope;
use crate::metrics;

/// The pause between two rounds, and before asking again whether another instance checks.
const ROUND_PAUSE: Duration = Duration::from_secs(10);

/// How much longer than a round the pause after it is while nothing is recorded. What rests is checked in a
/// tenth of the time, however large it is.
const RESTS: u32 = 9;

/// The longest pause after a round that failed.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Differences of one lane that are logged in one round.
const DIFFERENCES_MAX: usize = 100;

/// Pages in which the events of a second are read.
const PAGES_PER_SECOND: u32 = 4;

/// Events in one page.
const PAGE_EVENTS_MAX: u32 = 1_000;

/// A complete round.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Round {
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
    /// Differences that were found, at most 100 of each lane. Each is logged.
    differences: usize,
}

/// Checks round after round until the service stops, and says how each ended. `subject` is what can be
/// checked now, if anything.
pub async fn check(
    checker: Checker,
    subject: impl Fn() -> Option<Subject>,
    events_per_second: u32,
    ended: watch::Sender<Option<Round>>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::up_to(RETRY_PAUSE_MAX);
    let pace = Pace {
        page: (events_per_second / PAGES_PER_SECOND).clamp(1, PAGE_EVENTS_MAX),
        per_second: Some(events_per_second),
        deadline: None,
        stop: stop.clone(),
    };
    while !stop.is_cancelled() {
        if let Err(halt) = rounds(&checker, &subject, &pace, &ended, &mut backoff).await {
            tracing::warn!(%halt, "the integrity check failed, trying again");
        }
        if backoff.pause(&stop).await.is_err() {
            return;
        }
    }
}

/// Checks for as long as the same version answers, on the connection that holds the lock.
async fn rounds(
    checker: &Checker,
    subject: impl Fn() -> Option<Subject>,
    pace: &Pace,
    ended: &watch::Sender<Option<Round>>,
    backoff: &mut Backoff,
) -> Result<(), Halt> {
    let Some(checked) = subject() else {
        return Ok(());
    };
    let mut connection = checker.connect(checked.of).await?;
    let mut rest: Option<(Instant, PositionToken)> = None;
    loop {
        let holds_lock: bool =
            sqlx::query_scalar(include_str!("../../queries/try_integrity_lock.sql"))
                .fetch_one(&mut connection)
                .await?;
        let (now, applied) = (Instant::now(), applied(&checked));
        let is_resting =
            |(until, before): &(Instant, PositionToken)| now < *until && *before == applied;
        if holds_lock && !rest.as_ref().is_some_and(is_resting) {
            if let Some(round) = round(checker, &checked, pace, &mut connection).await? {
                ended.send_replace(Some(round));
            }
            *backoff = Backoff::up_to(RETRY_PAUSE_MAX);
            rest = Some((Instant::now() + now.elapsed() * RESTS, applied));
        }
        if pause(&pace.stop).await.is_err() || subject().is_none_or(|now| now.of != checked.of) {
            return Ok(());
        }
    }
}

/// How far every lane is applied, as this instance knows.
fn applied(subject: &Subject) -> PositionToken {
    let lanes = subject.lane_map.lanes().into_iter();
    subject.progress.applied_of(&lanes.map(|lane| (lane, Position::default())).collect())
}

/// `None` if the time was up before the end.
async fn round(
    checker: &Checker,
    subject: &Subject,
    pace: &Pace,
    connection: &mut PgConnection,
) -> Result<Option<Round>, Halt> {
    let started = Instant::now();
    let mut differences = 0;
    let mut has_skips = false;
    for lane in subject.lane_map.lanes() {
        let part = (lane, Scope::Lane);
        let mut scan =
            checker.scan(connection, subject, part, pace.clone(), DIFFERENCES_MAX).await?;
        let end = scan.run(connection).await;
        has_skips |= scan.verification.passed_over().next().is_some();
        scan.differences.iter().for_each(report);
        differences += scan.differences.len();
        match end {
            Ok(()) | Err(Halt::Enough) => {}
            Err(Halt::TimeUp) => return Ok(None),
            Err(halt) => return Err(halt),
        }
    }
    let lanes = subject.lane_map.lanes();
    // Where events were skipped, the views need not agree.
    if !has_skips
        && let Some(difference) = checker.compare_views(connection, subject, lanes, None).await?
    {
        report(&difference);
        differences += 1;
    }
    metrics::integrity_round_done(started.elapsed());
    Ok(Some(Round { ended_at: Timestamp::new(Utc::now()), differences }))
}

fn report(difference: &Difference) {
    metrics::integrity_differs();
    let event = difference.event.map(|event| event.to_string());
    tracing::error!(event, "the log and the views differ: {difference}");
}

async fn pause(stop: &CancellationToken) -> Result<(), Stopping> {
    match stop.run_until_cancelled(tokio::time::sleep(ROUND_PAUSE)).await {
        Some(()) => Ok(()),
        None => Err(Stopping),
    }
}
