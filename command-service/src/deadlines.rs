//! The sweeper: asks the writer to expire reservations whose hold has ended.
//!
//! The writer decides, as for any command, and leaves a reservation alone that was confirmed or extended
//! meanwhile. Several sweepers at once do no harm.

use std::time::Duration;

use futures::future::join_all;
use shared_events::event::Cause;
use shared_events::stream::Stream;
use shared_events::values::{Label, ReservationId};
use sqlx::Row;
use sqlx::postgres::PgPool;
use tokio::time::{Instant, sleep};

use crate::inventory::{ChangeReservation, Command, Request, Step};
use crate::log::append::EXPIRE_RESERVATION;
use crate::log::submission::{Decision, Origin, Outcome, Payload, Submission};
use crate::log::writer::Writer;
use crate::metrics;

/// Reservations that are expired at a time.
const SWEEP_MAX: i64 = 500;

/// The pause when no more deadlines have passed.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long the writer may take for an expiry.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// The actor in the events of the sweeper.
const ACTOR: &str = "stockbook";

/// Expires reservations, and never returns.
pub async fn sweep(pool: PgPool, writer: Writer) {
    loop {
        let pause = match find_due(&pool).await {
            Ok(due) => expire(&writer, due).await,
            Err(error) => {
                tracing::warn!(%error, "the deadlines cannot be read, trying again in {RETRY_PAUSE:?}");
                RETRY_PAUSE
            }
        };
        sleep(pause).await;
    }
}

/// Reservations whose deadline has passed, the oldest deadline first.
async fn find_due(pool: &PgPool) -> sqlx::Result<Vec<ReservationId>> {
    let rows = sqlx::query(include_str!("../queries/find_due.sql"))
        .bind(EXPIRE_RESERVATION)
        .bind(SWEEP_MAX)
        .fetch_all(pool)
        .await?;
    let overdue: f64 = rows.first().map_or(Ok(0.0), |row| row.try_get("overdue"))?;
    metrics::sweeper_lag(overdue);
    let reservation = |stream: &str| match stream.parse() {
        Ok(Stream::Reservation(id)) => Ok(id),
        Ok(_) => Err(sqlx::Error::Decode(format!("{stream} is not a reservation").into())),
        Err(error) => Err(sqlx::Error::Decode(Box::new(error))),
    };
    rows.iter().map(|row| reservation(row.try_get("stream")?)).collect()
}

/// Asks the writer to expire reservations; returns the pause before the next search.
async fn expire(writer: &Writer, due: Vec<ReservationId>) -> Duration {
    let is_full = due.len() >= usize::try_from(SWEEP_MAX).unwrap_or(usize::MAX);
    let asked = due.len();
    let outcomes = join_all(due.into_iter().map(|id| writer.submit(expiry(id)))).await;
    let decided = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Decided(_))).count();
    let accepted = |outcome: &&Outcome| matches!(outcome, Outcome::Decided(Decision::Accepted(_)));
    let expired = outcomes.iter().filter(accepted).count();
    metrics::reservations_expired(expired);
    if decided < asked {
        tracing::warn!(asked, decided, "not every ended hold could be expired");
        return RETRY_PAUSE;
    }
    if is_full { Duration::ZERO } else { POLL_INTERVAL }
}

fn expiry(id: ReservationId) -> Submission {
    let correlation_id = label(id.as_str());
    let command =
        ChangeReservation { id, step: Step::Expire, precondition: None, cause: Cause::default() };
    Submission {
        payload: Payload::One(Request {
            command: Command::ChangeReservation(command),
            occurred_at: None,
        }),
        origin: Origin {
            actor: Some(label(ACTOR)),
            correlation_id,
            causation_id: None,
            traceparent: None,
        },
        key: None,
        validate_only: false,
        deadline: Instant::now() + REQUEST_MAX,
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("ids and words are short and printable")
}
