//! The view `stock`: levels, totals, movements, reservations, items and locations.

pub mod fold;
#[cfg(test)]
mod spec;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use shared_events::event::Event;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::PgConnection;

pub use self::fold::{Changes, Movement, Name, ReservationRow};
use crate::projection::Unfit;
use crate::projections::view::View;

/// Levels, totals, movements, reservations, items and locations.
#[derive(Debug)]
pub struct Stock;

impl View for Stock {
    const NAME: &'static str = "stock";
    const SUMMARY: &'static str = "Levels, totals, movements, reservations, items and locations";
    const LINGER: Duration = Duration::from_millis(4);
    const FETCH_MIN_BYTES: u32 = 1;

    type Changes = Changes;

    fn fold(changes: &mut Changes, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        changes.fold(recorded, event)
    }

    async fn write(
        changes: &Changes,
        _ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        write::write(changes, connection).await
    }
}
