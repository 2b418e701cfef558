//! When streams are due: the rows of `deadlines` that a batch's events set and remove.

use std::collections::BTreeMap;

use shared_events::event::Event;
use shared_events::reservation::ReservationStatus;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};

use super::append::Binding;

/// What is due when a hold ends.
pub(crate) const EXPIRE_RESERVATION: &str = "expire_reservation";

/// The deadlines that change with a batch: when a stream is due, or that it no longer is.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeMap<Stream, Option<Timestamp>>);

impl Deadlines {
    /// Notes what an event changes.
    pub(super) fn add(&mut self, event: &Event) {
        let Some(step) = event.reservation_step() else {
            return;
        };
        let is_held = step.after.status == ReservationStatus::Held;
        let due = is_held.then_some(step.after.expires_at);
        self.0.insert(event.stream(), due);
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Binds them: what is due, the streams, their times.
    pub(super) fn bind(self, statement: Binding) -> Binding {
        let streams: Vec<String> = self.0.keys().map(Stream::to_string).collect();
        let due: Vec<Option<DateTime<Utc>>> =
            self.0.into_values().map(|due| due.map(Timestamp::to_utc)).collect();
        statement.bind(EXPIRE_RESERVATION).bind(streams).bind(due)
    }
}
