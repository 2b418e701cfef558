//! Refusals and failures, as the problems that callers get.

mod catalogue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use service_edge::outage::Outage;
use service_edge::problem::Fault;
use shared_events::reservation::ReservationStatus;

pub use self::catalogue::{Code, Problem};
use crate::inventory::{Excess, Rejection};
use crate::log::read::ReadError;
use crate::log::submission::NotExecuted;
use crate::reversals::WindowError;

impl Problem {
    /// A batch of more commands than the limit.
    pub(super) fn batch_too_large(limit: usize) -> Self {
        Self::new(Code::BatchTooLarge, format!("a batch has at most {limit} commands"))
            .with("limit", limit)
    }

    /// A key is required, but `place` has none.
    pub(super) fn key_missing(place: &str) -> Self {
        let detail = format!("this service executes a command only with a key, in {place}");
        Self::new(Code::IdempotencyKeyMissing, detail)
    }

    pub(super) fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another route or body",
        )
    }

    pub(super) fn key_in_progress() -> Self {
        let detail = "a request with this Idempotency-Key is being executed now";
        Self::new(Code::IdempotencyInProgress, detail).retry_after(Duration::from_secs(1))
    }

    /// The thing with this id does not exist.
    pub(super) fn missing(code: Code, detail: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(code, detail.into()).with("id", id.into())
    }

    /// Commands are not accepted: the service has no database yet, or is stopping.
    pub(super) fn nothing_recorded() -> Self {
        Self::new(
            Code::Unavailable,
            "Nothing was recorded; the service is stopping, or cannot reach its database.",
        )
    }

    pub(super) fn outcome_unknown() -> Self {
        Self::new(
            Code::Unavailable,
            "It is not known whether this was recorded. Repeat it with the same Idempotency-Key to \
             get its answer; without a key, check before you repeat it.",
        )
    }

    pub(super) fn personal_not_kept() -> Self {
        let message = "is not kept here: the service has no MASTER_KEY_FILE";
        Self::validation_failed(vec![Fault::new("/personal", message)])
    }

    pub(super) fn log_unavailable() -> Self {
        Self::new(Code::Unavailable, "The log cannot be read now.")
    }

    fn with_excess(self, Excess { line, asked, possible }: Excess) -> Self {
        self.with("line", line).with("asked", asked).with("possible", possible)
    }
}

impl From<NotExecuted> for Problem {
    fn from(reason: NotExecuted) -> Self {
        match reason {
            NotExecuted::DeadlinePassed => Self::new(
                Code::DeadlineExceeded,
                "It waited too long for its turn. It was not executed and will not be.",
            ),
            NotExecuted::DatabaseUnavailable => Self::nothing_recorded(),
            NotExecuted::Stopping => {
                Self::new(Code::Unavailable, "The service is stopping. Nothing was recorded.")
            }
            NotExecuted::TooLarge { limit } => Self::new(
                Code::BodyTooLarge,
                "Its events would take more bytes than one transaction may. Nothing was recorded; \
                 divide it.",
            )
            .with("limit", limit),
            NotExecuted::TooManyEvents { limit } => Self::new(
                Code::BatchTooLarge,
                format!(
                    "One reversal reverses at most {limit} events. Nothing was recorded; reverse a \
                     window, or one event at a time."
                ),
            )
            .with("limit", limit),
            NotExecuted::Unreadable => {
                Self::internal(&"a stream holds an event that this version does not know")
            }
            NotExecuted::PersonalNotKept => Self::personal_not_kept(),
            NotExecuted::QueueFull { retry_after } => {
                Self::new(Code::Overloaded, "The queue is full. Nothing was recorded.")
                    .retry_after(retry_after)
            }
        }
    }
}

impl From<WindowError> for Problem {
    fn from(error: WindowError) -> Self {
        match error {
            WindowError::KeyReused => Self::key_reused(),
            WindowError::TooLarge { limit } => {
                Self::new(Code::BatchTooLarge, format!("the window {error}")).with("limit", limit)
            }
            WindowError::Log(error) => error.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => {
                static READS: Outage = Outage::none();
                if let Some(failures) = READS.failed() {
                    tracing::warn!(%cause, failures, "a read failed");
                }
                Self::log_unavailable()
            }
            ReadError::Corrupt(cause) => Self::internal(&cause),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let refused = |code| Self::new(code, detail);
        match rejection {
            Rejection::UnknownSku { sku } => refused(Code::UnknownSku).with("sku", sku),
            Rejection::UnknownLocation { location } => {
                refused(Code::UnknownLocation).with("location", location)
            }
            Rejection::ItemInUse { sku } | Rejection::ItemHasStock { sku } => {
                refused(Code::ItemInUse).with("sku", sku)
            }
            Rejection::ItemRetired { sku } => refused(Code::ItemRetired).with("sku", sku),
            Rejection::InsufficientStock { lines } => {
                refused(Code::InsufficientStock).with("lines", lines)
            }
            Rejection::VersionConflict { expected, actual } => {
                refused(Code::VersionConflict).with("expected", expected).with("actual", actual)
            }
            Rejection::NoHistory {} => {
                refused(Code::VersionConflict).with("expected", "*").with("actual", 0)
            }
            Rejection::StaleQuantity { expected, actual } => {
                refused(Code::StaleQuantity).with("expected", expected).with("actual", actual)
            }
            Rejection::UnknownReservation { id } => {
                refused(Code::UnknownReservation).with("id", id)
            }
            Rejection::ReservationExpired {} => refused(Code::ReservationExpired)
                .with("reservation_status", ReservationStatus::Expired),
            Rejection::ReservationState { status } => {
                refused(Code::ReservationState).with("reservation_status", status)
            }
            Rejection::DoneForAnother { status, reference } => refused(Code::ReservationState)
                .with("reservation_status", status)
                .with("reference", reference),
            Rejection::OverRelease { part } => refused(Code::OverRelease).with_excess(part),
            Rejection::OverFulfil { part } => refused(Code::OverFulfil).with_excess(part),
            Rejection::OverReturn { part } => refused(Code::OverReturn).with_excess(part),
            Rejection::UnknownTransfer { id } => refused(Code::UnknownTransfer).with("id", id),
            Rejection::TransferState { status } => {
                refused(Code::TransferState).with("transfer_status", status)
            }
            Rejection::OverReceive { part } => refused(Code::OverReceive).with_excess(part),
            Rejection::ExpectedAtPassed { now } => {
                let message = format!("must be later than now, {now}");
                Self::validation_failed(vec![Fault::new("/expected_at", message)])
            }
            Rejection::UnknownOrder { id } => refused(Code::UnknownOrder).with("id", id),
            Rejection::OrderState { status } => {
                refused(Code::OrderState).with("order_status", status)
            }
            Rejection::UnknownEvent { id } => refused(Code::UnknownEvent).with("id", id),
            Rejection::AlreadyReversed { dependents } => {
                refused(Code::AlreadyReversed).with("dependents", dependents)
            }
            Rejection::NotReversible { why: _, dependents } => {
                refused(Code::NotReversible).with("dependents", dependents)
            }
            Rejection::Promised { lines, dependents } => {
                refused(Code::InsufficientStock).with("lines", lines).with("dependents", dependents)
            }
            Rejection::QuantityOverflow { sku: _, location: _ } => refused(Code::QuantityOverflow),
            Rejection::OccurredAtOutOfRange { earliest, latest } => {
                refused(Code::OccurredAtOutOfRange)
                    .with("earliest", earliest)
                    .with("latest", latest)
            }
        }
    }
}
