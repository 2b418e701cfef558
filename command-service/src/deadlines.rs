//! The sweeper: asks the writer to expire reservations whose hold or waiting has ended, to let reservations
//! follow the fills of what they wait for, to go on filling queues, to mark transfers that are overdue, and to
//! let orders go on.
//!
//! The writer decides, as for any command, and leaves a reservation alone that was confirmed or extended
//! meanwhile, a transfer that is done, and an order that went on. Several sweepers at once do no harm.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use service_edge::outage::Outage;
use shared_events::event::Cause;
use shared_events::stream::Stream;
use shared_events::values::Label;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};
use tokio::time::sleep;

use crate::inventory::{
    ChangeOrder, ChangeTransfer, Command, FillWaitlist, OrderChange, TransferChange,
};
use crate::log::append::{
    CONTINUE_ORDER, EXPIRE_RESERVATION, FILL_WAITLIST, FOLLOW_WAITLIST, OVERDUE_TRANSFER,
};
use crate::log::row;
use crate::log::submission::{Outcome, Submission};
use crate::log::writer::Writer;
use crate::metrics;

/// Streams that are swept at a time.
const SWEEP_MAX: i64 = 500;

/// Commands that the writer has from here at a time: everybody else's wait for a batch with all of them. So
/// few are decided at a time, unless many are due.
const AT_ONCE: usize = 8;
const AT_ONCE_OF_MANY: usize = 64;

/// The pause after a search that led to no event.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The pause after one that did: where queues are filled, more comes with each command, and a
/// few at a time delay others less than many.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Sweeps what is due, and never returns. An order whose void is not answered for `operator_after` needs an
/// operator.
pub async fn sweep(pool: PgPool, writer: Writer, operator_after: Duration) {
    let outage = Outage::none();
    loop {
        let pause = match find_due(&pool, operator_after).await {
            Ok(due) => {
                if outage.is_over() {
                    tracing::info!("the deadlines are read again");
                }
                submit_all(&writer, due).await
            }
            Err(error) => {
                if let Some(failures) = outage.failed() {
                    tracing::warn!(%error, failures, "the deadlines cannot be read, trying again");
                }
                RETRY_PAUSE
            }
        };
        sleep(pause).await;
    }
}

/// What to ask for deadlines that have passed, the oldest deadline first.
async fn find_due(pool: &PgPool, operator_after: Duration) -> sqlx::Result<Vec<Submission>> {
    // Planned each time: a plan from the days when the log was small would read all of it.
    let search = sqlx::query(include_str!("../queries/find_due.sql")).persistent(false);
    let rows = search.bind(SWEEP_MAX).fetch_all(pool).await?;
    let overdue: f64 = rows.first().map_or(Ok(0.0), |row| row.try_get("overdue"))?;
    metrics::sweeper_lag(overdue);
    rows.iter().map(|row| due(row, operator_after)).collect()
}

/// What is asked of the writer when a stream is due.
fn due(row: &PgRow, operator_after: Duration) -> sqlx::Result<Submission> {
    let (stream, what): (&str, &str) = (row.try_get("stream")?, row.try_get("what")?);
    let (precondition, cause) = (None, Cause::default());
    match (stream.parse(), what) {
        (Ok(Stream::Reservation(id)), EXPIRE_RESERVATION | FOLLOW_WAITLIST) => {
            Ok(Submission::settling(id))
        }
        (Ok(Stream::Transfer(id)), OVERDUE_TRANSFER) => {
            let (correlation_id, change) = (Label::known(id.as_str()), TransferChange::MarkOverdue);
            let command = ChangeTransfer { id, change, precondition, cause };
            Ok(Submission::by_itself(Command::ChangeTransfer(command), correlation_id, None))
        }
        (Ok(Stream::Order(id)), CONTINUE_ORDER) => {
            // All events of an order have the correlation of its first.
            let correlation_id = Label::known(row.try_get("correlation_id")?);
            let cause_of_it = row::event_id(row, "lane", "position")?;
            let command = ChangeOrder {
                id,
                change: OrderChange::Continue { operator_after },
                precondition,
                cause,
            };
            Ok(Submission::by_itself(
                Command::ChangeOrder(command),
                correlation_id,
                Some(cause_of_it),
            ))
        }
        (Ok(Stream::Stock(sku, location)), FILL_WAITLIST) => {
            let correlation_id = Label::known(&format!("{sku}/{location}"));
            let command = Command::FillWaitlist(FillWaitlist { sku, location });
            Ok(Submission::by_itself(command, correlation_id, None))
        }
        (Ok(_), _) => Err(sqlx::Error::Decode(format!("{stream} has no deadline {what}").into())),
        (Err(error), _) => Err(sqlx::Error::Decode(Box::new(error))),
    }
}

/// Asks the writer for all that is due; returns the pause before the next search.
async fn submit_all(writer: &Writer, due: Vec<Submission>) -> Duration {
    let is_full = due.len() >= usize::try_from(SWEEP_MAX).unwrap_or(usize::MAX);
    let asked = due.len();
    let at_once = if asked < AT_ONCE_OF_MANY { AT_ONCE } else { AT_ONCE_OF_MANY };
    let outcomes = stream::iter(due).map(|one| writer.submit(one)).buffer_unordered(at_once);
    let outcomes: Vec<Outcome> = outcomes.collect().await;
    let decided = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Decided(_))).count();
    let count = |name| outcomes.iter().map(|outcome| outcome.recorded_of(name)).sum::<usize>();
    metrics::reservations_expired(count("ReservationExpired"));
    metrics::reservations_filled(count("ReservationFilled"));
    metrics::transfers_overdue(count("TransferOverdue"));
    metrics::orders_stuck(count("OrderNeedsOperator"));
    let last_streams =
        outcomes.iter().filter_map(|outcome| Some(&outcome.recorded().last()?.stream));
    let of_orders = last_streams.filter(|stream| matches!(stream, Stream::Order(_)));
    metrics::orders_continued(of_orders.count());
    if decided < asked {
        tracing::warn!(asked, decided, "not every passed deadline could be handled");
        return RETRY_PAUSE;
    }
    let is_idle = outcomes.iter().all(|outcome| outcome.recorded().is_empty());
    match is_idle {
        _ if is_full => Duration::ZERO,
        true => POLL_INTERVAL,
        false => BUSY_INTERVAL,
    }
}
